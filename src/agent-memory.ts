/** The memory of an agent: what a program opens, asks and closes. */
import { NEVER } from './codec/extras.js'
import { WrongCallError } from './core/errors.js'
import { decodeSegments, type EncodedKey, encodeKey, encodeSegment, encodeSegments, type Key } from './core/key.js'
import type { DeadLetters } from './engine/dead-letters.js'
import type { MemoryEvents } from './engine/events.js'
import { closedError } from './engine/failures.js'
import type { MemoryStatus } from './engine/inspection.js'
import type { CloseReport, MemoryEngine } from './engine/memory-engine.js'
import type { View } from './engine/turns.js'
import type { Write, WriteResult } from './engine/write.js'
import { type MapCore, MemoryMap, VALUE_RESERVE_BYTES } from './memory-map.js'
import { checkObject, integer, parseDataClass, parseName } from './option-checks.js'
import {
  type AgentMemoryOptions,
  type BatchOptions,
  type MapConfig,
  type MapOptions,
  type MemoryConfig,
  parseBatchOptions,
  parseMapOptions,
  parseMemoryOptions,
} from './options.js'
import type { DataClass } from './policy/data-class.js'
import type { Durability } from './policy/durability.js'
import type { DurabilityDecision } from './policy/map-policy.js'
import { ReadThrough } from './read-through.js'
import { manifestsOf } from './shapes/blob-keys.js'
import { Blobs, type BlobsOptions, parseBlobsOptions } from './shapes/blobs.js'
import { Conversations } from './shapes/conversations.js'
import type { Home } from './shapes/home.js'
import type { Manifest } from './shapes/manifest.js'
import {
  type ConversationsOptions,
  type PreferencesOptions,
  parseConversationsOptions,
  parsePreferencesOptions,
  parseSequenceOptions,
  type SequenceOptions,
  shapeConfig,
} from './shapes/options.js'
import { Preferences } from './shapes/preferences.js'
import { Sequence } from './shapes/sequence.js'
import { closeShared, openShared, type SharedEngine } from './shared-engine.js'
import type { SchemaOptions } from './value-options.js'
import { Values } from './values.js'
import { type BatchAppend, WriteBatch } from './write-batch.js'

const CLOSE_DEADLINE_MS = 30_000

/** A part of a memory: its maps and all else, with some segments before every key. A memory itself is the whole. */
export interface MemoryScope {
  map<V = unknown, K extends Key = Key, In = V>(
    name: string,
    options?: MapOptions<K, V> & SchemaOptions<V, In>,
  ): MemoryMap<V, K, In>
  sequence<V = unknown>(name: string, options?: SequenceOptions): Sequence<V>
  conversations<M = unknown>(options?: ConversationsOptions): Conversations<M>
  preferences<V = unknown>(options?: PreferencesOptions): Preferences<V>
  blobs<K extends Key = Key>(name: string, options?: BlobsOptions): Blobs<K>
  batch(fn: (batch: WriteBatch) => void, options?: BatchOptions): Promise<WriteResult>
  scope(...segments: string[]): MemoryScope
}

/** What all views of one open memory share. */
interface Handle {
  shared: SharedEngine
  isClosed: boolean
  /** What ends with it: called when it is closed. */
  onClose: Set<() => void>
  closing?: Promise<CloseReport>
}

type OptionsParser<Options, Config extends MapConfig> = (options: Options, memory: MemoryConfig) => Config

class Scope implements MemoryScope {
  readonly #handle: Handle
  readonly #prefix: EncodedKey

  constructor(handle: Handle, prefix: EncodedKey) {
    this.#handle = handle
    this.#prefix = prefix
  }

