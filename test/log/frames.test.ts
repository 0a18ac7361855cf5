import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { formOf } from '../../src/codec/form.js'
import { applyMask, decodeFrameHeader, FRAME_HEADER_BYTES, FrameType, hasFaintSector } from '../../src/log/format.js'
import { FrameBuilder, openFrame } from '../../src/log/frame.js'
import { readRecord, readRecords } from '../../src/log/record.js'

const HEADER = {
  type: FrameType.writes,
  position: 8192,
  firstLsn: 1,
  lastLsn: 2 ** 52,
  ceiling: 2 ** 52 + 7,
  mark: { lsn: 2 ** 40, position: 2 ** 41 },
  wallMs: 1.5,
  chain: 0xdeadbeef,
  salt: 0xffffffff,
}

const byteText = (options: fc.StringConstraints) =>
  fc.string({ unit: fc.nat(255).map(c => String.fromCharCode(c)), ...options })
const record = fc.record(
  {
    key: byteText({ minLength: 1, maxLength: 40 }),
    lsn: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    value: fc.option(
      fc.oneof(
        byteText({ maxLength: 60 }),
        fc.nat(5000).map(length => '\0'.repeat(length)),
      ),
      { nil: undefined },
    ),
  },
  { noNullPrototype: true },
)

test('a frame gives its records back, and has no sector of zeros whatever its values are', () => {
  const builder = new FrameBuilder()
  fc.assert(
    fc.property(fc.array(record, { maxLength: 12, size: 'max' }), records => {
      const sealed = seal(builder, records)
      const bytes = Buffer.from(sealed.bytes)

      assert.equal(bytes.length % 4096, 0)
      assert.equal(hasFaintSector(bytes), false)
      const header = decodeFrameHeader(bytes, 0)!
      const { crc: _crc, mask: _mask, bodyBytes: _bodyBytes, ...fields } = header
      assert.deepEqual(fields, { ...HEADER, records: records.length })
      const opened = openFrame(bytes, header)!
      assert.equal(opened.chain, sealed.chain)
      const read = [...readRecords(opened.body)].map(({ key, lsn, value }) => ({
        key,
        lsn,
        value: value?.latin1Slice(),
      }))
      assert.deepEqual(read, records)
    }),
    { numRuns: 500 },
  )
})

test('masking twice gives the bytes back, for every length', () => {
  for (let length = 0; length < 70; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, index) => index * 7))
    const masked = Buffer.from(bytes)
    applyMask(masked, 0x9e3779b9)
    applyMask(masked, 0x9e3779b9)
    assert.deepEqual(masked, bytes)
  }
})

test('a value that is zeros under a mask that it knows gets another mask', () => {
  const builder = new FrameBuilder()
  const first = Buffer.from(seal(builder, [{ key: 'k', lsn: 1, value: '\0'.repeat(4096) }]).bytes)
  const { mask } = decodeFrameHeader(first, 0)!
  assert.notEqual(mask, 0)
  // What the mask makes of zeros is the mask: as a value it would be zeros once masked.
  const evil = first.subarray(FRAME_HEADER_BYTES + 25, FRAME_HEADER_BYTES + 25 + 4096).latin1Slice()

  const second = Buffer.from(
    seal(builder, [
      { key: 'k', lsn: 1, value: evil },
      { key: 'z', lsn: 2, value: '\0'.repeat(2000) },
    ]).bytes,
  )

  assert.equal(hasFaintSector(second), false)
  assert.notEqual(decodeFrameHeader(second, 0)!.mask, mask)
})

test('a builder that one large frame has grown goes on with small ones', () => {
  const builder = new FrameBuilder()
  const large = seal(builder, [{ key: 'k', lsn: 1, value: 'x'.repeat(3 << 20) }])
  assert.ok(large.bytes.length > 3 << 20)

  const small = seal(builder, [{ key: 'k', lsn: 1, value: 'y' }])

  assert.equal(small.bytes.length, 4096)
})

