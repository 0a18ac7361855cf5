/** The columns of an entry: what is looked up by, and what people read. */
import { crc32 } from 'node:zlib'
import { CODEC, COMPRESSION } from '../../codec/form.js'
import { STORED_VALUE_FORMAT, STORED_VALUE_HEADER_BYTES } from '../../codec/stored-value.js'
import { decodeSegments, type EncodedKey, segmentEnd } from '../../core/key.js'
import { readUint64 } from '../../core/lsn.js'
import type { Change } from '../data-store.js'
import { bytesArray, latin1Array, numberArray, textArray } from './binary-array.js'

export const BUCKETS = 4096
const BUCKET_SEGMENTS = 2
// So many rows are made ready in less time than a turn is worth.
const TURN_ROWS_MAX = 128
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

/** A change and the bucket of its key. */
export interface Placed {
  bucket: number
  key: EncodedKey
  value: Buffer | undefined
}

export type Written = Placed & { value: Buffer }

/** Changes, whose keys are in order, in the order of the primary key. */
export function inPlace(memory: string, changes: readonly Change[]): Placed[] {
  const placed = changes.map(({ key, value }) => ({ bucket: bucketOf(memory, key), key, value }))
  // Sorting is stable.
  return placed.sort((a, b) => a.bucket - b.bucket)
}

/**
 * Written entries as the parameters of a statement, an array a column. Many of them are made in several turns of the event
 * loop: it goes on meanwhile, and so does the sending of what was made before.
 */
export async function entryArrays(written: readonly Written[], lsn: number, json: boolean): Promise<Buffer[]> {
  const named = written.map(({ key }) => readable(key))
  const columns = [
    () => keyArrays(written),
    () => [
      numberArray(
        'int8',
        written.map(({ value }) => versionOf(value, lsn)),
      ),
    ],
    () => [
      bytesArray(
        'bytea',
        written.map(({ value }) => value),
      ),
    ],
    () => [textArray(named.map(segments => segments[0] ?? ''))],
    () => [textArray(named.map(segments => JSON.stringify(segments)))],
    () => [
      bytesArray(
        'text',
        written.map(({ value }) => (json ? jsonOf(value) : undefined)),
      ),
    ],
  ]
  const arrays: Buffer[] = []
  for (const column of columns) {
    if (written.length > TURN_ROWS_MAX) await nextTurn()
    arrays.push(...column())
  }
  return arrays
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** The parameters that look keys up: buckets and keys. */
export function keyArrays(placed: readonly { bucket: number; key: EncodedKey }[]): Buffer[] {
  return [
    numberArray(
      'int4',
      placed.map(({ bucket }) => bucket),
    ),
    latin1Array(placed.map(({ key }) => key)),
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
