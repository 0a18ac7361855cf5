// The codecs of maps: what is stored tells how it is to be read, so settings may change under it.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { deserialize, serialize } from 'node:v8'
import { AgentMemory, type Codec, type MapOptions, type MemoryMap } from '../../src/index.js'
import { freshFolder, freshMemory, SMALL } from '../api/temporary-folder.js'

const v8Codec: Codec = { id: 130, name: 'v8', encode: value => serialize(value), decode: bytes => deserialize(bytes) }
const textCodec: Codec = {
  id: 255,
  name: 'text',
  encode: value => new TextEncoder().encode(JSON.stringify(value)),
  decode: bytes => JSON.parse(new TextDecoder().decode(bytes)),
}

test('json is plain text in the log and in the store', async t => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  t.after(() => memory.close())
  const map = memory.map<object>('notes', { codec: 'json' })
  const text = '{"title":"plain","list":[1,2.5,"é"],"__proto__":null}'
  await map.set('k', JSON.parse(text))
  const files = (name: string) => readdirSync(join(folder, name)).map(file => readFileSync(join(folder, name, file)))

  assert.ok(files('log').some(bytes => bytes.includes(text)))
  await memory.checkpoint()
  assert.ok(files('store').some(bytes => bytes.includes(text)))
  assert.equal(JSON.stringify(await map.get('k')), text)
})

test('a map that asks for json refuses at set what JSON would change, and nothing was written', async t => {
  const memory = await freshMemory(t)
  const map = memory.map('notes', { codec: 'json' })
  for (const value of [undefined, { a: undefined }, [Number.NaN], -0, 1n, new Date(0), new Map(), new Uint8Array(1)]) {
    await assert.rejects(map.set('k', value), { code: 'VALUE_UNSUPPORTED' })
    await assert.rejects(map.setMany([['k', value]]), { code: 'VALUE_UNSUPPORTED' })
    if (value !== undefined)
      await assert.rejects(
        map.update('k', () => value),
        { code: 'VALUE_UNSUPPORTED' },
      )
  }

  assert.equal(await map.has('k'), false)
  assert.equal(memory.status().lsn.accepted, 0)
})

test('what was written under other settings is read, whatever the map writes now', async () => {
  const folder = await freshFolder()
  const settings: MapOptions[] = [
    {},
    { codec: 'json' },
    { codec: v8Codec },
    { codec: textCodec, compression: { algorithm: 'gzip', thresholdBytes: 0 } },
    { codec: 'json', compression: { algorithm: 'brotli', thresholdBytes: 0 } },
    { codec: 'lossless', compression: { algorithm: 'gzip', thresholdBytes: 0, level: 9 } },
  ]
  const value = { text: 'the same text, the same text, the same text', list: [1, { two: null }] }
  for (const [index, options] of settings.entries()) {
    const memory = await AgentMemory.open(folder, SMALL)
    await memory.map('m', options).set(`k${index}`, value)
    // Half of them are read from the log after the next open, the others from the store.
    if (index % 2 === 0) await memory.checkpoint()
    await memory.close({ deadlineMs: 0 })
  }

  for (const options of [{ codec: [v8Codec, textCodec] }, { codec: ['json', v8Codec, textCodec] as const }]) {
    const memory = await AgentMemory.open(folder, { ...SMALL, tierBytesMax: 0 })
    const map = memory.map('m', options)
    for (const index of settings.keys()) assert.deepEqual(await map.get(`k${index}`), value, `k${index}`)
    assert.deepEqual(
      await valuesOf(map),
      settings.map(() => value),
    )
    assert.deepEqual((await map.update('k1', found => ({ ...(found as object), more: 1 }))).value, {
      ...value,
      more: 1,
    })
    await map.set('k1', value)
    await memory.close()
  }
})

test("a value of a user's codec that the map was not given is an error that names it, and nothing is lost", async t => {
  const folder = await freshFolder()
  const first = await AgentMemory.open(folder, SMALL)
  await first.map('m', { codec: v8Codec }).set('k', new Map([[1, 2]]))
  await first.map('m').set('other', 1)
  await first.close()

  const memory = await AgentMemory.open(folder, SMALL)
  t.after(() => memory.close())
  const map = memory.map('m', { codec: textCodec })
  const missing = { code: 'CODEC_MISSING', message: /codec 130, which the map was not given.*id 130/ }
  await assert.rejects(map.get('k'), missing)
  await assert.rejects(map.getMany(['other', 'k']), missing)
  await assert.rejects(map.getEntry('k'), missing)
  await assert.rejects(
    map.update('k', value => value),
    missing,
  )
  await assert.rejects(valuesOf(map), missing)
  assert.equal(await map.has('k'), true)
  await memory.close()

  const again = await AgentMemory.open(folder, SMALL)
  assert.deepEqual(await again.map('m', { codec: ['lossless', v8Codec] }).get('k'), new Map([[1, 2]]))
  await again.close()
})

