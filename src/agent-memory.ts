/** The memory of an agent: what a program opens, asks and closes. */
import { WrongCallError } from './core/errors.js'
import { type EncodedKey, encodeSegments, type Key } from './core/key.js'
import type { CloseReport } from './engine/engine.js'
import type { MemoryEvents } from './engine/events.js'
import { closedError } from './engine/failures.js'
import type { MemoryStatus } from './engine/inspection.js'
import type { WriteResult } from './engine/write.js'
import { type MapCore, MemoryMap, VALUE_RESERVE_BYTES } from './memory-map.js'
import {
  type AgentMemoryOptions,
  checkObject,
  integer,
  type MapOptions,
  parseMapOptions,
  parseMemoryOptions,
  parseName,
  parseWriteOptions,
  type WriteOptions,
} from './options.js'
import { manifestsOf } from './shapes/blob-keys.js'
import { Blobs, type BlobsOptions, parseBlobsOptions } from './shapes/blobs.js'
import type { Manifest } from './shapes/manifest.js'
import { closeShared, openShared, type SharedEngine } from './shared-engine.js'
import { WriteBatch } from './write-batch.js'

const CLOSE_DEADLINE_MS = 30_000

/** Options of a batch. */
export type BatchOptions = Pick<WriteOptions, 'durability'>

/** A part of a memory: its maps, with some segments before every key. A memory itself is the whole. */
export interface MemoryScope {
  map<V = unknown, K extends Key = Key>(name: string, options?: MapOptions<K>): MemoryMap<V, K>
  blobs<K extends Key = Key>(name: string, options?: BlobsOptions): Blobs<K>
  batch(fn: (batch: WriteBatch) => void, options?: BatchOptions): Promise<WriteResult>
  scope(...segments: string[]): MemoryScope
}

/** What all views of one open memory share. */
interface Handle {
  shared: SharedEngine
  isClosed: boolean
  closing?: Promise<CloseReport>
}

class Scope implements MemoryScope {
  readonly #handle: Handle
  readonly #prefix: EncodedKey

  constructor(handle: Handle, prefix: EncodedKey) {
    this.#handle = handle
    this.#prefix = prefix
  }

  map<V = unknown, K extends Key = Key>(name: string, options?: MapOptions<K>): MemoryMap<V, K> {
    this.#check()
    return this.#mapAt<V, K>(parseName(name), name, options)
  }

