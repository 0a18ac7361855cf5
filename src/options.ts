/** Options, checked once, here: what the engine gets has no field missing and none that is wrong. */
import { VALUE_BYTES_LIMIT } from './codec/compression.js'
import type { Key } from './core/key.js'
import { checkDurabilities, parseDirect } from './direct-options.js'
import type { EngineConfig, StoreOpener } from './engine/config.js'
import type { DirectConfig } from './engine/direct/direct-engine.js'
import { callApart } from './engine/events.js'
import { type Clock, systemClock } from './io/clock.js'
import type { FileSystem } from './io/file-system.js'
import { nodeFileSystem } from './io/node-file-system.js'
import { type Loading, type LoadOptions, parseLoading } from './load-options.js'
import { parseLocation } from './location.js'
import { badOption, checkObject, integer, parseDataClass, parseDurability, parseTtl } from './option-checks.js'
import type { DataClass } from './policy/data-class.js'
import type { Durability } from './policy/durability.js'
import type { MaxLoss } from './policy/loss-budget.js'
import { MapPolicy } from './policy/map-policy.js'
import { type DurabilityRule, identityOf, type MapRule, type Rule } from './policy/rules.js'
import { parseRules } from './rule-options.js'
import { type FilesStoreChoice, openerOf, type PostgresStoreChoice } from './store-opener.js'
import {
  parseValueOptions,
  type SchemaOptions,
  VALUE_OPTIONS,
  type ValueConfig,
  type ValueOptions,
  valueFingerprint,
} from './value-options.js'

/** Options of {@link AgentMemory.open}. All of them have safe defaults. */
export interface AgentMemoryOptions {
  /**
   * How durable a write is if neither it nor its map says otherwise.
   *
   * @defaultValue 'write-ahead'; without a log 'write-through'
   */
  durability?: Durability
  /**
   * Durabilities for maps, for keys that start with some segments, and for data classes, over all maps. The most
   * specific counts; a map's own rules come before them. Two that contradict each other throw INVALID_OPTION.
   *
   * @example
   * ```ts
   * rules: [
   *   { map: 'orders', prefix: [anySegment, 'payments'], durability: 'write-through' },
   *   { dataClass: 'debug_trace', durability: 'write-back' },
   * ]
   * ```
   * @see docs/durability.md, "Which durability counts"
   */
  rules?: readonly DurabilityRule[]
  /**
   * What a crash may lose of write-back, over all maps that declare no bound of their own. Enforced: a write that would
   * exceed it is acknowledged as write-ahead.
   *
   * @defaultValue 1,000 ms, 10,000 writes, 1 MiB
   * @see docs/durability.md
   */
  maxLoss?: Partial<MaxLoss>
  /**
   * Where entries live in the end: `level` (LevelDB in the folder), `files` (one file a key), `in-memory` (only the log is
   * kept on disk), or an opener of your own store. A location that names a store, such as `sqlite:./memory.db`, takes its
   * place.
   *
   * @defaultValue 'level'
   * @see docs/stores.md
   */
  store?: 'level' | 'files' | 'in-memory' | FilesStoreChoice | PostgresStoreChoice | StoreOpener
  /**
   * The memory's folder, with its lock and its log, where the location names a store. It belongs to that store alone.
   *
   * @defaultValue beside the store: `./memory.db-holdfast`, or `.holdfast` in a folder of files; for a server, a folder in `./.holdfast`
   */
  folder?: string
  /**
   * `none`: direct mode, for a store that several nodes share, or a machine whose disk is not to be trusted. Writes go
   * straight to the store, which decides versions; there is no write-ahead, and the location is only a name.
   *
   * @defaultValue a log in the folder
   * @see docs/stores.md, "Without a log"
   */
  log?: 'none'
  /**
   * Without a log: how old what the tier holds may be before the store is asked again, in ms. So long may another node's
   * write go unseen; `get(key, { fresh: true })` always asks.
   *
   * @defaultValue 1,000
   */
  staleMs?: number
  /**
   * What to do if the store is there and its log is not: `refuse` (LOG_LOST), or `proceed` without what only the log
   * had, which is told as a `warning` event.
   *
   * @defaultValue 'refuse'
   */
  onLogLost?: 'refuse' | 'proceed'
  /**
   * Memory for entries, in bytes, with the room that V8 needs to collect garbage: about a sixth of it holds keys and
   * values. More makes more reads fast; nothing is lost if it is small.
   *
   * @defaultValue 128 MiB
   */
  tierBytesMax?: number
  /**
   * Largest group commit, and so the largest value and the largest batch, in bytes.
   *
   * @defaultValue 16 MiB
   */
  frameBytesMax?: number
  /**
   * Encoded bytes of calls that may wait for room in the next group commit. One more is rejected OVERLOADED.
   *
   * @defaultValue 64 MiB
   */
  queuedBytesMax?: number
  /**
   * Bytes of the log that the data store may lack; beyond it writes wait, or are refused while the store is down.
   *
   * @defaultValue 1 GiB
   */
  logBytesMax?: number
  /**
   * Entries that the data store may lack while it is down; beyond it writes are refused. Each takes about 250 bytes of
   * RAM. While the store is up, writes wait for it at 65,536.
   *
   * @defaultValue 262,144
   */
  pendingEntriesMax?: number
  /**
   * Longest wait for one call of the data store, in ms: a read rejects STORE_DOWN then, a write-through STORE_BEHIND.
   *
   * @defaultValue 10,000
   */
  storeDeadlineMs?: number
  /**
   * A checkpoint into the data store runs at least so often while there is something to move, in ms.
   *
   * @defaultValue 300,000
   */
  checkpointMs?: number
  /**
   * Largest size of a log segment, in bytes: segments start at 4 MiB, or at this if it is less, and double up to it.
   *
   * @defaultValue 64 MiB
   */
  segmentBytesMax?: number
  /** The file system; for tests with injected faults. */
  fileSystem?: FileSystem
  /** The clock; for tests that move time by hand. */
  clock?: Clock
}