test('a codec of a user gets bytes that are its own, and may use its buffer again', async t => {
  const buffer = new Uint8Array(64)
  const kept: Uint8Array[] = []
  const codec: Codec = {
    id: 128,
    name: 'raw',
    encode: value => {
      buffer.fill(0)
      const { written } = new TextEncoder().encodeInto(value as string, buffer)
      return buffer.subarray(0, written)
    },
    decode: bytes => {
      kept.push(bytes)
      return new TextDecoder().decode(bytes)
    },
  }
  const memory = await freshMemory(t)
  const map = memory.map<string>('m', { codec })
  await Promise.all([map.set('a', 'first'), map.set('b', 'second, and longer'), map.set('empty', '')])

  assert.deepEqual(await map.getMany(['a', 'b', 'empty']), ['first', 'second, and longer', ''])
  assert.ok(kept.every(bytes => bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.length))
  for (const bytes of kept) bytes.fill(0xff)
  assert.equal(await map.get('a'), 'first')
  await memory.checkpoint()
  assert.equal(await map.get('empty'), '')
})

test('a codec that breaks its contract is told so, and nothing was written', async t => {
  const memory = await freshMemory(t)
  const answers: [unknown, object][] = [
    ['a string', { code: 'INVALID_OPTION', message: /"bad" has answered encode with string/ }],
    [Promise.resolve(new Uint8Array(1)), { code: 'INVALID_OPTION', message: /with a promise/ }],
    [Promise.reject(new Error('late')), { code: 'INVALID_OPTION' }],
    [null, { code: 'INVALID_OPTION', message: /with null/ }],
    [new Uint8Array(20 << 20), { code: 'VALUE_TOO_LARGE' }],
  ]
  for (const [index, [answer, error]] of answers.entries()) {
    const codec = { id: 128, name: 'bad', encode: () => answer as Uint8Array, decode: () => 1 }
    await assert.rejects(memory.map(`m${index}`, { codec }).set('k', 1), error)
  }
  const throwing: Codec = {
    id: 128,
    name: 'bad',
    encode: value => {
      if (value === 'no') throw new RangeError('I will not')
      return new Uint8Array(1)
    },
    decode: () => {
      throw new Error('I cannot')
    },
  }
  const map = memory.map('throwing', { codec: throwing })
  await assert.rejects(map.set('k', 'no'), {
    code: 'VALUE_UNSUPPORTED',
    message: /"bad" refuses the value: I will not/,
  })
  await assert.rejects(map.set('k', undefined), { code: 'VALUE_UNSUPPORTED', message: /undefined/ })
  assert.equal(memory.status().lsn.accepted, 0)
  await map.set('k', 'yes')
  await assert.rejects(map.get('k'), { code: 'STORE_CORRUPT', message: /"bad" cannot decode a value: I cannot/ })
  for (const [name, value] of [
    ['undefined', undefined],
    ['promise', Promise.resolve(1)],
  ] as const) {
    const codec = { id: 128, name: 'bad', encode: () => new Uint8Array(1), decode: () => value }
    const other = memory.map(name, { codec })
    await other.set('k', 1)
    await assert.rejects(other.get('k'), {
      code: 'INVALID_OPTION',
      message: new RegExp(`answered decode with .*${name}`),
    })
  }
})

test('codecs that are none are refused when the map is opened', async t => {
  const memory = await freshMemory(t)
  const { encode, decode } = v8Codec
  const wrong: unknown[] = [
    'msgpack',
    null,
    [],
    7,
    {},
    { id: 130, encode, decode },
    { id: 130, name: '', encode, decode },
    { id: 127, name: 'x', encode, decode },
    { id: 256, name: 'x', encode, decode },
    { id: 130.5, name: 'x', encode, decode },
    { id: 130, name: 'x', encode },
    Object.create(null),
    [v8Codec, { ...textCodec, id: 130 }],
  ]
  for (const codec of wrong) {
    assert.throws(
      () => memory.map('m', { codec } as MapOptions),
      { code: 'INVALID_OPTION' },
      String(codec && typeof codec),
    )
  }
  memory.map('m', { codec: v8Codec })
  assert.throws(() => memory.map('m', { codec: textCodec }), { code: 'OPTIONS_DIFFER' })
  assert.throws(() => memory.map('m', { codec: 'json' }), { code: 'OPTIONS_DIFFER' })
  // A module that was loaded again brings a codec that means the same.
  await memory.map('m', { codec: { ...v8Codec } }).set('k', 1)
  assert.equal(await memory.scope().map('m').get('k'), 1)
})

async function valuesOf(map: MemoryMap): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const { value } of map.entries()) found.push(value)
  return found
}