test('a frame type of the future, or a longer header, is FORMAT_TOO_NEW and no damage', () => {
  for (const change of [
    (bytes: Buffer) => bytes.writeUInt8(4, 4),
    (bytes: Buffer) => bytes.writeUInt8(0, 4),
    (bytes: Buffer) => bytes.writeUInt16LE(128, 6),
  ]) {
    const bytes = Buffer.from(seal(new FrameBuilder(), []).bytes)
    change(bytes)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, FRAME_HEADER_BYTES - 4)), FRAME_HEADER_BYTES - 4)

    assert.throws(() => decodeFrameHeader(bytes, 0), { code: 'FORMAT_TOO_NEW' })
  }
})

test('a record with a feature that this version does not know is FORMAT_TOO_NEW', () => {
  const changes: [string, (bytes: Buffer) => void][] = [
    ['kind 3', bytes => bytes.writeUInt8(3, 0)],
    ['kind 0', bytes => bytes.writeUInt8(0, 0)],
    ['compression', bytes => bytes.writeUInt8(4, 2)],
    ['encryption', bytes => bytes.writeUInt8(9, 3)],
    ['a required flag', bytes => bytes.writeUInt16LE(0x8000, 4)],
  ]
  for (const [name, change] of changes) {
    const bytes = rawRecord({ extras: [] })
    change(bytes)
    assert.throws(() => readRecord(bytes, 0), { code: 'FORMAT_TOO_NEW' }, name)
  }
  assert.throws(() => readRecord(rawRecord({ extras: [129, 0] }), 0), { code: 'FORMAT_TOO_NEW' })
  assert.throws(() => readRecord(rawRecord({ extras: [3, 2, 7, 7, 255, 1, 0] }), 0), { code: 'FORMAT_TOO_NEW' })
})

test('codec, compression and schema version stand where the format says, and come back', () => {
  const builder = new FrameBuilder()
  builder.begin(1000)
  const form = formOf(2, 3, 0xfedc)
  builder.add('key', 42, form, 'value')
  const { bytes } = builder.seal(HEADER)
  const body = bytes.subarray(FRAME_HEADER_BYTES)

  assert.equal(
    body.subarray(0, 16).toString('hex'),
    '01' + '02' + '03' + '00' + '0000' + '0300' + '05000000' + '0000' + 'dcfe',
  )
  assert.equal(readRecord(body, 0).record.form, form)
})

test('extras that may be left aside are skipped, whatever is in them', () => {
  for (const extras of [
    [],
    [1, 0],
    [2, 3, 200, 201, 202],
    [127, 1, 255, 4, 0],
    [9, 255, ...new Array<number>(255).fill(0x80)],
  ]) {
    const { record: read, end } = readRecord(rawRecord({ extras }), 0)

    assert.equal(read.key, 'key')
    assert.equal(read.value?.latin1Slice(), 'value')
    assert.equal(end, 24 + 3 + extras.length + 5)
  }
})

test('a record that does not fit its frame is LOG_CORRUPT and reads nothing beyond it', () => {
  for (const bytes of [
    rawRecord({ extras: [] }).subarray(0, -1),
    rawRecord({ extras: [] }).subarray(0, 23),
    Buffer.alloc(1, 1),
  ]) {
    assert.throws(() => readRecord(bytes, 0), { code: 'LOG_CORRUPT' })
  }
  for (const extras of [[1, 9, 0], [1], [1, 0, 1], [128, 0], [128, 8, 0, 0, 0, 0, 0, 0, 0, 0]]) {
    assert.throws(() => readRecord(rawRecord({ extras }), 0), { code: 'LOG_CORRUPT' }, JSON.stringify(extras))
  }
})

function seal(builder: FrameBuilder, records: readonly { key: string; lsn: number; value: string | undefined }[]) {
  builder.begin(records.reduce((sum, { key, value }) => sum + 24 + key.length + (value?.length ?? 0), 0))
  for (const { key, lsn, value } of records) builder.add(key, lsn, 1, value)
  return builder.seal(HEADER)
}

function rawRecord({ extras }: { extras: readonly number[] }): Buffer {
  const head = Buffer.alloc(24)
  head.writeUInt8(1, 0)
  head.writeUInt8(1, 1)
  head.writeUInt16LE(3, 6)
  head.writeUInt32LE(5, 8)
  head.writeUInt16LE(extras.length, 12)
  head.writeUInt32LE(42, 16)
  return Buffer.concat([head, Buffer.from('key'), Buffer.from(extras), Buffer.from('value')])
}