/** Options of {@link AgentMemory.map}, which takes {@link SchemaOptions} too. */
// biome-ignore lint/suspicious/noExplicitAny: options without a loader fit maps of any values.
export interface MapOptions<K extends Key = Key, V = any> extends LoadOptions<K, V>, ValueOptions {
  /** How durable the map's writes are if they do not say otherwise. @defaultValue that of the memory */
  durability?: Durability
  /** The same by a data class, in place of `durability`: what it means is said by rules, else by `chooseDurability`. */
  dataClass?: DataClass
  /** A loss bound of the map's own; what it leaves out is taken from the memory's bound. */
  maxLoss?: Partial<MaxLoss>
  /**
   * How long an entry is kept after it was written, in ms, if its write does not say otherwise; it then reads as absent.
   *
   * @defaultValue for ever
   * @see docs/durability.md, "Expiry"
   */
  ttlMs?: number
  /**
   * Durabilities for keys that start with some whole segments, and for data classes. The most specific counts, before
   * `durability`.
   */
  rules?: readonly MapRule[]
}

/** Options of a single write. */
export interface WriteOptions {
  durability?: Durability
  /** How durable the write is, by a data class, in place of `durability`. */
  dataClass?: DataClass
  /** The version that the key must have now, as `getEntry` gives it; `null` if it must be absent. */
  expected?: number | null
  /**
   * How long the entry is kept from now on, in ms; it then reads as absent. `null`: for ever, though the map has a `ttlMs`.
   *
   * @defaultValue that of the map; an update keeps the moment at which the entry expires
   */
  ttlMs?: number | null
}

/** Options of a delete. */
export type DeleteOptions = Omit<WriteOptions, 'ttlMs'>

/** Options of a batch: how durable all of it is. @defaultValue as the strongest of its writes */
export interface BatchOptions extends Pick<WriteOptions, 'durability' | 'dataClass'> {
  /**
   * Called once the batch is accepted: it has its place in the order of all writes, and nothing can refuse it any more.
   * What is written after it comes after it. Without a log, for a batch with conditions, that is once the store has it.
   * What it throws is thrown outside of the batch, as what a listener throws.
   */
  onAccepted?: () => void
}

