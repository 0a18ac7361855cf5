/**
 * The contract of a data store: a durable, ordered home for entries. `testing/store-suite.ts` checks all of it.
 *
 * A store holds bytes and knows no durabilities, no codecs, no retries: those live once, in the engine. It is given
 * runs of whole frames of the log, in LSN order, of each key only the newest, and keeps **the data and the mark in one
 * transaction**, so at any moment it is an exact prefix of the log.
 */
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'

/** One entry as a store keeps it. */
export interface StoredEntry {
  key: EncodedKey
  /** The stored form of the value, checksum included (`codec/stored-value.ts`): a store does not look into it. */
  value: Buffer
}

/** A change: `value` is `undefined` for a delete. Keys are unique within a run and come in ascending order. */
export interface Change {
  key: EncodedKey
  value: Buffer | undefined
}

/** How far into the log a store is. */
export interface Mark {
  /** Every write up to this LSN has been applied, and none above it. */
  appliedLsn: Lsn
  /** The position in the log behind the last frame that has been applied. */
  appliedPosition: number
}

/** Who the store belongs to. Written in transactions of its own, never together with changes. */
export interface StoreIdentity {
  /** Random, made with the store: 32 hex digits. */
  storeId: string
  /**
   * The log whose writes it takes; `undefined` until one has been attached, and once it has been detached by a clean close,
   * if the store `isShared`.
   */
  logId: string | undefined
  /** Raised at every open in log mode, and at the first one in direct mode behind that. */
  epoch: number
}

export interface Page {
  /** Lower and upper end: `from` is included, `to` is not. */
  from: EncodedKey
  to: EncodedKey
  reverse: boolean
  limit: number
}

export interface StoreCapabilities {
  /** A word for `status()`: `level`, `in-memory`, … */
  kind: string
  /** A commit that has returned is on stable storage. If not, `flush` makes it so. */
  durableCommit: boolean
  /** What was committed survives the process. Not so for `in-memory`: its log is the only copy. */
  persistent: boolean
  /** Folders of other machines reach it too: one of them may go on with it after a clean close. */
  isShared?: boolean
}

/** What a store is told when it is opened. */
export interface OpenTerms {
  /** How long its callers wait for each call, in ms: what it does on a server should end by then. */
  deadlineMs: number
  /** A file that this process holds locked for as long as it owns the memory. */
  lockFile: string
}

/** An open store. Every call may be given up by its caller after a deadline; its late answer is then ignored. */
export interface DataStore {
  readonly capabilities: StoreCapabilities
  /** `undefined` for a store that has none yet. */
  identity(): Promise<StoreIdentity | undefined>
  /** Durable when it returns. */
  setIdentity(identity: StoreIdentity): Promise<void>
  /** Zeros for a store that has never applied anything. */
  mark(): Promise<Mark>
  get(key: EncodedKey): Promise<Buffer | undefined>
  /** In the order of the keys. */
  getMany(keys: EncodedKey[]): Promise<(Buffer | undefined)[]>
  /** Up to `limit` entries of a range in order, as of one moment at or after the call. */
  page(page: Page): Promise<StoredEntry[]>
  /**
   * Commits the changes and the mark in one transaction: both or neither, at any crash. The same changes may come again
   * under the same mark, and the mark may be the one that it has.
   *
   * Rejects with STORE_REFUSED for bad data: a change that it will never take as it is, while it would take all others. It
   * is then as it was before the call, and takes the next one. Any other error means that it is down, or that nobody knows
   * what it holds.
   */
  apply(changes: Change[], mark: Mark): Promise<void>
  /** The LSN up to which what was applied is on stable storage. Never above the mark. */
  flushedLsn(): Promise<Lsn>
  /** Forces what was applied to stable storage. */
  flush(): Promise<void>
  close(): Promise<void>
}
