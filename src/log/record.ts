/** One write in a frame's body, to bytes and back. Drawn in docs/formats/log.md, "Record". */
import { type ExtrasErrors, extrasBytes, NEVER, readExtras, writeExtras } from '../codec/extras.js'
import { COMPRESSION_MAX, codecOf, compressionOf, formOf, schemaVersionOf } from '../codec/form.js'
import { AgentMemoryError } from '../core/errors.js'
import type { EncodedKey } from '../core/key.js'
import { type Lsn, readUint64, writeUint64 } from '../core/lsn.js'

export const RECORD_HEAD_BYTES = 24

const KIND_SET = 1
const KIND_DELETE = 2

const ERRORS: ExtrasErrors = { malformed: what => malformed(`a record has ${what}`), unknown: unknownFeature }

/** A record as it is read. `value` is a view of the frame's buffer; `undefined` for a delete. */
export interface LogRecord {
  key: EncodedKey
  lsn: Lsn
  /** How the value is to be read: form.ts. */
  form: number
  value: Buffer | undefined
  /** In ms since 1970; 0 for never. */
  expiresAt: number
  /** Writes with the same number were accepted as one batch; a write by itself has its own LSN here. */
  batch: Lsn
}

// A reader that skips it takes each write of a batch for one by itself: nothing that is read changes.
const TAG_BATCH = 5
const BATCH_BYTES = 4
/** Bytes of a record that it takes, at most, to say which batch it is of. */
export const BATCH_EXTRA_BYTES = 2 + BATCH_BYTES

/** Bytes of a record in a frame's body. */
export function recordBytes(keyBytes: number, valueBytes: number, expiresAt = NEVER): number {
  return RECORD_HEAD_BYTES + keyBytes + extrasBytes(expiresAt) + valueBytes
}

/** Writes a record at `offset` and returns the offset behind it. Key and value are binary strings. */
export function writeRecord(
  body: Buffer,
  offset: number,
  key: EncodedKey,
  lsn: Lsn,
  form: number,
  value: string | undefined,
  expiresAt: number,
  batch: Lsn = lsn,
): number {
  const valueBytes = value === undefined ? 0 : value.length
  body[offset] = value === undefined ? KIND_DELETE : KIND_SET
  body[offset + 1] = codecOf(form)
  // With the encryption key and the required flags behind it: none in this version.
  body.writeUInt32LE(compressionOf(form), offset + 2)
  body.writeUInt16LE(key.length, offset + 6)
  body.writeUInt32LE(valueBytes, offset + 8)
  body.writeUInt16LE(extrasBytes(expiresAt) + (batch === lsn ? 0 : BATCH_EXTRA_BYTES), offset + 12)
  body.writeUInt16LE(schemaVersionOf(form), offset + 14)
  writeUint64(body, lsn, offset + 16)
  let at = offset + RECORD_HEAD_BYTES
  body.latin1Write(key, at)
  at = writeExtras(body, at + key.length, expiresAt)
  if (batch !== lsn) at = writeBatch(body, at, lsn - batch)
  if (value !== undefined) body.latin1Write(value, at)
  return at + valueBytes
}

/** The records of a body, in order. Throws LOG_CORRUPT if they do not fill it exactly: the writer was wrong then. */
export function* readRecords(body: Buffer): Generator<LogRecord> {
  for (let offset = 0; offset < body.length; ) {
    const { record, end } = readRecord(body, offset)
    yield record
    offset = end
  }
}

/** The record at `offset` of a body, and the offset behind it. */
export function readRecord(body: Buffer, offset: number): { record: LogRecord; end: number } {
  if (offset + RECORD_HEAD_BYTES > body.length) throw malformed(`a record's head passes the end of its frame`)
  const kind = body[offset]
  const keyBytes = body.readUInt16LE(offset + 6)
  const valueBytes = body.readUInt32LE(offset + 8)
  const ofExtras = body.readUInt16LE(offset + 12)
  const keyStart = offset + RECORD_HEAD_BYTES
  const extrasStart = keyStart + keyBytes
  const valueStart = extrasStart + ofExtras
  const end = valueStart + valueBytes
  if (end > body.length) throw malformed(`a record of ${end - offset} bytes passes the end of its frame`)
  // A value would be served as a wrong one by a reader that does not know how to undo what was done to its bytes.
  if (kind !== KIND_SET && kind !== KIND_DELETE) throw unknownFeature(`kind ${kind}`)
  const compression = body[offset + 2]!
  if (compression > COMPRESSION_MAX) throw unknownFeature(`compression ${compression}`)
  if (body[offset + 3] !== 0) throw unknownFeature(`encryption key ${body[offset + 3]}`)
  if (body.readUInt16LE(offset + 4) !== 0) throw unknownFeature(`required flags ${body.readUInt16LE(offset + 4)}`)
  const lsn = readUint64(body, offset + 16)
  const record: LogRecord = {
    key: body.latin1Slice(keyStart, extrasStart),
    lsn,
    form: formOf(body[offset + 1]!, compression, body.readUInt16LE(offset + 14)),
    value: kind === KIND_DELETE ? undefined : body.subarray(valueStart, end),
    expiresAt: ofExtras === 0 ? NEVER : readExtras(body, extrasStart, valueStart, ERRORS),
    batch: ofExtras === 0 ? lsn : lsn - readBatch(body, extrasStart, valueStart),
  }
  return { record, end }
}

/** How far the LSN is behind the number of its batch. */
function writeBatch(body: Buffer, at: number, distance: number): number {
  body[at] = TAG_BATCH
  body[at + 1] = BATCH_BYTES
  return body.writeUInt32LE(distance, at + 2)
}

/** 0 if the extras, which have been checked, do not say. */
function readBatch(body: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at += 2 + body[at + 1]!) {
    if (body[at] === TAG_BATCH && body[at + 1] === BATCH_BYTES) return body.readUInt32LE(at + 2)
  }
  return 0
}

function unknownFeature(what: string): AgentMemoryError {
  return new AgentMemoryError('FORMAT_TOO_NEW', {
    message: `A record of the log uses ${what}, which this version does not know`,
    next: 'Open the memory with the newer version of Holdfast that wrote it',
  })
}

function malformed(what: string): AgentMemoryError {
  return new AgentMemoryError('LOG_CORRUPT', {
    message: `A frame with the right checksum is malformed: ${what}`,
    next: 'Run "npx holdfast verify" on the folder and report this with its output: the frame was written wrong',
  })
}
