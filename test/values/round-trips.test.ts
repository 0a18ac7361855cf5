// Any value, through every codec and compression: equal, or refused; and never shared with the caller.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deserialize, serialize } from 'node:v8'
import * as zlib from 'node:zlib'
import fc from 'fast-check'
import { anyValue } from '../../prove/any-value.js'
import { AgentMemoryError, type Codec, type CodecName, type CompressionName, WrongCallError } from '../../src/index.js'
import { parseValueOptions } from '../../src/value-options.js'
import { Values } from '../../src/values.js'
import { freshMemory } from '../api/temporary-folder.js'
import { assertSame } from '../codec/round-trip.js'

const LIMIT = 16 << 20
const v8Codec: Codec = { id: 200, name: 'v8', encode: value => serialize(value), decode: bytes => deserialize(bytes) }
const CODECS: (CodecName | Codec)[] = ['lossless', 'json', v8Codec]
const COMPRESSIONS: (CompressionName | undefined)[] = [
  undefined,
  'gzip',
  'brotli',
  ...('zstdCompressSync' in zlib ? (['zstd'] as const) : []),
]

function combinations() {
  return CODECS.flatMap(codec =>
    COMPRESSIONS.map(algorithm => {
      const compression = algorithm && { algorithm, thresholdBytes: 0 }
      const tally = { bytesBefore: 0, bytesAfter: 0 }
      const values = new Values('m', parseValueOptions({ codec, ...(compression && { compression }) }), tally)
      return {
        name: `${typeof codec === 'string' ? codec : codec.name}, ${algorithm ?? 'plain'}`,
        codec,
        values,
        tally,
      }
    }),
  )
}

function encoded(values: Values, value: unknown): { form: number; value: string } | undefined {
  try {
    const { form, value: bytes } = values.encode(value, LIMIT)
    return { form, value: bytes! }
  } catch (error) {
    assert.ok(error instanceof WrongCallError, String(error))
    return undefined
  }
}

for (const { name, codec, values, tally } of combinations()) {
  test(`any value comes back as it was, or is refused: ${name}`, () => {
    // Larger ones too, and with repetitions, so that compression has something to do.
    const value = fc.oneof(
      anyValue,
      fc.tuple(anyValue, fc.integer({ min: 2, max: 50 })).map(([each, count]) => new Array<unknown>(count).fill(each)),
    )
    fc.assert(
      fc.property(value, each => {
        // What v8 makes of odd things is its own affair: it is asked for what it promises.
        if (codec === v8Codec && !isV8Kept(each)) return
        const bytes = encoded(values, each)
        if (bytes === undefined) {
          assert.ok(codec === 'json' || each === undefined, 'only json refuses what the default codec keeps')
          return
        }
        assertSame(values.decode(bytes), each)
      }),
      { numRuns: 600 },
    )
    assert.ok(tally.bytesAfter <= tally.bytesBefore)
  })

  test(`huge and hostile values: ${name}`, () => {
    const texts = ['\ud800', 'a\0b', '\udc00\ud800', '\ufeff', '日本語', '']
    for (const value of [
      'x'.repeat(3_000_000),
      'é'.repeat(500_000),
      '\ud800'.repeat(1000),
      Array.from({ length: 100_000 }, (_, index) => index),
      Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`key ${index}`, texts])),
      ...texts,
      ...texts.map(text => ({ [text]: [text, { text }] })),
      JSON.parse('{"__proto__":{"a":1},"constructor":{"b":2}}'),
    ]) {
      if (codec === v8Codec && !isV8Kept(value)) continue
      assertSame(values.decode(encoded(values, value)!), value)
    }
    assert.throws(() => values.encode('x'.repeat(LIMIT), LIMIT), { code: 'VALUE_TOO_LARGE' })
  })

  // v8 promises nothing of damaged bytes.
  const skip = codec === v8Codec
  test(`damaged bytes give a value or an error of ours: ${name}`, { skip }, () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    let refused = 0
    fc.assert(
      fc.property(anyValue, damage, fc.nat({ max: 3 }), fc.boolean(), (value, changes, cut, isRepeated) => {
        const bytes = encoded(values, isRepeated ? [value, value, value, value] : value)
        if (bytes === undefined) return
        const damaged = Buffer.from(bytes.value, 'latin1')
        for (const [at, byte] of changes) damaged[at % damaged.length] = byte
        const rest = damaged.subarray(0, Math.max(1, damaged.length - cut))
        try {
          values.decode({ form: bytes.form, value: rest.toString('latin1') })
        } catch (error) {
          refused += 1
          assert.ok(error instanceof AgentMemoryError && error.code === 'STORE_CORRUPT', String(error))
        }
      }),
      { numRuns: 500 },
    )
    assert.ok(refused > 20, `${refused} were refused`)
  })
}

test('what is done to an object after set or get changes nothing in the memory, whatever keeps it', async t => {
  const memory = await freshMemory(t)
  for (const { name, codec } of combinations()) {
    const algorithm = name.endsWith('plain') ? undefined : (name.split(', ')[1] as CompressionName)
    const compression = algorithm && { algorithm, thresholdBytes: 0 }
    const map = memory.map<{ list: number[]; text: string }>(name, { codec, ...(compression && { compression }) })
    const expected = { list: [1, 2, 3], text: 'again and again and again and again and again' }
    const given = structuredClone(expected)
    const written = map.set('k', given)
    given.list.push(4)
    given.text = ''
    await written

    const read = (await map.get('k'))!
    assert.deepEqual(read, expected, name)
    read.list.push(5)
    assert.deepEqual(await map.get('k'), expected, name)
    await memory.checkpoint()
    const { value } = await map.update('k', each => each)
    value.list.pop()
    assert.deepEqual((await map.getEntry('k'))?.value, expected, name)
  }
})

/** Of the values that fast-check makes: without a prototype they get one, and shared parts stay shared. */
function isV8Kept(value: unknown): boolean {
  if (value === undefined) return false
  try {
    assertSame(deserialize(serialize(value)), value)
    return true
  } catch {
    return false
  }
}
