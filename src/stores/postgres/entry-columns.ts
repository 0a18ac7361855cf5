/** The columns of an entry: what is looked up by, and what people read. */
import { crc32 } from 'node:zlib'
import { CODEC, COMPRESSION } from '../../codec/form.js'
import { STORED_VALUE_FORMAT, STORED_VALUE_HEADER_BYTES } from '../../codec/stored-value.js'
import { decodeSegments, type EncodedKey, segmentEnd } from '../../core/key.js'
import { readUint64 } from '../../core/lsn.js'
import type { Change } from '../data-store.js'
import { bytesArray, numberArray } from './binary-array.js'

export const BUCKETS = 4096
const BUCKET_SEGMENTS = 2
// jsonb holds neither NUL nor half a surrogate pair; `JSON.stringify` writes both as escapes.
const NOT_JSONB = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i

/** By memory, map and the first segment of the key: what belongs together stays together where tables are split. */
export function bucketOf(memory: string, key: EncodedKey): number {
  let end = 0
  for (let segments = 0; segments < BUCKET_SEGMENTS && end !== -1; segments++) {
    const next = segmentEnd(key, end)
    if (next === -1) break
    end = next
  }
  return crc32(Buffer.from(key.slice(0, end), 'latin1'), crc32(`${memory}\n`)) % BUCKETS
}

export function keyBytes(key: EncodedKey): Buffer {
  return Buffer.from(key, 'latin1')
}

/** Changes of a run as the parameters of two statements, each in the order of the primary key. */
export interface RunParameters {
  upserts: Buffer[] | undefined
  deletes: Buffer[] | undefined
}

export function runParameters(memory: string, changes: readonly Change[], lsn: number, json: boolean): RunParameters {
  const placed = changes.map(change => ({ ...change, bucket: bucketOf(memory, change.key) }))
  // The keys are in order; sorting is stable.
  placed.sort((a, b) => a.bucket - b.bucket)
  const written = placed.filter((each): each is typeof each & { value: Buffer } => each.value !== undefined)
  const gone = placed.filter(({ value }) => value === undefined)
  const named = written.map(({ key }) => readable(key))
  return {
    upserts:
      written.length === 0
        ? undefined
        : [
            ...keyArrays(written),
            numberArray(
              'int8',
              written.map(({ value }) => versionOf(value, lsn)),
            ),
            bytesArray(
              'bytea',
              written.map(({ value }) => value),
            ),
            bytesArray(
              'text',
              named.map(segments => Buffer.from(segments[0] ?? '')),
            ),
            bytesArray(
              'text',
              named.map(segments => Buffer.from(JSON.stringify(segments))),
            ),
            bytesArray(
              'text',
              written.map(({ value }) => (json ? jsonOf(value) : undefined)),
            ),
          ],
    deletes: gone.length === 0 ? undefined : keyArrays(gone),
  }
}

/** The parameters that look keys up: buckets and keys. */
export function keyArrays(placed: readonly { bucket: number; key: EncodedKey }[]): Buffer[] {
  return [
    numberArray(
      'int4',
      placed.map(({ bucket }) => bucket),
    ),
    bytesArray(
      'bytea',
      placed.map(({ key }) => keyBytes(key)),
    ),
  ]
}

/** Segments for people: Postgres has no NUL in text, so they see its picture. */
function readable(key: EncodedKey): string[] {
  return decodeSegments(key).map(segment => segment.replaceAll('\0', '\u2400'))
}

/** The LSN of the write; that of the run for bytes that are no stored value. */
function versionOf(value: Buffer, lsn: number): number {
  if (value.length < STORED_VALUE_HEADER_BYTES || value[4] !== STORED_VALUE_FORMAT) return lsn
  const version = readUint64(value, 12)
  return Number.isSafeInteger(version) ? version : lsn
}

/** The text of a value that is JSON as it stands there, neither compressed nor encrypted, and that jsonb can hold. */
function jsonOf(value: Buffer): Buffer | undefined {
  if (value.length < STORED_VALUE_HEADER_BYTES || value[4] !== STORED_VALUE_FORMAT) return undefined
  if (value[5] !== CODEC.json || value[6] !== COMPRESSION.none || value[7] !== 0) return undefined
  const text = value.subarray(STORED_VALUE_HEADER_BYTES + value.readUInt16LE(20))
  return NOT_JSONB.test(text.latin1Slice()) ? undefined : text
}
