/** What `store.json` says: whose the store is, how far it is, and which files there are. docs/formats/files-store.md. */
import { crc32 } from 'node:zlib'
import { AgentMemoryError } from '../../core/errors.js'
import { NO_LSN } from '../../core/lsn.js'
import type { Mark, StoreIdentity } from '../data-store.js'
import { NO_KEYS, type Tally } from './tally.js'
import { hexOf } from './value-head.js'

const FORMAT = 1

/** What an apply changes of it. */
export interface Progress {
  /** Applies that have come to their end. */
  applies: number
  mark: Mark
  tally: Tally
}

export interface StoreState extends Progress {
  identity: StoreIdentity | undefined
}

export const NEW_STATE: StoreState = {
  applies: 0,
  mark: { appliedLsn: NO_LSN, appliedPosition: 0 },
  tally: NO_KEYS,
  identity: undefined,
}

export function encodeState({ identity, ...progress }: StoreState): Buffer {
  const fields = { holdfast: 'files-store', format: FORMAT, ...(identity && { identity }), ...progressFields(progress) }
  const crc = hexOf(crc32(JSON.stringify(fields)))
  return Buffer.from(`${JSON.stringify({ ...fields, crc }, undefined, 2)}\n`, 'utf8')
}

/** `path` is for the messages of errors. */
export function decodeState(bytes: Buffer, path: string): StoreState {
  const { crc, ...fields } = parsed(bytes)
  // The format first: of a newer one only the number is known to mean what it says.
  if (fields.holdfast === 'files-store' && Number(fields.format) > FORMAT) {
    throw new AgentMemoryError('FORMAT_TOO_NEW', {
      message: `${path} is of format ${fields.format}; this version reads format ${FORMAT}`,
      next: 'Open it with the version of Holdfast that wrote it, or a newer one',
    })
  }
  if (crc !== hexOf(crc32(JSON.stringify(fields)))) {
    throw new AgentMemoryError('STORE_CORRUPT', {
      message: `${path} is damaged, or was changed by hand`,
      next: 'Put it back from a backup of the whole folder: it says how far the store is, which nothing else does',
    })
  }
  const identity = fields.identity as StoreIdentity | undefined
  // JSON leaves out what is undefined.
  return { identity: identity && { ...identity, logId: identity.logId }, ...progressOf(fields) }
}

export function progressFields({ applies, mark, tally }: Progress): object {
  return {
    applies,
    mark: { appliedLsn: mark.appliedLsn, appliedPosition: mark.appliedPosition },
    entries: { count: tally.count, digest: tally.digest.toString(16).padStart(16, '0') },
  }
}

/** Of fields that were under a checksum. */
export function progressOf(fields: Record<string, unknown>): Progress {
  const { count, digest } = fields.entries as { count: number; digest: string }
  return {
    applies: fields.applies as number,
    mark: fields.mark as Mark,
    tally: { count, digest: BigInt(`0x${digest}`) },
  }
}

function parsed(bytes: Buffer): Record<string, unknown> {
  try {
    const said: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof said === 'object' && said !== null ? (said as Record<string, unknown>) : {}
  } catch {
    // It has no checksum that is right, then.
    return {}
  }
}
