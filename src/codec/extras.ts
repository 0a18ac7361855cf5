/**
 * The extras of a record and of a stored value: fields that most writes do not have. Each is `tag u8, length u8, bytes`.
 * A reader skips a tag below 128 that it does not know, and refuses one from 128 on.
 */
import { readUint64, writeUint64 } from '../core/lsn.js'

// Required: a reader that skipped it would serve what has expired.
const TAG_EXPIRY = 128
const EXPIRY_BYTES = 8
const REQUIRED_TAG_MIN = 128
const HEAD_BYTES = 2

/** No expiry. */
export const NEVER = 0

/** The errors of whoever reads extras: they name what is damaged. */
export interface ExtrasErrors {
  malformed(what: string): Error
  unknown(what: string): Error
}

/** Whether something that expires at a moment, or {@link NEVER}, has expired by then. */
export function isExpired(expiresAt: number, nowMs: number): boolean {
  return expiresAt !== NEVER && expiresAt <= nowMs
}

/** Bytes of the extras of a write that expires at this moment, or {@link NEVER}. */
export function extrasBytes(expiresAt: number): number {
  return expiresAt === NEVER ? 0 : HEAD_BYTES + EXPIRY_BYTES
}

/** Writes the extras at `offset`, and returns the offset behind them. */
export function writeExtras(bytes: Buffer, offset: number, expiresAt: number): number {
  if (expiresAt === NEVER) return offset
  bytes[offset] = TAG_EXPIRY
  bytes[offset + 1] = EXPIRY_BYTES
  writeUint64(bytes, expiresAt, offset + HEAD_BYTES)
  return offset + HEAD_BYTES + EXPIRY_BYTES
}

/** When the write with these extras expires, in ms since 1970; {@link NEVER} if they do not say. */
export function readExtras(bytes: Buffer, start: number, end: number, errors: ExtrasErrors): number {
  let expiresAt = NEVER
  for (let at = start; at < end; ) {
    const tag = bytes[at]!
    const length = bytes[at + 1]!
    const next = at + HEAD_BYTES + length
    // The length byte itself may lie behind the end.
    if (at + HEAD_BYTES > end || next > end) throw errors.malformed('an extra that is cut short')
    if (tag === TAG_EXPIRY) expiresAt = readExpiry(bytes, at + HEAD_BYTES, length, errors)
    else if (tag >= REQUIRED_TAG_MIN) throw errors.unknown(`extra ${tag}`)
    at = next
  }
  return expiresAt
}

function readExpiry(bytes: Buffer, at: number, length: number, errors: ExtrasErrors): number {
  const expiresAt = length === EXPIRY_BYTES ? readUint64(bytes, at) : Number.NaN
  if (Number.isSafeInteger(expiresAt) && expiresAt > NEVER) return expiresAt
  throw errors.malformed(`an expiry of ${length} bytes that is no moment`)
}