  map<V = unknown, K extends Key = Key, In = V>(
    name: string,
    options?: MapOptions<K, V> & SchemaOptions<V, In>,
  ): MemoryMap<V, K, In> {
    this.#check()
    const parse = (given: MapOptions<K, V> & SchemaOptions<V, In>, memory: MemoryConfig) =>
      parseMapOptions(name, given as MapOptions & SchemaOptions, memory)
    const core = coreOf(this.#handle.shared, parseName(name), `The map "${name}" was`, options, parse)
    return new MemoryMap<V, K, In>(name, core, this.#prefix, () => this.#check())
  }

  blobs<K extends Key = Key>(name: string, options?: BlobsOptions): Blobs<K> {
    this.#check()
    parseName(name)
    const { shared } = this.#handle
    const { orphans } = shared
    if (orphans === undefined) {
      throw needsLog('Blobs', 'what an upload that was cut short leaves is removed by the one owner of a store')
    }
    const parse = (given: BlobsOptions, memory: MemoryConfig) => shapeConfig(parseBlobsOptions(given), memory)
    const core = coreOf(shared, manifestsOf(name), `The blobs "${name}" were`, options, parse)
    const manifests = new MemoryMap<Manifest, K>(name, core, this.#prefix, () => this.#check())
    return new Blobs<K>(name, manifests, orphans, () => this.#check())
  }

  sequence<V = unknown>(name: string, options?: SequenceOptions): Sequence<V> {
    parseName(name, 'sequence')
    const home = this.#homeOf(['sequence', name], `The sequence "${name}" was`, options, parseSequenceOptions)
    return new Sequence<V>(name, home)
  }

  conversations<M = unknown>(options?: ConversationsOptions): Conversations<M> {
    return new Conversations<M>(
      this.#homeOf(['conversations'], 'The conversations were', options, parseConversationsOptions),
    )
  }

  preferences<V = unknown>(options?: PreferencesOptions): Preferences<V> {
    return new Preferences<V>(this.#homeOf(['preferences'], 'The preferences were', options, parsePreferencesOptions))
  }

  /** Where a shape is, under segments of which the first is its kind. */
  #homeOf<Options extends object, Config extends MapConfig>(
    segments: readonly string[],
    what: string,
    options: Options | undefined,
    parse: OptionsParser<Options, Config>,
  ): Home<Config> {
    this.#check()
    // An empty segment leads them: no map has an empty name.
    const core = coreOf(this.#handle.shared, encodeSegments(['', ...segments]), what, options, parse)
    const depth = decodeSegments(this.#prefix).length
    const { onClose } = this.#handle
    return {
      core,
      scope: encodeSegment(String(depth)) + this.#prefix,
      checkOpen: () => this.#check(),
      onClose: task => {
        onClose.add(task)
        return () => onClose.delete(task)
      },
    }
  }

  async batch(fn: (batch: WriteBatch) => void, options: BatchOptions = {}): Promise<WriteResult> {
    this.#check()
    const { engine, config } = this.#handle.shared
    const said = parseBatchOptions(options)
    const batch = new WriteBatch(engine)
    const returned: unknown = fn(batch)
    const { writes, appends, durability } = batch.finish(said)
    if (returned instanceof Promise) throw asynchronousBatch(returned)
    const row = durability ?? config.durability
    if (appends.length === 0) return engine.writer.write(writes, row, said.onAccepted)
    return writeWithAppends(engine, writes, appends, row, said.onAccepted)
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
   * Opens the memory in a folder, or the one whose data store the location names, as in `sqlite:./memory.db`; makes it,
   * with its parents, if there is none; recovers what a crash has left.
   *
   * A second open of the same folder in one process, with the same options, shares the memory.
   *
   * @throws OWNED_ELSEWHERE, NOT_A_MEMORY, FORMAT_TOO_NEW, FOLDER_NOT_WRITABLE, DISK_FULL, LOG_CORRUPT, LOG_LOST,
   * STORE_LOST, STORE_REGRESSED, WRONG_STORE, DRIVER_MISSING, OPTIONS_DIFFER: see docs/errors.md
   */
  static async open(location: string, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
    return new AgentMemory(await openShared(parseMemoryOptions(location, options)))
  }

  private constructor(shared: SharedEngine) {
    this.#handle = { shared, isClosed: false, onClose: new Set() }
    this.#root = new Scope(this.#handle, '')
  }

  /**
   * A map of the memory. Maps of one name are one map; giving other options than it was first given throws
   * OPTIONS_DIFFER, leaving them out takes it as it is. Functions among them are each handle's own.
   */
  map<V = unknown, K extends Key = Key, In = V>(
    name: string,
    options?: MapOptions<K, V> & SchemaOptions<V, In>,
  ): MemoryMap<V, K, In> {
    return this.#root.map<V, K, In>(name, options)
  }

  /**
   * Values of any size, streamed in and out: each is there whole or not at all, and a few chunks of it are in memory at a
   * time. Names of blobs and of maps have nothing to do with one another.
   */
  blobs<K extends Key = Key>(name: string, options?: BlobsOptions): Blobs<K> {
    return this.#root.blobs<K>(name, options)
  }

  /** An append-only list. A name is that of one sequence; its options are taken as those of a map are. */
  sequence<V = unknown>(name: string, options?: SequenceOptions): Sequence<V> {
    return this.#root.sequence<V>(name, options)
  }

  /** The messages of conversations, each under an id: by default as write-back, the last 100 of each. */
  conversations<M = unknown>(options?: ConversationsOptions): Conversations<M> {
    return this.#root.conversations<M>(options)
  }

  /** What users have set, under a user's id and a key: by default as write-through. */
  preferences<V = unknown>(options?: PreferencesOptions): Preferences<V> {
    return this.#root.preferences<V>(options)
  }

  /** Writes over several maps, and appends: all or nothing, as durable as the strongest of them. The function is synchronous. */
  batch(fn: (batch: WriteBatch) => void, options?: BatchOptions): Promise<WriteResult> {
    return this.#root.batch(fn, options)
  }

  /** The same maps, with these segments before every key: `scope('acme')` never shows what is in `acme-corp`. */
  scope(...segments: string[]): MemoryScope {
    return this.#root.scope(...segments)
  }

  /**
   * How durable a write of a key would be that does not say it itself, and why. A map that has not been asked for yet
   * is taken as one without options of its own. The key is what the map is given: without the segments of a scope.
   */
  durabilityFor<V, K extends Key>(
    map: string | MemoryMap<V, K>,
    key: Key,
    options: { dataClass?: DataClass } = {},
  ): DurabilityDecision {
    checkObject(options, 'durabilityFor', ['dataClass'])
    const { shared } = this.#handle
    const name = map instanceof MemoryMap ? map.name : map
    const known = shared.maps.get(parseName(name))?.config ?? parseMapOptions(name, {}, shared.config)
    return known.policy.decide(encodeKey(key), parseDataClass(options.dataClass))
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

  /**
   * What the data store has refused for good: to look at, to give to it again, to give up. Reads see these writes until
   * then, or until they are superseded.
   */
  get deadLetters(): DeadLetters {
    const { deadLetters } = this.#engine
    if (deadLetters === undefined)
      throw needsLog('Dead letters', 'without one, what the store refuses is told to its caller')
    return deadLetters
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
    for (const task of this.#handle.onClose) task()
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

/** What is under a prefix, with the options that it was first given. `what` begins a sentence about it. */
function coreOf<Options extends object, Config extends MapConfig>(
  shared: SharedEngine,
  prefix: EncodedKey,
  what: string,
  options: Options | undefined,
  parse: OptionsParser<Options, Config>,
): MapCore<Config> {
  // A prefix says of which kind it is: what is there was made by the same parser.
  const found = shared.maps.get(prefix) as MapCore<Config> | undefined
  if (found !== undefined && options === undefined) return found
  const config = parse(options ?? ({} as Options), shared.config)
  if (found === undefined) {
    const core = newCore(shared, prefix, config)
    shared.maps.set(prefix, core)
    return core
  }
  if (found.config.fingerprint !== config.fingerprint) throw optionsDiffer(what)
  // Functions among the options are not compared: each handle has its own.
  const values = new Values(config.policy.map, config.values, shared.engine.compression)
  const core = { ...found, values }
  if (config.loading !== undefined) found.readThrough!.use(config.loading.load, loadedEncoder(core))
  return core
}

function newCore<Config extends MapConfig>(
  { engine, ...shared }: SharedEngine,
  prefix: EncodedKey,
  config: Config,
): MapCore<Config> {
  const { maxLoss, loading, policy } = config
  const core = {
    engine,
    prefix,
    config,
    values: new Values(policy.map, config.values, engine.compression),
    budget: maxLoss === undefined ? shared.budget : engine.addBudget(maxLoss),
    valueBytesMax: shared.config.engine.frameBytesMax - VALUE_RESERVE_BYTES,
  }
  const readThrough =
    loading &&
    new ReadThrough({
      engine,
      map: policy.map,
      prefix,
      loading,
      budget: core.budget,
      durabilityOf: key => policy.durabilityOf(key, undefined),
      encode: loadedEncoder(core),
    })
  return { ...core, readThrough }
}

/** Encodes what a handle of a map has loaded. It is kept for as long as it is fresh, and then stale. */
function loadedEncoder({ engine, config, values, valueBytesMax }: Omit<MapCore, 'readThrough'>) {
  const { ttlMs, loading } = config
  const keptMs = loading === undefined || ttlMs === undefined ? undefined : ttlMs + loading.staleMs
  return (value: unknown) =>
    values.encode(value, valueBytesMax, keptMs === undefined ? NEVER : engine.expiresAt(keptMs))
}

function needsLog(what: string, why: string): WrongCallError {
  return new WrongCallError('INVALID_OPTION', {
    message: `${what} were asked for, and this memory was opened without a log`,
    next: `Open a memory with a log: ${why}`,
  })
}

function optionsDiffer(what: string): WrongCallError {
  return new WrongCallError('OPTIONS_DIFFER', {
    message: `${what} opened before with other options`,
    next: 'Open it with the same options, or leave them out to take it as it is',
  })
}

/** Places what is appended when it is its turn at each of the heads, and writes it with the rest. */
async function writeWithAppends(
  engine: MemoryEngine,
  writes: readonly Write[],
  appends: readonly BatchAppend[],
  durability: Durability,
  onAccepted: (() => void) | undefined,
): Promise<WriteResult> {
  const plan = (view: View) => {
    const planned = appends.map(append => append.plan(view, append.items))
    const all = [...writes, ...planned.flatMap(each => each.writes)]
    return { writes: all, seen: Math.max(...planned.map(each => each.seen)), value: undefined }
  }
  const bytes = appends.reduce((sum, each) => sum + each.bytes, 0)
  const { result } = await engine.turns.take({
    keys: appends.map(({ key }) => key),
    bytes,
    durability,
    plan,
    onAccepted,
  })
  return result
}

function asynchronousBatch(returned: Promise<unknown>): WrongCallError {
  returned.catch(() => {})
  return new WrongCallError('INVALID_ARGUMENT', {
    message: 'The function of batch has returned a promise',
    next: 'Do what is asynchronous before, and give batch a synchronous function; nothing of this batch was written',
  })
}
