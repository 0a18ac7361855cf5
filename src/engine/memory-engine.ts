/**
 * What maps, shapes and memories ask of an engine: the one with a log (`engine.ts`) is one, and nothing to the left of the
 * engines knows which of them it talks to. Values of any size ask for more (`shapes/orphans.ts`), and need that one.
 */
import type { CompressionTally } from '../codec/compression.js'
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { Clock } from '../io/clock.js'
import type { LossBudget, MaxLoss } from '../policy/loss-budget.js'
import type { KeyRange } from '../tier/ordered-keys.js'
import type { DeadLetters } from './dead-letters.js'
import type { Events } from './events.js'
import type { Follower } from './feeds.js'
import type { MemoryStatus } from './inspection.js'
import type { ReadPath, WritePath } from './paths.js'
import type { ScannedEntry } from './scan.js'
import type { Turns } from './turns.js'

/** What `close` returns: where everything accepted is. */
export interface CloseReport {
  /** LSN up to which the data store has everything. */
  inStore: Lsn
  /** Entries that wait in the log for the next open. */
  inLog: number
  /** Entries of the frame that was being written when the log failed: the next open decides. */
  inDoubt: number
  /** Entries that never reached the log: only after its failure, and never one acknowledged as durable. */
  lost: number
}

export interface MemoryEngine {
  readonly config: { readonly clock: Clock; readonly frameBytesMax: number }
  readonly events: Events
  readonly reader: ReadPath
  readonly writer: WritePath
  readonly scanner: { pages(range: KeyRange, pageSize: number): AsyncIterable<ScannedEntry[]> }
  readonly turns: Turns
  readonly feeds: { follow(key: EncodedKey): Follower; unfollow(key: EncodedKey, follower: Follower): void }
  readonly compression: CompressionTally
  /** Without a log there are none: a write that the store refuses is its caller's. */
  readonly deadLetters?: DeadLetters
  /** Whether LSNs order all writes of the memory. If not, they are versions, which order those of one key. */
  readonly hasOneOrder: boolean
  /** The newest accepted LSN. */
  readonly lastLsn: Lsn
  /** Everything up to it is on stable storage. */
  readonly durableLsn: Lsn
  /** A loss bound that is kept for all writes counted in it. */
  addBudget(max: MaxLoss): LossBudget
  /** Whether something that expires at a moment, in ms since 1970, has less than this left. */
  expiresWithin(expiresAt: number, ms: number): boolean
  /** The moment, in ms since 1970, at which something expires that is written now. */
  expiresAt(ttlMs: number): number
  /** The moment that it is now, in ms since 1970: never set back while the memory is open. For people, not for order. */
  now(): number
  /** Resolves once everything accepted so far is on stable storage. */
  flush(): Promise<Lsn>
  /** Resolves once everything accepted so far is in the data store. */
  checkpoint(): Promise<Lsn>
  status(): MemoryStatus
  reopen(): Promise<void>
  /** Where everything accepted is now. */
  report(): CloseReport
  close(deadlineMs: number): Promise<CloseReport>
}
