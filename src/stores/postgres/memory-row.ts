/**
 * The row of a memory: whose it is and how far it is, under a checksum, and who owns it now.
 *
 * Every change of the store goes through this row first, by the owner's token, which each handle has anew, and by the
 * mark that the handle expects: what an earlier handle or another owner has sent and nobody waits for any more finds one
 * of the two changed, and does nothing.
 */
import { crc32 } from 'node:zlib'
import { AgentMemoryError } from '../../core/errors.js'
import type { Mark, StoreIdentity } from '../data-store.js'
import type { PostgresResult } from './driver.js'

export interface MemoryRow {
  identity: StoreIdentity | undefined
  mark: Mark
  ownerToken: string | undefined
  owner: string | undefined
}

/** The checksum of a memory's identity and mark. */
export function rowChecksum(memory: string, identity: StoreIdentity | undefined, mark: Mark): number {
  const { storeId = '', logId = '', epoch = 0 } = identity ?? {}
  return crc32([memory, storeId, logId, epoch, mark.appliedLsn, mark.appliedPosition].join('\n'))
}

/** `undefined` for no row. STORE_CORRUPT for one that fails its checksum. */
export function memoryRow(memory: string, { rows }: PostgresResult): MemoryRow | undefined {
  const [row] = rows
  if (row === undefined) return undefined
  const identity =
    row.store_id === null
      ? undefined
      : {
          storeId: String(row.store_id),
          logId: row.log_id === null ? undefined : String(row.log_id),
          epoch: Number(row.epoch),
        }
  const mark = { appliedLsn: Number(row.applied_lsn), appliedPosition: Number(row.applied_position) }
  if (Number(row.crc) !== rowChecksum(memory, identity, mark)) {
    throw new AgentMemoryError('STORE_CORRUPT', {
      message: `The row of the memory "${memory}" fails its checksum`,
      next: 'Restore the database and the log from the same backup',
    })
  }
  return { identity, mark, ownerToken: textOf(row.owner_token), owner: textOf(row.owner) }
}

export function sameIdentity(a: StoreIdentity | undefined, b: StoreIdentity | undefined): boolean {
  return a?.storeId === b?.storeId && a?.logId === b?.logId && a?.epoch === b?.epoch
}

export function sameMark(a: Mark, b: Mark): boolean {
  return a.appliedLsn === b.appliedLsn && a.appliedPosition === b.appliedPosition
}

export function memoryLost(memory: string): AgentMemoryError {
  return new AgentMemoryError('STORE_LOST', {
    message: `The database has no memory "${memory}"`,
    next: 'Put the right database back, or let the memory build a new store from a whole log',
  })
}

export function ownedElsewhere(memory: string, owner: string | undefined): AgentMemoryError {
  return new AgentMemoryError('OWNED_ELSEWHERE', {
    message: `The memory "${memory}" in the database is owned by ${owner ?? 'nobody any more, and was by another process'}`,
    next: 'Close it there, or give this one a name of its own: one process at a time owns a memory',
  })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
