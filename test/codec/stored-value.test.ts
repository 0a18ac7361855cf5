import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { CODEC, COMPRESSION, COMPRESSION_MAX, formOf } from '../../src/codec/form.js'
import { decodeStoredValue, encodeStoredValue } from '../../src/codec/stored-value.js'
import { encodeSegments } from '../../src/core/key.js'

const key = encodeSegments(['profile', 'user-1'])
const head = { lsn: 2 ** 40 + 7, form: formOf(CODEC.messagePack, COMPRESSION.none, 3) }

/** Changes a byte and makes the checksum right again, as a newer version would have written it. */
function rewritten(bytes: Buffer, at: number, byte: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = byte
  copy.writeUInt32LE(crc32(copy.subarray(4), crc32(Buffer.from(key, 'latin1'))), 0)
  return copy
}

/** The stored value with these bytes as its extras. */
function withExtras(bytes: Buffer, extras: readonly number[]): Buffer {
  const copy = Buffer.concat([bytes.subarray(0, 22), Buffer.from(extras), bytes.subarray(22)])
  return rewritten(copy, 20, extras.length)
}

test('a stored value comes back with all of its fields', () => {
  const fields = fc.record({
    lsn: fc.maxSafeNat(),
    form: fc
      .tuple(fc.nat({ max: 255 }), fc.nat({ max: COMPRESSION_MAX }), fc.nat({ max: 0xffff }))
      .map(parts => formOf(...parts)),
    expiresAt: fc.oneof(fc.constant(0), fc.maxSafeNat()),
  })
  const segments = fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fields, segments, fc.uint8Array(), (given, names, bytes) => {
      const value = Buffer.from(bytes)
      const stored = encodeStoredValue({ key: encodeSegments(names), ...given, value })
      assert.deepEqual(decodeStoredValue(encodeSegments(names), stored), { ...given, value })
    }),
  )
})

test('a range of a buffer can be given as the value, and what may be left aside is skipped', () => {
  const stored = encodeStoredValue({ key, ...head, value: Buffer.from('xxabcyy'), valueStart: 2, valueEnd: 5 })
  const decoded = decodeStoredValue(key, withExtras(stored, [1, 2, 0xaa, 0xbb, 2, 0]))
  assert.equal(decoded.value.toString(), 'abc')
  assert.equal(decoded.expiresAt, 0)
})

test('the bytes of format 1 do not change', () => {
  const stored = encodeStoredValue({ key, ...head, value: Buffer.from('a568656c6c6f', 'hex') })
  assert.equal(
    stored.toString('hex'),
    '78e4f028' + '01010000' + '0300' + '0000' + '0700000000010000' + '0000' + 'a568656c6c6f',
  )
})

test('a flip of any bit is found, and the error names the key', () => {
  const expiresAt = Date.UTC(2030, 0)
  const stored = encodeStoredValue({ key, ...head, value: Buffer.from('a568656c6c6f', 'hex'), expiresAt })
  for (let bit = 0; bit < stored.length * 8; bit++) {
    const flipped = Buffer.from(stored)
    flipped[bit >> 3] = flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7))
    assert.throws(() => decodeStoredValue(key, flipped), {
      code: 'STORE_CORRUPT',
      message: /\["profile","user-1"\].*npx holdfast verify/,
    })
  }
})

test('a value that is cut short, grown, or of another key is found', () => {
  const stored = encodeStoredValue({ key, ...head, value: Buffer.from('hello') })
  for (let length = 0; length < stored.length; length++) {
    assert.throws(() => decodeStoredValue(key, stored.subarray(0, length)), { code: 'STORE_CORRUPT' })
  }
  assert.throws(() => decodeStoredValue(key, Buffer.concat([stored, Buffer.alloc(1)])), { code: 'STORE_CORRUPT' })
  assert.throws(() => decodeStoredValue(encodeSegments(['profile', 'user-2']), stored), { code: 'STORE_CORRUPT' })
})

test('a newer format, an unknown required flag and an unknown required extra are told from damage', () => {
  const stored = withExtras(encodeStoredValue({ key, ...head, value: Buffer.from('hello') }), [5, 0])
  assert.throws(() => decodeStoredValue(key, rewritten(stored, 4, 2)), { code: 'FORMAT_TOO_NEW', message: /format 2/ })
  assert.throws(() => decodeStoredValue(key, rewritten(stored, 11, 0x80)), {
    code: 'FORMAT_TOO_NEW',
    message: /0x8000/,
  })
  assert.throws(() => decodeStoredValue(key, rewritten(stored, 6, 4)), {
    code: 'FORMAT_TOO_NEW',
    message: /compression 4/,
  })
  assert.throws(() => decodeStoredValue(key, rewritten(stored, 7, 1)), {
    code: 'FORMAT_TOO_NEW',
    message: /encryption key 1/,
  })
  assert.throws(() => decodeStoredValue(key, rewritten(stored, 22, 129)), {
    code: 'FORMAT_TOO_NEW',
    message: /extra 129/,
  })
  assert.equal(decodeStoredValue(key, rewritten(stored, 22, 127)).value.toString(), 'hello')
})

test('fields that cannot be, under a right checksum, are damage', () => {
  const stored = withExtras(encodeStoredValue({ key, ...head, value: Buffer.from('hello') }), [5, 0])
  assert.throws(() => decodeStoredValue(key, rewritten(stored, 4, 0)), { code: 'STORE_CORRUPT' })
  assert.throws(() => decodeStoredValue(key, rewritten(stored, 19, 0xff)), { code: 'STORE_CORRUPT' })
  assert.throws(() => decodeStoredValue(key, rewritten(stored, 20, 200)), { code: 'STORE_CORRUPT' })
  assert.throws(() => decodeStoredValue(key, rewritten(stored, 23, 1)), { code: 'STORE_CORRUPT' })
  for (const expiry of [
    [128, 0],
    [128, 7, 1, 1, 1, 1, 1, 1, 1],
    [128, 8, 0, 0, 0, 0, 0, 0, 0, 0],
  ]) {
    const bare = encodeStoredValue({ key, ...head, value: Buffer.from('hello') })
    assert.throws(() => decodeStoredValue(key, withExtras(bare, expiry)), { code: 'STORE_CORRUPT' })
  }
})
