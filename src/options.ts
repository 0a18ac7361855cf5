/** Options, checked once, here: what the engine gets has no field missing and none that is wrong. */
import { resolve } from 'node:path'
import { WrongCallError } from './core/errors.js'
import { encodeKey, encodeSegment, type Key } from './core/key.js'
import type { EngineConfig, StoreOpener } from './engine/config.js'
import { type Clock, systemClock } from './io/clock.js'
import type { FileSystem } from './io/file-system.js'
import { nodeFileSystem } from './io/node-file-system.js'
import { DURABILITIES, type Durability } from './policy/durability.js'
import { KeyRules } from './policy/key-rules.js'
import type { MaxLoss } from './policy/loss-budget.js'
import { storeOpener } from './store-opener.js'

/** Options of {@link AgentMemory.open}. All of them have safe defaults. */
export interface AgentMemoryOptions {
  /**
   * How durable a write is if neither it nor its map says otherwise.
   *
   * @defaultValue 'write-ahead'
   */
  durability?: Durability
  /**
   * What a crash may lose of write-back, over all maps that declare no bound of their own. Enforced: a write that would
   * exceed it is acknowledged as write-ahead.
   *
   * @defaultValue 1,000 ms, 10,000 writes, 1 MiB
   * @see docs/durability.md
   */
  maxLoss?: Partial<MaxLoss>
  /**
   * Where entries live in the end: `level` (LevelDB in the folder), `in-memory` (only the log is kept on disk), or an
   * opener of your own store.
   *
   * @defaultValue 'level'
   */
  store?: 'level' | 'in-memory' | StoreOpener
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

/** Options of {@link AgentMemory.map}. */
export interface MapOptions<K extends Key = Key> {
  /** How durable the map's writes are if they do not say otherwise. @defaultValue that of the memory */
  durability?: Durability
  /** A loss bound of the map's own; what it leaves out is taken from the memory's bound. */
  maxLoss?: Partial<MaxLoss>
  /**
   * How long an entry is kept after it was written, in ms, if its write does not say otherwise; it then reads as absent.
   *
   * @defaultValue for ever
   * @see docs/durability.md, "Expiry"
   */
  ttlMs?: number
  /** Durabilities for keys that start with whole segments; the longest that fits counts, before `durability`. */
  rules?: readonly { prefix: K | Key; durability: Durability }[]
}

/** Options of a single write. */
export interface WriteOptions {
  durability?: Durability
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

export interface MemoryConfig {
  engine: EngineConfig
  durability: Durability
  maxLoss: MaxLoss
}

export interface MapConfig {
  durability: Durability
  /** `undefined`: counted in the memory's bound. */
  maxLoss: MaxLoss | undefined
  /** `undefined`: for ever. */
  ttlMs: number | undefined
  rules: KeyRules
  /** Two maps of one name must have been given equal options. */
  fingerprint: string
}

const MIB = 1 << 20
const DEFAULT_MAX_LOSS: MaxLoss = { ms: 1000, writes: 10_000, bytes: MIB }
const FRAME_BYTES_LIMIT = 512 * MIB
const SEGMENT_BYTES_MIN = 4 * MIB

const MEMORY_KEYS = [
  'durability',
  'maxLoss',
  'store',
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

/** Checks the arguments of `AgentMemory.open`. Throws a `WrongCallError`. */
export function parseMemoryOptions(location: unknown, options: AgentMemoryOptions = {}): MemoryConfig {
  checkObject(options, 'open', MEMORY_KEYS)
  const folder = parseLocation(location)
  const frameBytesMax = integer(options.frameBytesMax, 'frameBytesMax', 16 * MIB, 64 * 1024, FRAME_BYTES_LIMIT)
  const segmentBytesMax = integer(options.segmentBytesMax, 'segmentBytesMax', 64 * MIB, 64 * 1024, 1024 * MIB)
  const onLogLost = options.onLogLost ?? 'refuse'
  if (onLogLost !== 'refuse' && onLogLost !== 'proceed')
    throw badOption('onLogLost', onLogLost, "'refuse' or 'proceed'")
  const engine: EngineConfig = {
    folder,
    fileSystem: options.fileSystem ?? nodeFileSystem,
    clock: options.clock ?? systemClock,
    store: storeOpener(options.store ?? 'level', folder),
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
  return {
    engine,
    durability: parseDurability(options.durability) ?? 'write-ahead',
    maxLoss: parseMaxLoss(options.maxLoss, DEFAULT_MAX_LOSS, frameBytesMax),
  }
}

/** Checks the arguments of `memory.map`. */
export function parseMapOptions(options: MapOptions, memory: MemoryConfig): MapConfig {
  checkObject(options, 'map', ['durability', 'maxLoss', 'ttlMs', 'rules'])
  const durability = parseDurability(options.durability) ?? memory.durability
  const { frameBytesMax } = memory.engine
  const maxLoss = options.maxLoss && parseMaxLoss(options.maxLoss, memory.maxLoss, frameBytesMax)
  const ttlMs = options.ttlMs === undefined ? undefined : parseTtl(options.ttlMs)
  const rules = parseRules(options.rules ?? [])
  const fingerprint = JSON.stringify([durability, maxLoss, ttlMs, rules])
  return { durability, maxLoss, ttlMs, rules: new KeyRules(rules), fingerprint }
}

/** Checks the options of a write. */
export function parseWriteOptions(options: WriteOptions): WriteOptions {
  checkObject(options, 'a write', ['durability', 'expected', 'ttlMs'])
  if (options.ttlMs !== undefined && options.ttlMs !== null) parseTtl(options.ttlMs)
  return parseConditions(options)
}

/** Checks the options of a delete. */
export function parseDeleteOptions(options: DeleteOptions): DeleteOptions {
  checkObject(options, 'a delete', ['durability', 'expected'])
  return parseConditions(options)
}

function parseConditions<Options extends DeleteOptions>(options: Options): Options {
  const { expected } = options
  if (expected !== undefined && expected !== null && !Number.isSafeInteger(expected)) {
    throw badOption('expected', expected, 'a version that getEntry has given, or null for an absent key')
  }
  parseDurability(options.durability)
  return options
}

// A thousand years: further away a sum of moments would not be exact, and nobody can mean it.
const TTL_MS_MAX = 1000 * 365 * 86_400_000

function parseTtl(ttlMs: unknown): number {
  return integer(ttlMs as number, 'ttlMs', 0, 1, TTL_MS_MAX)
}

/** The name of a map, encoded. */
export function parseName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && name.isWellFormed()) return encodeSegment(name)
  throw new WrongCallError('INVALID_NAME', {
    message: `The name of a map is ${name === '' ? 'empty' : `not a well-formed string (${typeof name})`}`,
    next: "Give it a name, for example memory.map('runs')",
  })
}

/** Throws UNKNOWN_OPTION for a field that `what` does not know, naming those that it does. */
export function checkObject(options: unknown, what: string, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new WrongCallError('INVALID_OPTION', {
      message: `The options of ${what} are ${options === null ? 'null' : Array.isArray(options) ? 'an array' : typeof options}`,
      next: 'Give an object, or leave them out',
    })
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue
    throw new WrongCallError('UNKNOWN_OPTION', {
      message: `${what} has no option "${key}"`,
      next: `The options are: ${known.join(', ')}`,
    })
  }
}

/** Throws INVALID_OPTION for a number that is not a whole one within its limits. */
export function integer(
  value: unknown,
  name: string,
  byDefault: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return byDefault
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`
  throw badOption(name, value, `a whole number ${range}`)
}

function parseLocation(location: unknown): string {
  if (typeof location !== 'string' || location === '' || location.includes('\0')) {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `The location of a memory is ${location === '' ? 'empty' : `not a path (${typeof location})`}`,
      next: "Give the path of a folder, for example AgentMemory.open('./agent-memory')",
    })
  }
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1]
  if (scheme !== undefined) {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `The location "${scheme}:…" names a kind of store that this version does not have`,
      next: "Give the path of a folder, for example './agent-memory'",
    })
  }
  return resolve(location)
}

function parseDurability(durability: unknown): Durability | undefined {
  const found = DURABILITIES.find(each => each === durability)
  if (durability === undefined || found !== undefined) return found
  throw badOption('durability', durability, "'write-back', 'write-ahead' or 'write-through'")
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

function parseRules(rules: unknown): { prefix: string; durability: Durability }[] {
  if (!Array.isArray(rules)) throw badOption('rules', rules, 'an array of { prefix, durability }')
  return rules.map((rule: unknown) => {
    checkObject(rule, 'a rule', ['prefix', 'durability'])
    const { prefix, durability } = rule as { prefix: Key; durability: unknown }
    const parsed = parseDurability(durability)
    if (parsed === undefined) throw badOption('rules', durability, 'an array of { prefix, durability }')
    return { prefix: encodeKey(prefix), durability: parsed }
  })
}

/** INVALID_OPTION. */
export function badOption(name: string, value: unknown, wanted: string): WrongCallError {
  return new WrongCallError('INVALID_OPTION', {
    message: `The option "${name}" is ${typeof value === 'string' ? `"${value}"` : String(value)}`,
    next: `Give ${wanted}`,
  })
}

function alignDown(bytes: number): number {
  return Math.floor(bytes / 4096) * 4096
}
