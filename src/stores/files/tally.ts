/** Which keys a store has, in 24 bytes: enough to see at an open that a file is gone, or has come. */
import type { EncodedKey } from '../../core/key.js'
import { keyHash } from './file-name.js'

export interface Tally {
  readonly count: number
  /** The XOR of the first 8 bytes of the SHA-256 of each key. */
  readonly digest: bigint
}

export const NO_KEYS: Tally = { count: 0, digest: 0n }

export function withKey({ count, digest }: Tally, key: EncodedKey): Tally {
  return { count: count + 1, digest: digest ^ partOf(key) }
}

export function withoutKey({ count, digest }: Tally, key: EncodedKey): Tally {
  return { count: count - 1, digest: digest ^ partOf(key) }
}

export function tallyOf(keys: Iterable<EncodedKey>): Tally {
  let tally = NO_KEYS
  for (const key of keys) tally = withKey(tally, key)
  return tally
}

export function isSame(a: Tally, b: Tally): boolean {
  return a.count === b.count && a.digest === b.digest
}

function partOf(key: EncodedKey): bigint {
  return keyHash(key).readBigUInt64BE(0)
}
