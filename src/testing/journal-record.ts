/**
 * The records of a journal store's file, one after another:
 *
 *     record   := body bytes (u32) crc (u32) body      crc = CRC-32 of the body, seeded with the record's before
 *     body     := 1 identity (JSON) | 2 applied LSN (u64) applied position (u64) change*
 *     change   := key bytes (u16) value bytes (u32, 0xffffffff for a delete) key value
 *
 * The chain of CRCs proves a record's place as well: nothing that stood behind a torn tail is taken for its successor.
 */
import { crc32 } from 'node:zlib'
import { readUint64, writeUint64 } from '../core/lsn.js'
import type { Change, Mark, StoreIdentity } from '../stores/data-store.js'

const HEAD_BYTES = 8
const MARK_BYTES = 16
const CHANGE_BYTES = 6
const DELETED = 0xffffffff

export type JournalRecord =
  | { kind: 'identity'; identity: StoreIdentity }
  | { kind: 'apply'; changes: Change[]; mark: Mark }

/** Where the next record goes, and the CRC that it continues. */
export interface JournalEnd {
  position: number
  crc: number
}

export function encodeRecord(record: JournalRecord, { crc }: JournalEnd): Buffer {
  const body = record.kind === 'identity' ? encodeIdentity(record.identity) : encodeApply(record.changes, record.mark)
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32LE(body.length, 0)
  head.writeUInt32LE(crc32(body, crc), 4)
  return Buffer.concat([head, body])
}

/** The end of the journal once `record`, as encoded, stands at `end`. */
export function endAfter(record: Buffer, end: JournalEnd): JournalEnd {
  return { position: end.position + record.length, crc: record.readUInt32LE(4) }
}

/** The encoded record at `end`; `undefined` if there is none, or one that is torn. */
export function recordAt(journal: Buffer, { position, crc }: JournalEnd): Buffer | undefined {
  if (journal.length < position + HEAD_BYTES) return undefined
  const bodyBytes = journal.readUInt32LE(position)
  const bodyStart = position + HEAD_BYTES
  // No body is empty, so zeros are not a record.
  if (bodyBytes === 0 || bodyBytes > journal.length - bodyStart) return undefined
  const body = journal.subarray(bodyStart, bodyStart + bodyBytes)
  return crc32(body, crc) === journal.readUInt32LE(position + 4)
    ? journal.subarray(position, bodyStart + bodyBytes)
    : undefined
}

/** What an encoded record says. Its values are views of the bytes. */
export function decodeRecord(record: Buffer): JournalRecord {
  const body = record.subarray(HEAD_BYTES)
  if (body[0] === 1) return { kind: 'identity', identity: decodeIdentity(body.subarray(1)) }
  const mark = { appliedLsn: readUint64(body, 1), appliedPosition: readUint64(body, 9) }
  const changes: Change[] = []
  for (let at = 1 + MARK_BYTES; at < body.length; ) {
    const valueStart = at + CHANGE_BYTES + body.readUInt16LE(at)
    const valueBytes = body.readUInt32LE(at + 2)
    const valueEnd = valueBytes === DELETED ? valueStart : valueStart + valueBytes
    const value = valueBytes === DELETED ? undefined : body.subarray(valueStart, valueEnd)
    changes.push({ key: body.toString('latin1', at + CHANGE_BYTES, valueStart), value })
    at = valueEnd
  }
  return { kind: 'apply', changes, mark }
}

function encodeIdentity(identity: StoreIdentity): Buffer {
  return Buffer.from(`\x01${JSON.stringify(identity)}`, 'utf8')
}

function decodeIdentity(json: Buffer): StoreIdentity {
  const { storeId, logId, epoch }: StoreIdentity = JSON.parse(json.toString('utf8'))
  return { storeId, logId, epoch }
}

function encodeApply(changes: readonly Change[], mark: Mark): Buffer {
  const head = Buffer.alloc(1 + MARK_BYTES)
  head[0] = 2
  writeUint64(head, mark.appliedLsn, 1)
  writeUint64(head, mark.appliedPosition, 9)
  return Buffer.concat([head, ...changes.flatMap(encodeChange)])
}

function encodeChange({ key, value }: Change): Buffer[] {
  const head = Buffer.alloc(CHANGE_BYTES)
  head.writeUInt16LE(key.length, 0)
  head.writeUInt32LE(value === undefined ? DELETED : value.length, 2)
  const keyBytes = Buffer.from(key, 'latin1')
  return value === undefined ? [head, keyBytes] : [head, keyBytes, value]
}
