/** What a memory tells its listeners. */
import { EventEmitter } from 'node:events'
import type { AgentMemoryError } from '../core/errors.js'
import type { Key } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { DeadLetter } from './dead-letter.js'

export interface MemoryEvents {
  /** A frame is on stable storage: `entries` keys in `bytes` of the log, everything up to `lsn`, after `durationMs`. */
  flush: [{ lsn: Lsn; entries: number; bytes: number; durationMs: number }]
  /**
   * A run of frames is in the data store: `entries` keys, deleted ones included, `bytes` of keys and of what is kept under
   * them, everything up to `lsn`, after `durationMs`. A checkpoint is one run, or several.
   */
  checkpoint: [{ lsn: Lsn; entries: number; bytes: number; durationMs: number }]
  /**
   * A loss bound is overrun: the disk or the event loop is held up for `ms` longer than the bound allows. Told when it
   * begins, as far as the event loop runs, and again when it has ended.
   */
  overrun: [{ maxLossMs: number; ms: number }]
  /** Something that works, but not as well as it should: `code` says what. */
  warning: [{ code: WarningCode; message: string }]
  /**
   * A map could not load a key: `load` has failed, which those who wait are told too; or the map could not keep what it
   * gave, which they are given all the same.
   */
  loadFailed: [{ map: string; scope: readonly string[]; key: Key; error: unknown }]
  /** The log has failed: writes are refused until `reopen()`. */
  failed: [{ error: AgentMemoryError }]
  /**
   * The data store has refused a batch for good, which is kept as a dead letter: see `memory.deadLetters`. Told once; those
   * of earlier lives are listed there.
   */
  deadLetter: [DeadLetter]
  /**
   * Without a log: the data store has refused a write, or a batch, for good, and nothing of it is kept. Who waits for it is
   * told too; of one that was acknowledged as write-back, this is the word.
   */
  refused: [{ error: AgentMemoryError }]
  storeDown: [{ error: AgentMemoryError }]
  storeUp: [{ lsn: Lsn }]
  /** The disk is full: writes are refused until there is room again. */
  diskFull: [{ error: AgentMemoryError }]
  diskFree: [Record<never, never>]
  /** A `setMany` or `deleteMany` of a map has written one more batch: how far it is. */
  progress: [{ map: string; entries: number; batches: number }]
}

export type WarningCode = 'LOG_LOST' | 'TORN_TAIL' | 'VOLATILE_FOLDER'

/** An emitter whose listeners cannot break what goes on: what one throws is thrown again outside of it. */
export class Events {
  readonly #emitter = new EventEmitter()

  on<Name extends keyof MemoryEvents>(name: Name, listener: (...args: MemoryEvents[Name]) => void): void {
    this.#emitter.on(name, listener)
  }

  off<Name extends keyof MemoryEvents>(name: Name, listener: (...args: MemoryEvents[Name]) => void): void {
    this.#emitter.off(name, listener)
  }

  emit<Name extends keyof MemoryEvents>(name: Name, ...args: MemoryEvents[Name]): void {
    if (this.#emitter.listenerCount(name) === 0) return
    callApart(() => this.#emitter.emit(name, ...args))
  }
}

/** Calls what is the caller's, and what it throws is thrown again outside of what goes on. */
export function callApart(work: () => void): void {
  try {
    work()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}