export interface MemoryConfig {
  engine: EngineConfig
  /** `undefined`: the memory has a log. */
  direct: DirectConfig | undefined
  durability: Durability
  /** Sorted, the most specific first. */
  rules: readonly Rule[]
  maxLoss: MaxLoss
}

export interface MapConfig {
  policy: MapPolicy
  /** What the policy says by default: for maps all of whose keys are alike, of each write that names no data class. */
  durability: Durability
  /** `undefined`: counted in the memory's bound. */
  maxLoss: MaxLoss | undefined
  /** `undefined`: for ever. */
  ttlMs: number | undefined
  /** `undefined`: what is not there is absent. */
  loading: Loading | undefined
  values: ValueConfig
  /** Two maps of one name must have been given equal options. */
  fingerprint: string
}

const MIB = 1 << 20
const DEFAULT_MAX_LOSS: MaxLoss = { ms: 1000, writes: 10_000, bytes: MIB }
const SEGMENT_BYTES_MIN = 4 * MIB

const MEMORY_KEYS = [
  'durability',
  'rules',
  'maxLoss',
  'store',
  'folder',
  'log',
  'staleMs',
  'onLogLost',
  'tierBytesMax',
  'frameBytesMax',
  'queuedBytesMax',
  'logBytesMax',
  'pendingEntriesMax',
  'storeDeadlineMs',
  'checkpointMs',
  'segmentBytesMax',
  'fileSystem',
  'clock',
] as const
const MAP_KEYS = [
  'durability',
  'dataClass',
  'maxLoss',
  'ttlMs',
  'rules',
  'load',
  'staleMs',
  'negativeTtlMs',
  ...VALUE_OPTIONS,
] as const

/** Checks the arguments of `AgentMemory.open`. Throws a `WrongCallError`. */
export function parseMemoryOptions(location: unknown, options: AgentMemoryOptions = {}): MemoryConfig {
  checkObject(options, 'open', MEMORY_KEYS)
  const { folder, store } = parseLocation(location, options.folder)
  const fileSystem = options.fileSystem ?? nodeFileSystem
  const frameBytesMax = integer(options.frameBytesMax, 'frameBytesMax', 16 * MIB, 64 * 1024, VALUE_BYTES_LIMIT)
  const segmentBytesMax = integer(options.segmentBytesMax, 'segmentBytesMax', 64 * MIB, 64 * 1024, 1024 * MIB)
  const onLogLost = options.onLogLost ?? 'refuse'
  if (onLogLost !== 'refuse' && onLogLost !== 'proceed')
    throw badOption('onLogLost', onLogLost, "'refuse' or 'proceed'")
  const engine: EngineConfig = {
    folder,
    fileSystem,
    clock: options.clock ?? systemClock,
    store: openerOf(store, options.store, folder, fileSystem),
    onLogLost,
    frameBytesMax,
    queuedBytesMax: integer(options.queuedBytesMax, 'queuedBytesMax', 64 * MIB, 0),
    logBytesMax: integer(options.logBytesMax, 'logBytesMax', 1024 * MIB, 64 * 1024),
    pendingEntriesMax: integer(options.pendingEntriesMax, 'pendingEntriesMax', 262_144, 1),
    tierBytesMax: integer(options.tierBytesMax, 'tierBytesMax', 128 * MIB, 0),
    storeDeadlineMs: integer(options.storeDeadlineMs, 'storeDeadlineMs', 10_000, 1, 2 ** 31 - 1),
    checkpointMs: integer(options.checkpointMs, 'checkpointMs', 300_000, 1, 2 ** 31 - 1),
    segmentBytesMin: Math.min(SEGMENT_BYTES_MIN, alignDown(segmentBytesMax)),
    segmentBytesMax: alignDown(segmentBytesMax),
  }
  const direct = parseDirect(options, engine)
  const isDirect = direct !== undefined
  const durability = parseDurability(options.durability) ?? (isDirect ? 'write-through' : 'write-ahead')
  const rules = parseRules(options.rules ?? [], 'memory')
  checkDurabilities(isDirect, 'The memory', durability, rules)
  return {
    engine,
    direct,
    durability,
    rules,
    maxLoss: parseMaxLoss(options.maxLoss, DEFAULT_MAX_LOSS, frameBytesMax),
  }
}

