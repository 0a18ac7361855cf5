/** The redo journal of one apply: all of its changes, and the state after it. docs/formats/files-store.md draws it. */
import { crc32 } from 'node:zlib'
import { AgentMemoryError } from '../../core/errors.js'
import type { Change } from '../data-store.js'
import { type Progress, progressFields, progressOf } from './store-state.js'

export interface Journal {
  changes: Change[]
  /** What `store.json` is to say once all of them are in their files. */
  after: Progress
}

const MAGIC = Buffer.from('HFJ1', 'latin1')
const CRC_AT = 4
const HEAD_LENGTH_AT = 8
const HEAD_AT = 12
const CHANGE_HEAD_BYTES = 6
const DELETED = 0xffff_ffff

export function encodeJournal({ changes, after }: Journal): Buffer {
  const head = Buffer.from(JSON.stringify({ ...progressFields(after), changes: changes.length }), 'utf8')
  const start = Buffer.alloc(HEAD_AT)
  MAGIC.copy(start)
  start.writeUInt32LE(head.length, HEAD_LENGTH_AT)
  const parts: Buffer[] = [start, head]
  for (const { key, value } of changes) {
    const bytes = Buffer.allocUnsafe(CHANGE_HEAD_BYTES + key.length)
    bytes.writeUInt16LE(key.length, 0)
    bytes.writeUInt32LE(value === undefined ? DELETED : value.length, 2)
    bytes.latin1Write(key, CHANGE_HEAD_BYTES)
    parts.push(bytes)
    if (value !== undefined) parts.push(value)
  }
  const journal = Buffer.concat(parts)
  journal.writeUInt32LE(crc32(journal.subarray(HEAD_LENGTH_AT)), CRC_AT)
  return journal
}

/**
 * A journal is synced before it gets its name, so one that is damaged was whole once: STORE_CORRUPT, as some of its
 * changes may have been carried out already. `path` is for the message.
 */
export function decodeJournal(bytes: Buffer, path: string): Journal {
  const isWhole =
    bytes.length > HEAD_AT &&
    bytes.subarray(0, MAGIC.length).equals(MAGIC) &&
    crc32(bytes.subarray(HEAD_LENGTH_AT)) === bytes.readUInt32LE(CRC_AT)
  if (!isWhole) {
    throw new AgentMemoryError('STORE_CORRUPT', {
      message: `${path} is damaged, and the apply that it holds may be half done`,
      next: 'Put the whole folder back from a backup',
    })
  }
  let at = HEAD_AT + bytes.readUInt32LE(HEAD_LENGTH_AT)
  const fields = JSON.parse(bytes.toString('utf8', HEAD_AT, at)) as Record<string, unknown>
  const changes: Change[] = []
  for (let left = fields.changes as number; left > 0; left--) {
    const keyAt = at + CHANGE_HEAD_BYTES
    const valueAt = keyAt + bytes.readUInt16LE(at)
    const valueBytes = bytes.readUInt32LE(at + 2)
    at = valueBytes === DELETED ? valueAt : valueAt + valueBytes
    const value = valueBytes === DELETED ? undefined : bytes.subarray(valueAt, at)
    changes.push({ key: bytes.latin1Slice(keyAt, valueAt), value })
  }
  return { changes, after: progressOf(fields) }
}
