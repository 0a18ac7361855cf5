// A file of a files store is checked by what it says: neither its layout counts, nor the bytes that a codec makes of it. It is
// never much larger than its value.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeValue, encodeValue } from '../../src/codec/codec.js'
import { PLAIN_FORM } from '../../src/codec/form.js'
import { decodeJson } from '../../src/codec/json.js'
import { decodeStoredValue, encodeStoredValue } from '../../src/codec/stored-value.js'
import { encodeKey } from '../../src/core/key.js'
import { decodeValueFile, encodeValueFile } from '../../src/stores/files/value-file.js'

const KEY = encodeKey(['preferences', 'user-1', 'language'])
const named = '"key":["preferences","user-1","language"]'

const read = (text: string) => decodeValueFile('json', Buffer.from(text), KEY)

// What format 1 has written once has to be read for as long as it is read, whatever becomes of the codecs.
const WRITTEN = {
  messagepack: `{ ${named}, "value": "zh-CN", "holdfast": {"format":1,"codec":"messagepack","lsn":17,"crc":"c6275678"} }`,
  json: `{
  ${named},
  "value": { "rate": 0.1, "n": [1, -2.5, 1e+21, 4294967296], "ä": "\\n" },
  "holdfast": {"format":1,"codec":"json","schemaVersion":3,"expiresAtMs":1900000000000,"lsn":17,"crc":"7273beb8"}
}`,
}

test('files: the checksum of a file follows from what it says alone', () => {
  const packed = read(WRITTEN.messagepack)
  assert.ok(packed.isWhole)
  const { value, lsn } = decodeStoredValue(KEY, packed.value)
  assert.equal(decodeValue(value, 0, value.length), 'zh-CN')
  assert.equal(lsn, 17)

  const json = read(WRITTEN.json)
  assert.ok(json.isWhole)
  const stored = decodeStoredValue(KEY, json.value)
  assert.deepEqual(decodeJson(stored.value), { rate: 0.1, n: [1, -2.5, 1e21, 4294967296], ä: '\n' })
  assert.equal(stored.expiresAt, 1_900_000_000_000)
})

test('files: a file that is laid out otherwise says the same', () => {
  for (const text of Object.values(WRITTEN)) {
    const object = JSON.parse(text) as object
    const laidOut = [JSON.stringify(object), JSON.stringify(object, undefined, '\t'), text.replaceAll('\n', '\r\n')]
    for (const each of laidOut) assert.deepEqual(read(each), read(text), each)
  }
})

test('files: whatever else a file says, its checksum fails', () => {
  const { json } = WRITTEN
  const edits: [from: string, to: string][] = [
    ['0.1', '0.2'],
    ['"ä"', '"a"'],
    ['"rate": 0.1, "n"', '"n"'],
    ['"codec":"json"', '"codec":"messagepack"'],
    ['"schemaVersion":3', '"schemaVersion":4'],
    ['"expiresAtMs":1900000000000,', ''],
    ['"lsn":17', '"lsn":18'],
    ['7273beb8', '7273BEB8'],
    ['"value"', '"note": "mine", "value"'],
    ['"lsn"', '"note":"mine","lsn"'],
    [`${named},`, ''],
  ]
  for (const [from, to] of edits) {
    assert.ok(json.includes(from), from)
    assert.equal(read(json.replace(from, to)).isWhole, false, `${from} becomes ${to}`)
  }
})

test('files: numbers that JSON reads and does not write are no other number', () => {
  const crcOf = { 0: '5f950df5', null: '99918953' }
  for (const [value, other] of [
    ['0', '-0'],
    ['null', '1e400'],
  ] as const) {
    const textOf = (said: string) =>
      `{${named},"value":${said},"holdfast":{"format":1,"codec":"messagepack","lsn":1,"crc":"${crcOf[value]}"}}`
    assert.equal(read(textOf(value)).isWhole, true, value)
    assert.equal(read(textOf(other)).isWhole, false, other)
  }
})

test('files: a value that is deep or large is on one line, as every level would indent all that is in it', () => {
  const deep = (of: unknown, levels: number) => {
    let value = of
    for (let level = 0; level < levels; level++) value = [value]
    return value
  }
  const ones = (count: number) => new Array<number>(count).fill(1)
  const values: [value: unknown, isIndented: boolean][] = [
    [deep(ones(10), 3), true],
    [deep(ones(60_000), 490), false],
    [ones(70_000), false],
    ['x'.repeat(1 << 20), false],
  ]
  for (const [value, isIndented] of values) {
    const bytes = Buffer.from(encodeValue(value, 16 << 20))
    const stored = encodeStoredValue({ key: KEY, lsn: 1, form: PLAIN_FORM, expiresAt: 0, value: bytes })
    const { ending, content } = encodeValueFile(KEY, stored)
    assert.equal(ending, 'json')
    assert.equal(/\n {4}/.test(content.toString()), isIndented)
    assert.ok(content.length < 4 * bytes.length + 2048, `${content.length} bytes for ${bytes.length}`)
    assert.deepEqual(decodeValueFile('json', content, KEY), { key: KEY, value: stored, isWhole: true })
  }
  const huge = encodeStoredValue({
    key: KEY,
    lsn: 1,
    form: PLAIN_FORM,
    expiresAt: 0,
    value: Buffer.from(encodeValue('x'.repeat(17 << 20), 32 << 20)),
  })
  assert.equal(encodeValueFile(KEY, huge).ending, 'bin')
})
