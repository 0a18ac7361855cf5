/**
 * The two records of metadata in a LevelDB store: a body and, in the last four bytes, its CRC-32 (little-endian).
 *
 * They have a checksum of their own because LevelDB, as classic-level opens it, does not check its blocks' on reads,
 * and a wrong mark would make a checkpoint skip writes.
 */
import { crc32 } from 'node:zlib'
import { AgentMemoryError } from '../../core/errors.js'
import { NO_LSN, readUint64, writeUint64 } from '../../core/lsn.js'
import type { Mark, StoreIdentity } from '../data-store.js'

export const MARK_KEY = Buffer.from('mmark', 'latin1')
export const IDENTITY_KEY = Buffer.from('midentity', 'latin1')

export function encodeMark(mark: Mark): Buffer {
  const body = Buffer.alloc(16)
  writeUint64(body, mark.appliedLsn, 0)
  writeUint64(body, mark.appliedPosition, 8)
  return sealed(body)
}

/** `undefined` is the record of a store that has never applied anything. */
export function decodeMark(record: Buffer | undefined): Mark {
  if (record === undefined) return { appliedLsn: NO_LSN, appliedPosition: 0 }
  const body = unsealed(record, 'mark')
  return { appliedLsn: readUint64(body, 0), appliedPosition: readUint64(body, 8) }
}

export function encodeIdentity(identity: StoreIdentity): Buffer {
  return sealed(Buffer.from(JSON.stringify(identity), 'utf8'))
}

export function decodeIdentity(record: Buffer | undefined): StoreIdentity | undefined {
  if (record === undefined) return undefined
  const { storeId, logId, epoch } = JSON.parse(unsealed(record, 'identity').toString('utf8')) as StoreIdentity
  return { storeId, logId, epoch }
}

function sealed(body: Buffer): Buffer {
  const record = Buffer.alloc(body.length + 4)
  body.copy(record)
  record.writeUInt32LE(crc32(body), body.length)
  return record
}

function unsealed(record: Buffer, what: string): Buffer {
  const body = record.subarray(0, -4)
  if (record.length > 4 && crc32(body) === record.readUInt32LE(body.length)) return body
  throw new AgentMemoryError('STORE_CORRUPT', {
    message: `The ${what} of the store fails its checksum`,
    next: 'Move the folder away and restore it from a snapshot',
  })
}