/** Checks the arguments of `memory.map`. */
export function parseMapOptions(map: string, options: MapOptions & SchemaOptions, memory: MemoryConfig): MapConfig {
  checkObject(options, 'map', MAP_KEYS)
  const durability = parseDurability(options.durability)
  const dataClass = parseDataClass(options.dataClass, durability)
  const { frameBytesMax } = memory.engine
  const maxLoss = options.maxLoss && parseMaxLoss(options.maxLoss, memory.maxLoss, frameBytesMax)
  const ttlMs = options.ttlMs === undefined ? undefined : parseTtl(options.ttlMs, 'ttlMs')
  const mapRules = parseRules(options.rules ?? [], 'map')
  const loading = parseLoading(options)
  const values = parseValueOptions(options)
  const memoryRules = memory.rules
  const memoryDurability = memory.durability
  const isLogless = memory.direct !== undefined
  checkDurabilities(isLogless, `The map "${map}"`, durability, mapRules)
  const policy = new MapPolicy({ map, durability, dataClass, mapRules, memoryRules, memoryDurability, isLogless })
  const fingerprint = JSON.stringify([
    policy.byDefault.durability,
    dataClass,
    maxLoss,
    ttlMs,
    identityOf(mapRules),
    loading,
    valueFingerprint(values),
  ])
  return { policy, durability: policy.byDefault.durability, maxLoss, ttlMs, loading, values, fingerprint }
}

/** Checks the options of a write. */
export function parseWriteOptions(options: WriteOptions): WriteOptions {
  checkObject(options, 'a write', ['durability', 'dataClass', 'expected', 'ttlMs'])
  if (options.ttlMs !== undefined && options.ttlMs !== null) parseTtl(options.ttlMs, 'ttlMs')
  return parseConditions(options)
}

/** Checks the options of a batch. */
export function parseBatchOptions(options: BatchOptions): BatchOptions {
  checkObject(options, 'a batch', ['durability', 'dataClass', 'onAccepted'])
  const { onAccepted } = options
  if (onAccepted === undefined) return parseConditions(options)
  if (typeof onAccepted !== 'function') throw badOption('onAccepted', onAccepted, 'a function, or leave it out')
  return parseConditions({ ...options, onAccepted: () => callApart(onAccepted) })
}

/** Checks the options of a delete. */
export function parseDeleteOptions(options: DeleteOptions): DeleteOptions {
  checkObject(options, 'a delete', ['durability', 'dataClass', 'expected'])
  return parseConditions(options)
}

function parseConditions<Options extends DeleteOptions>(options: Options): Options {
  const { expected } = options
  if (expected !== undefined && expected !== null && !Number.isSafeInteger(expected)) {
    throw badOption('expected', expected, 'a version that getEntry has given, or null for an absent key')
  }
  parseDataClass(options.dataClass, parseDurability(options.durability))
  return options
}

function parseMaxLoss(maxLoss: Partial<MaxLoss> | undefined, base: MaxLoss, frameBytesMax: number): MaxLoss {
  // Half a frame, so that what is at risk always fits the next one with the writes that come meanwhile.
  const bytesLimit = Math.floor(frameBytesMax / 2)
  if (maxLoss !== undefined) checkObject(maxLoss, 'maxLoss', ['ms', 'writes', 'bytes'])
  return {
    ms: integer(maxLoss?.ms, 'maxLoss.ms', base.ms, 0, 2 ** 31 - 1),
    writes: integer(maxLoss?.writes, 'maxLoss.writes', base.writes, 0),
    bytes: integer(maxLoss?.bytes, 'maxLoss.bytes', Math.min(base.bytes, bytesLimit), 0, bytesLimit),
  }
}

function alignDown(bytes: number): number {
  return Math.floor(bytes / 4096) * 4096
}
