/** How maps and shapes read and write, whatever lies behind: a log and a store, or a store alone. */
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { Durability, Milestone } from '../policy/durability.js'
import type { LossBudget } from '../policy/loss-budget.js'
import type { EncodedWrite } from './flush.js'
import type { FoundValue, KeyState, Watch } from './read.js'
import type { Write, WriteResult } from './write.js'

export interface ReadPath {
  /** What the tier holds of a key, to be looked at now. `null` means absent, `undefined` that the tier cannot tell. */
  heldNow(key: EncodedKey): FoundValue | null | undefined
  /** The state of a key if the tier can tell. */
  held(key: EncodedKey): KeyState | undefined
  /**
   * The state of a key, and whether it is still current when the caller gets to act on it. `isFresh`: as it is now, where
   * the tier may lag behind others who write.
   */
  state(key: EncodedKey, isFresh?: boolean): Promise<KeyState>
  /** The value of a key; `undefined` if there is none. Rejects STORE_DOWN, never "absent", if the store cannot be asked. */
  get(key: EncodedKey): Promise<FoundValue | undefined>
  /** Values of many keys, in their order. */
  getMany(keys: readonly EncodedKey[]): Promise<(FoundValue | undefined)[]>
  /** Watches a key from now on. A watch of the same key that is not stale must have been ended before. */
  watch(key: EncodedKey): Watch
  endWatch(watch: Watch): void
}

export interface WritePath {
  /** One unconditional write. */
  writeOne(key: EncodedKey, content: EncodedWrite, durability: Durability, budget: LossBudget): Promise<WriteResult>
  /**
   * Writes that take effect together, in their order, or not at all; with conditions and functions of the present
   * state. Rejects VERSION_CONFLICT if a condition does not hold. `onAccepted` is called at the moment of acceptance.
   */
  write(writes: readonly Write[], durability: Durability, onAccepted?: () => void): Promise<WriteResult>
  /** The answer of a call that has found nothing to write: as durable as was asked, of the version that it saw. */
  answer(lsn: Lsn, durability: Durability): Promise<WriteResult>
  /** Resolves once everything up to `lsn` has reached a milestone. */
  reach(lsn: Lsn, milestone: Milestone): Promise<void>
  /** Counts a call that waits for its turn, until `release`. OVERLOADED if too many do. */
  hold(bytes: number): void
  release(bytes: number): void
}
