/** What the engine runs with. Options are checked once, in src/options.ts; nothing in here is missing or wrong. */
import type { Clock } from '../io/clock.js'
import type { FileSystem } from '../io/file-system.js'
import type { DataStore, OpenTerms } from '../stores/data-store.js'
import type { DirectStore } from '../stores/direct-store.js'

export interface EngineConfig {
  /** The memory's folder, absolute. */
  folder: string
  fileSystem: FileSystem
  clock: Clock
  store: StoreOpener
  onLogLost: 'refuse' | 'proceed'
  /** Largest frame, and so largest value and batch, in bytes. */
  frameBytesMax: number
  /** Encoded bytes of calls that wait for room. */
  queuedBytesMax: number
  /** Bytes of frames that the data store may lack. */
  logBytesMax: number
  /** Entries that the data store may lack. */
  pendingEntriesMax: number
  tierBytesMax: number
  /** Longest wait for one call of the data store, in ms. */
  storeDeadlineMs: number
  /** A checkpoint runs at least so often, in ms. */
  checkpointMs: number
  segmentBytesMin: number
  segmentBytesMax: number
}

/** How a data store is opened, again after it has failed. */
export interface StoreOpener {
  kind: string
  /** `create` is false for a memory that had its store before: a missing one is STORE_LOST then, not a new one. */
  open(create: boolean, terms?: OpenTerms): Promise<DataStore>
  /**
   * Opens it for `log: 'none'`, where several nodes use it at once; only for a store that decides versions itself.
   * `deadlineMs`: how long its callers wait for each call.
   */
  openDirect?(deadlineMs: number): Promise<DirectStore>
  /**
   * Whether an error of `open` says that the store is away for now, as a server may be: a memory that has a log opens
   * without it then, and matches it when it is back. Without it no error says so.
   */
  isAway?(error: unknown): boolean
  /** Keys of one run of a checkpoint, for a store that takes long for each; a run still ends with a whole frame. */
  runKeysMax?: number
  /** What tells it from others of its kind, if the memory's folder does not: an absolute path, say. */
  place?: string
  /** How a worker thread opens the same store; without it checkpoints run on the main thread. */
  inThread?: ThreadOpener
}

/** A second handle to a store that is open: in another thread of the process, for as long as the first one is open. */
export interface ThreadOpener {
  /** URL of a module that exports `openInThread(options): Promise<DataStore>`. */
  module: string
  /** Plain data. */
  options: unknown
  /**
   * Checkpoints run on the event loop until the store has been given so many bytes of the log: a thread takes longer to
   * start than those take, and a memory may be open for a moment only.
   *
   * @defaultValue 0: a thread from the first one on
   */
  fromBytes?: number
}

/** One run of a checkpoint: at most so many frames and keys, and at most so long; always at least one frame. */
export interface RunLimits {
  frames: number
  keys: number
  bytes: number
  ms: number
}

/** A store transaction stays short, and shorter while a write-through waits for it. */
export const RUN_LIMITS: RunLimits = { frames: Number.POSITIVE_INFINITY, keys: 64 * 1024, bytes: 4 << 20, ms: 250 }
export const PRESSED_RUN_LIMITS: RunLimits = { ...RUN_LIMITS, ms: 20 }
