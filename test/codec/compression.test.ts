import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as zlib from 'node:zlib'
import fc from 'fast-check'
import {
  type CompressionConfig,
  type CompressionName,
  compress,
  decompress,
  levelsOf,
} from '../../src/codec/compression.js'
import { COMPRESSION } from '../../src/codec/form.js'

const hasZstd = levelsOf('zstd') !== undefined
const NAMES: CompressionName[] = hasZstd ? ['gzip', 'brotli', 'zstd'] : ['gzip', 'brotli']
const TEXT = Buffer.from('to be or not to be, that is the question. '.repeat(30))

function config(algorithm: CompressionName, rest: Partial<CompressionConfig> = {}): CompressionConfig {
  return { algorithm, thresholdBytes: 0, level: levelsOf(algorithm)!.byDefault, ...rest }
}

function tally() {
  return { bytesBefore: 0, bytesAfter: 0 }
}

function assertCorrupt(name: CompressionName, bytes: Buffer, what?: string): void {
  assert.throws(() => decompress(COMPRESSION[name], bytes), { code: 'STORE_CORRUPT' }, what)
}

test('the runtime has zstd from Node 22.15 on', () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  assert.equal(hasZstd, major > 22 || (major === 22 && minor >= 15))
})

for (const name of NAMES) {
  const stream = compress(TEXT, config(name), tally())!

  test(`${name}: bytes come back as they were, and are kept as they are where nothing is saved`, () => {
    const counts = tally()
    let before = 0
    let after = 0
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 40 }), (part, times) => {
        const bytes = Buffer.concat(new Array<Uint8Array>(times).fill(part))
        const compressed = compress(bytes, config(name), counts)
        before += bytes.length
        after += compressed?.length ?? bytes.length
        if (compressed === undefined) return
        assert.ok(compressed.length < bytes.length)
        assert.deepEqual(decompress(COMPRESSION[name], compressed), bytes)
      }),
    )
    assert.deepEqual(counts, { bytesBefore: before, bytesAfter: after })
    assert.ok(after < before)
  })

  test(`${name}: a value below the threshold is left as it is`, () => {
    assert.equal(compress(TEXT, config(name, { thresholdBytes: TEXT.length + 1 }), tally()), undefined)
    assert.notEqual(compress(TEXT, config(name, { thresholdBytes: TEXT.length }), tally()), undefined)
  })

  test(`${name}: every level works`, () => {
    const { min, max } = levelsOf(name)!
    for (let level = min; level <= max; level++) {
      assert.deepEqual(decompress(COMPRESSION[name], compress(TEXT, config(name, { level }), tally())!), TEXT)
    }
  })

  test(`${name}: a large value comes back as it was`, () => {
    const bytes = Buffer.alloc(20 << 20, 'x')
    const compressed = compress(bytes, config(name), tally())!

    assert.ok(compressed.length < 100_000)
    assert.ok(decompress(COMPRESSION[name], compressed).equals(bytes))
  })

  test(`${name}: a stream that is cut short, at whatever byte, is STORE_CORRUPT`, () => {
    for (let length = 0; length < stream.length; length++) assertCorrupt(name, stream.subarray(0, length), `${length}`)
  })

  test(`${name}: bytes behind the end are STORE_CORRUPT`, () => {
    for (const more of [[0], [0x1f], [0x1f, 0x8b, 8, 0], [...stream.subarray(4)]]) {
      assertCorrupt(name, Buffer.concat([stream, Buffer.from(more)]), JSON.stringify(more))
    }
  })

  test(`${name}: a flip of any bit gives as many bytes as the value had, or STORE_CORRUPT`, () => {
    let refused = 0
    for (let bit = 0; bit < stream.length * 8; bit++) {
      const flipped = Buffer.from(stream)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      try {
        const bytes = decompress(COMPRESSION[name], flipped)
        assert.equal(bytes.length, TEXT.length)
        // gzip has a checksum of its own; the others rely on that of the record, or of the stored value, around them.
        if (name === 'gzip') assert.ok(bytes.equals(TEXT), `bit ${bit}`)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'STORE_CORRUPT', String(error))
        refused += 1
      }
    }
    assert.ok(refused > stream.length * 2, `${refused} of ${stream.length * 8}`)
  })

  test(`${name}: any bytes give a value or STORE_CORRUPT`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        try {
          decompress(COMPRESSION[name], Buffer.from(bytes))
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'STORE_CORRUPT', String(error))
        }
      }),
    )
  })

  test(`${name}: no more bytes are made than the value says that it was`, () => {
    const bomb = compress(Buffer.alloc(64 << 20), config(name), tally())!
    bomb.writeUInt32LE(1000, 0)
    assertCorrupt(name, bomb)
    bomb.writeUInt32LE((64 << 20) + 1, 0)
    assertCorrupt(name, bomb)
    for (const size of [(512 << 20) + 1, 2 ** 32 - 1]) {
      bomb.writeUInt32LE(size, 0)
      assert.throws(() => decompress(COMPRESSION[name], bomb), {
        code: 'STORE_CORRUPT',
        cause: new Error(`no value has ${size} bytes`),
      })
    }
  })
}

test('the bytes of compressed values do not change: head, then a stream that others read', () => {
  const compressed = compress(TEXT, config('gzip'), tally())!
  assert.equal(compressed.readUInt32LE(0), TEXT.length)
  assert.deepEqual(zlib.gunzipSync(compressed.subarray(4)), TEXT)
  const golden: [CompressionName, string][] = [
    ['gzip', '28000000' + '1f8b08000000000000034b4c240e0000258a5bc928000000'],
    ['brotli', '28000000' + '1b27000024c2c2994002'],
    ['zstd', '28000000' + '28b52ffd202845000010616101001f8005'],
  ]
  for (const [name, hex] of golden) {
    if (!NAMES.includes(name)) continue
    assert.equal(decompress(COMPRESSION[name], Buffer.from(hex, 'hex')).toString(), 'a'.repeat(40), name)
  }
})

test('a compression that nobody knows is FORMAT_TOO_NEW, and zstd where there is none CODEC_MISSING', () => {
  assert.throws(() => decompress(4, Buffer.alloc(10)), { code: 'FORMAT_TOO_NEW', message: /compression 4/ })
  if (hasZstd) return
  assert.throws(() => decompress(COMPRESSION.zstd, Buffer.alloc(10)), {
    code: 'CODEC_MISSING',
    message: /Node\.js 22\.15/,
  })
})