  blobs<K extends Key = Key>(name: string, options?: BlobsOptions): Blobs<K> {
    this.#check()
    parseName(name)
    const parsed = options && parseBlobsOptions(options)
    const manifests = this.#mapAt<Manifest, K>(manifestsOf(name), name, parsed as MapOptions<K> | undefined)
    return new Blobs<K>(name, manifests, this.#handle.shared.orphans, () => this.#check())
  }

  #mapAt<V, K extends Key>(prefix: EncodedKey, name: string, options: MapOptions<K> | undefined): MemoryMap<V, K> {
    const core = mapCore(this.#handle.shared, prefix, name, options)
    return new MemoryMap<V, K>(name, core, this.#prefix, () => this.#check())
  }

  async batch(fn: (batch: WriteBatch) => void, options: BatchOptions = {}): Promise<WriteResult> {
    this.#check()
    const { engine, config } = this.#handle.shared
    const { durability } = parseWriteOptions(options)
    const batch = new WriteBatch(engine)
    const returned: unknown = fn(batch)
    const finished = batch.finish()
    if (returned instanceof Promise) throw asynchronousBatch(returned)
    return engine.writer.write(finished.writes, durability ?? finished.durability ?? config.durability)
  }

  scope(...segments: string[]): MemoryScope {
    return new Scope(this.#handle, this.#prefix + encodeSegments(segments))
  }

  #check(): void {
    checkHandle(this.#handle)
  }
}

/**
 * An agent's memory in a folder. Every write says how durable it must be, gets exactly that, and is told what it got.
 *
 * @example
 * ```ts
 * const memory = await AgentMemory.open('./agent-memory')
 * try {
 *   const runs = memory.map('runs')
 *   await runs.set('run-1', { step: 1 })
 * } finally {
 *   await memory.close()
 * }
 * ```
 */
export class AgentMemory implements MemoryScope, AsyncDisposable {
  readonly #handle: Handle
  readonly #root: MemoryScope

  /**
   * Opens the memory in a folder; makes it, with its parents, if there is none; recovers what a crash has left.
   *
   * A second open of the same folder in one process, with the same options, shares the memory.
   *
   * @throws OWNED_ELSEWHERE, NOT_A_MEMORY, FORMAT_TOO_NEW, FOLDER_NOT_WRITABLE, DISK_FULL, LOG_CORRUPT, LOG_LOST,
   * STORE_LOST, STORE_REGRESSED, WRONG_STORE, OPTIONS_DIFFER: see docs/errors.md
   */
  static async open(location: string, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
    return new AgentMemory(await openShared(parseMemoryOptions(location, options)))
  }

  private constructor(shared: SharedEngine) {
    this.#handle = { shared, isClosed: false }
    this.#root = new Scope(this.#handle, '')
  }

  /**
   * A map of the memory. Maps of one name are one map; giving other options than it was first given throws
   * OPTIONS_DIFFER, leaving them out takes it as it is.
   */
  map<V = unknown, K extends Key = Key>(name: string, options?: MapOptions<K>): MemoryMap<V, K> {
    return this.#root.map<V, K>(name, options)
  }

  /**
   * Values of any size, streamed in and out: each is there whole or not at all, and a few chunks of it are in memory at a
   * time. Names of blobs and of maps have nothing to do with one another.
   */
  blobs<K extends Key = Key>(name: string, options?: BlobsOptions): Blobs<K> {
    return this.#root.blobs<K>(name, options)
  }

  /** Writes over several maps: all or nothing, as durable as the strongest of them. The function is synchronous. */
  batch(fn: (batch: WriteBatch) => void, options?: BatchOptions): Promise<WriteResult> {
    return this.#root.batch(fn, options)
  }

  /** The same maps, with these segments before every key: `scope('acme')` never shows what is in `acme-corp`. */
  scope(...segments: string[]): MemoryScope {
    return this.#root.scope(...segments)
  }

  /** Resolves once everything accepted so far is in the log, on stable storage. Returns its last LSN. */
  async flush(): Promise<number> {
    checkHandle(this.#handle)
    return this.#engine.flush()
  }

  /** Resolves once everything accepted so far is in the data store. Returns its last LSN. */
  async checkpoint(): Promise<number> {
    checkHandle(this.#handle)
    return this.#engine.checkpoint()
  }

  /** How the memory is doing: what is at risk now, what waits, what recovery did. */
  status(): MemoryStatus {
    return this.#engine.status()
  }

  /** After `failed`: recovers the log, logs again what was in doubt, and takes writes again. */
  async reopen(): Promise<void> {
    checkHandle(this.#handle)
    return this.#engine.reopen()
  }

  /**
   * Flushes, moves what the log has into the store as far as `deadlineMs` (30,000) allows, and closes. Says where
   * everything is. Closing twice is fine.
   */
  async close(options: { deadlineMs?: number } = {}): Promise<CloseReport> {
    checkObject(options, 'close', ['deadlineMs'])
    const deadlineMs = integer(options.deadlineMs, 'deadlineMs', CLOSE_DEADLINE_MS, 0, 2 ** 31 - 1)
    // Each handle gives itself up once: a second call must not close the engine under the others.
    this.#handle.isClosed = true
    this.#handle.closing ??= closeShared(this.#handle.shared, deadlineMs)
    return this.#handle.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  on<Name extends keyof MemoryEvents>(event: Name, listener: (...args: MemoryEvents[Name]) => void): this {
    this.#engine.events.on(event, listener)
    return this
  }

  off<Name extends keyof MemoryEvents>(event: Name, listener: (...args: MemoryEvents[Name]) => void): this {
    this.#engine.events.off(event, listener)
    return this
  }

  get #engine() {
    return this.#handle.shared.engine
  }
}

function checkHandle(handle: Handle): void {
  if (handle.isClosed) throw closedError()
}

function mapCore<K extends Key>(
  shared: SharedEngine,
  prefix: EncodedKey,
  name: string,
  options: MapOptions<K> | undefined,
): MapCore {
  const found = shared.maps.get(prefix)
  if (found !== undefined && options === undefined) return found
  const config = parseMapOptions(options ?? {}, shared.config)
  if (found !== undefined) {
    if (found.config.fingerprint === config.fingerprint) return found
    throw new WrongCallError('OPTIONS_DIFFER', {
      message: `The map "${name}" was opened before with other options`,
      next: 'Open it with the same options, or leave them out to take it as it is',
    })
  }
  const { engine } = shared
  const core: MapCore = {
    engine,
    prefix,
    config,
    budget: config.maxLoss === undefined ? shared.budget : engine.addBudget(config.maxLoss),
    valueBytesMax: shared.config.engine.frameBytesMax - VALUE_RESERVE_BYTES,
  }
  shared.maps.set(prefix, core)
  return core
}

function asynchronousBatch(returned: Promise<unknown>): WrongCallError {
  returned.catch(() => {})
  return new WrongCallError('INVALID_ARGUMENT', {
    message: 'The function of batch has returned a promise',
    next: 'Do what is asynchronous before, and give batch a synchronous function; nothing of this batch was written',
  })
}
