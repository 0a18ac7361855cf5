import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeValue, encodeValue } from '../../src/codec/codec.js'
import { decodeText, encodeText } from '../../src/codec/text.js'
import { decode, encode } from '../../src/values.js'

const LIMIT = 1 << 20
const LENGTHS = [0, 1, 31, 32, 33, 255, 256, 257, 65_535, 65_536, 65_537]

test('a string of ASCII has the bytes that the packer gives it, at every length of its head', () => {
  for (const length of LENGTHS) {
    const text = 'x'.repeat(length)

    assert.equal(encodeText(text), encodeValue(text, LIMIT).latin1Slice(), `${length}`)
    assert.equal(decodeText(encodeText(text)!), text, `${length}`)
  }
})

test('any string comes back as it was, whichever way it is encoded', () => {
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary-ascii', maxLength: 600 }))
  fc.assert(
    fc.property(texts, text => {
      const encoded = encode(text, LIMIT)

      assert.equal(encoded.value, encodeValue(text, LIMIT).latin1Slice())
      assert.equal(decode({ value: encoded.value! }), text)
    }),
  )
})

test('what is no string of ASCII, or has a head that says another length, is left to the packer', () => {
  for (const value of [null, 5, ['a'], { a: 'b' }, 'é', '日本', '😀', Buffer.from('a')]) {
    assert.equal(decodeText(encodeValue(value, LIMIT).latin1Slice()), undefined, String(value))
  }
  for (const bytes of ['', '\xa2a', '\xa0a', '\xd9\x05hello', '\xd9\x40hello', '\xda\x00', '\xdb']) {
    assert.equal(decodeText(bytes), undefined, JSON.stringify(bytes))
    const damaged = bytes === '\xd9\x05hello' ? undefined : { code: 'STORE_CORRUPT' }
    // A short string under a longer head is a string all the same, though the packer would not write it so.
    if (damaged === undefined) assert.equal(decode({ value: bytes }), 'hello')
    else assert.throws(() => decodeValue(Buffer.from(bytes, 'latin1'), 0, bytes.length), damaged)
  }
})

test('a string over the limit is refused, however it is encoded', () => {
  for (const text of ['x'.repeat(100), 'é'.repeat(50)]) {
    assert.throws(() => encode(text, 100), { code: 'VALUE_TOO_LARGE' })
  }
})
