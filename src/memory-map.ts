/** A map of a memory: keys to values, in the order of the keys. */
import { NEVER } from './codec/extras.js'
import { WrongCallError } from './core/errors.js'
import { afterPrefix, checkKeyLength, decodeKey, type EncodedKey, encodeKey, type Key } from './core/key.js'
import { DELETED, type EncodedWrite } from './engine/flush.js'
import type { MemoryEngine } from './engine/memory-engine.js'
import type { FoundValue } from './engine/read.js'
import type { Write, WriteResult } from './engine/write.js'
import { checkObject, integer } from './option-checks.js'
import {
  type DeleteOptions,
  type MapConfig,
  parseDeleteOptions,
  parseWriteOptions,
  type WriteOptions,
} from './options.js'
import { type Durability, strongest } from './policy/durability.js'
import type { LossBudget } from './policy/loss-budget.js'
import type { Loaded, ReadThrough } from './read-through.js'
import type { Values } from './values.js'
import {
  BATCHES_KEYS,
  type BatchesOptions,
  checkIterable,
  type ManyResult,
  splitBatchesOptions,
  writeMany,
} from './write-many.js'

/** An entry as it was at one moment. */
export interface MapEntry<V, K extends Key = Key> {
  /** A string if the key has one segment, else the array of its segments. */
  key: K
  value: V
  /** For compare-and-set: give it as `expected`. Compare it for equality only. */
  version: number
  /** When it expires, in ms since 1970, behind the `staleMs` of its map; left out if it never does. */
  expiresAt?: number
}

/** Which entries {@link MemoryMap.entries} walks, and how. Bounds are keys; they compare segment by segment. */
export interface RangeOptions<K extends Key = Key> {
  /** Only keys that start with these whole segments. */
  prefix?: K | Key
  gt?: K
  gte?: K
  lt?: K
  lte?: K
  /** From the last to the first. */
  reverse?: boolean
  /** At most so many entries. */
  limit?: number
  /** Entries that are read at a time. @defaultValue 256 */
  pageSize?: number
}

export interface ReadOptions {
  /** Waits until what is read is on stable storage. @defaultValue false */
  durable?: boolean
  /**
   * Asks the store, also for what the tier holds. It makes a difference without a log, where other nodes write.
   *
   * @defaultValue false
   */
  fresh?: boolean
}

export interface UpdateOptions<V> extends WriteOptions {
  /** What the function is given if the key is absent. */
  initial?: V
}

/** Options of {@link MemoryMap.setMany}. */
export type SetManyOptions = WriteOptions & BatchesOptions
/** Options of {@link MemoryMap.deleteMany}. */
export type DeleteManyOptions = DeleteOptions & BatchesOptions

/** What an update has written, and what it has reached. */
export interface UpdateResult<V> extends WriteResult {
  readonly value: V
}

/** What a map is made of, for all handles of it. */
export interface MapCore<Config extends MapConfig = MapConfig> {
  engine: MemoryEngine
  /** The map's name, encoded: it leads every key. */
  prefix: EncodedKey
  config: Config
  values: Values
  budget: LossBudget
  valueBytesMax: number
  /** For a map that loads what it does not hold. */
  readThrough: ReadThrough | undefined
}

/** What says how durable a write is: the one or the other, or neither. */
type Saying = Pick<WriteOptions, 'durability' | 'dataClass'>

const RANGE_KEYS = ['prefix', 'gt', 'gte', 'lt', 'lte', 'reverse', 'limit', 'pageSize']

// Room for the record's head and the longest key beside a value of the largest size.
export const VALUE_RESERVE_BYTES = 2048

/** `V` is what the map gives, `In` what it takes: they differ if its schema makes one of the other. */
export class MemoryMap<V = unknown, K extends Key = Key, In = V> {
  readonly name: string
  readonly #core: MapCore
  readonly #check: () => void
  /** The map's name and the scope: what leads every key of this handle. */
  readonly #prefix: EncodedKey

  /** @internal Maps come from `memory.map`. */
  constructor(name: string, core: MapCore, scope: EncodedKey, checkOpen: () => void) {
    this.name = name
    this.#core = core
    this.#prefix = core.prefix + scope
    this.#check = checkOpen
  }

  /**
   * The value of a key; `undefined` if it is absent. A fresh object each time. What a map with `load` does not hold is
   * loaded.
   */
  get(key: K, options?: ReadOptions): Promise<V | undefined> {
    try {
      // The usual case by itself: each promise on the way would cost more than the look into the tier.
      this.#check()
      const { engine, readThrough } = this.#core
      const isUsual = options === undefined && readThrough === undefined
      const held = isUsual ? engine.reader.heldNow(this.#encode(key)) : undefined
      if (held === undefined) return this.#read(key, options)
      return Promise.resolve(held === null ? undefined : (this.#core.values.decode(held) as V))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #read(key: K, options: ReadOptions | undefined): Promise<V | undefined> {
    const found = await (this.#core.readThrough === undefined ? this.#find(key, options) : this.#loaded(key, options))
    return found && (this.#core.values.decode(found) as V)
  }

  async #loaded(key: K, options: ReadOptions | undefined): Promise<Loaded | undefined> {
    checkRead(options)
    if (options?.fresh === true) await this.#find(key, options)
    const loaded = await this.#core.readThrough!.get({ key: this.#encode(key), start: this.#prefix.length })
    if (options?.durable !== true) return loaded
    // What was loaded and could not be kept has its home elsewhere, so that no crash here takes it back.
    return (await this.#find(key, options)) ?? loaded
  }

  /** The values of many keys, in their order. Rejects if one of them cannot be loaded. */
  async getMany(keys: readonly K[]): Promise<(V | undefined)[]> {
    this.#check()
    const encoded = keys.map(key => this.#encode(key))
    const { engine, readThrough, values } = this.#core
    const held = await engine.reader.getMany(encoded)
    const found = await (readThrough?.getMany(encoded, this.#prefix.length, held) ?? held)
    return found.map(each => each && (values.decode(each) as V))
  }

  /** The value of a key with its version; `undefined` if it is absent. */
  async getEntry(key: K, options?: ReadOptions): Promise<MapEntry<V, K> | undefined> {
    const found = await this.#find(key, options)
    return found && this.#entryOf(key, found)
  }

  async has(key: K): Promise<boolean> {
    return (await this.#find(key)) !== undefined
  }

  /**
   * Writes a value. It is visible at once; the promise resolves when it is as durable as asked.
   *
   * @throws VERSION_CONFLICT if `expected` does not hold; VALUE_UNSUPPORTED for what cannot be kept as it is;
   * VALUE_INVALID for what the map's schema refuses
   */
  set(key: K, value: In, options?: WriteOptions): Promise<WriteResult> {
    try {
      this.#check()
      const encodedKey = this.#encode(key)
      const { engine, budget, values, valueBytesMax } = this.#core
      if (options !== undefined) {
        const { ttlMs } = parseWriteOptions(options)
        return this.#writeWith(encodedKey, values.encode(value, valueBytesMax, this.#expiresAt(ttlMs)), options)
      }
      const content = values.encode(value, valueBytesMax, this.#expiresAt(undefined))
      return engine.writer.writeOne(encodedKey, content, this.durabilityOf(encodedKey), budget)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Writes many values as one batch, all of them or none, if they fit a frame (16 MiB by default). If they do not, or with
   * `batchSize`, in batches one after another: each of them all or none, with its conditions, and told to `onProgress` and
   * as a `progress` event. `batches` of the result says which it was; `memory.batch` never splits. Entries are asked for
   * as they are needed, so that a generator may give millions of them.
   *
   * @throws BATCH_INCOMPLETE if it fails behind its first batch: `entries` says how many are written, `cause` why
   */
  async setMany(entries: Iterable<readonly [K, In]>, options: SetManyOptions = {}): Promise<ManyResult> {
    checkObject(options, 'setMany', ['durability', 'dataClass', 'expected', 'ttlMs', ...BATCHES_KEYS])
    checkIterable(entries, 'setMany')
    const [batches, writeOptions] = splitBatchesOptions<WriteOptions>(options)
    const said = parseWriteOptions(writeOptions)
    return this.#writeMany(
      mapped(entries, ([key, value]) => this.toWrite(key, value, said)),
      batches,
      said,
    )
  }

  /** Removes many keys: all at once or in batches, as `setMany` writes them. Those that are absent are no error. */
  async deleteMany(keys: Iterable<K>, options: DeleteManyOptions = {}): Promise<ManyResult> {
    checkObject(options, 'deleteMany', ['durability', 'dataClass', 'expected', ...BATCHES_KEYS])
    checkIterable(keys, 'deleteMany')
    const [batches, deleteOptions] = splitBatchesOptions<DeleteOptions>(options)
    const said = parseDeleteOptions(deleteOptions)
    return this.#writeMany(
      mapped(keys, key => this.toDelete(key, said)),
      batches,
      said,
    )
  }

  /** Removes a key. Removing one that is absent is no error. */
  delete(key: K, options: DeleteOptions = {}): Promise<WriteResult> {
    try {
      this.#check()
      return this.#writeWith(this.#encode(key), DELETED, parseDeleteOptions(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Replaces a value by a function of it, atomically. The function is synchronous, may be called more than once, and
   * is given `options.initial`, else `undefined`, if the key is absent. Without `ttlMs` the entry expires when it would
   * have expired.
   */
  async update(key: K, fn: (value: V) => In, options: UpdateOptions<In> = {}): Promise<UpdateResult<V>> {
    this.#check()
    checkFunction(fn)
    checkObject(options, 'update', ['durability', 'dataClass', 'expected', 'ttlMs', 'initial'])
    const { initial, ...writeOptions } = options
    const { expected, ttlMs } = parseWriteOptions(writeOptions)
    const { engine, budget, values, valueBytesMax } = this.#core
    const encodedKey = this.#encode(key)
    let value: V | undefined
    // The function may change what it is given, and may be called again: each call gets an object of its own.
    const first = initial === undefined ? undefined : values.encode(initial, valueBytesMax)
    const content = (found: FoundValue | undefined) => {
      const before = found ?? first
      const made = fn((before && values.decode(before)) as V)
      checkSynchronous(made)
      value = values.validated(made) as V
      const keepsExpiry = found !== undefined && ttlMs === undefined
      return values.encodeValidated(value, valueBytesMax, keepsExpiry ? found.expiresAt : this.#expiresAt(ttlMs))
    }
    const write = { key: encodedKey, content, expected, budget }
    const result = await engine.writer.write([write], this.durabilityOf(encodedKey, options))
    return { lsn: result.lsn, reached: result.reached, durable: () => result.durable(), value: value as V }
  }

  /**
   * The entries of a range in the order of their keys, page by page. It sees every write accepted before it began, and
   * of later ones those that its pages happen to meet.
   */
  async *entries(options: RangeOptions<K> = {}): AsyncGenerator<MapEntry<V, K>, void, void> {
    this.#check()
    const { range, limit, pageSize } = this.#range(options)
    let left = limit
    if (left === 0) return
    for await (const page of this.#core.engine.scanner.pages(range, Math.min(pageSize, left))) {
      for (const found of page) {
        this.#check()
        yield this.#entryOf(this.#decode(found.key), found)
        left -= 1
        if (left === 0) return
      }
    }
  }

  /** @internal A write of this map, for a batch. */
  toWrite(key: K, value: In, options: WriteOptions): Write {
    const { expected, ttlMs } = parseWriteOptions(options)
    const { values, valueBytesMax, budget } = this.#core
    const content = values.encode(value, valueBytesMax, this.#expiresAt(ttlMs))
    return { key: this.#encode(key), content, expected, budget }
  }

  /** @internal A delete of this map, for a batch. */
  toDelete(key: K, options: DeleteOptions): Write {
    const { expected } = parseDeleteOptions(options)
    return { key: this.#encode(key), content: DELETED, expected, budget: this.#core.budget }
  }

  /** @internal The engine that the map belongs to. */
  get engine(): MemoryEngine {
    return this.#core.engine
  }

  /** @internal How durable a write of an encoded key is. Rules speak of the key as the caller sees it. */
  durabilityOf(encoded: EncodedKey, said?: Saying): Durability {
    if (said?.durability !== undefined) return said.durability
    const { policy, durability } = this.#core.config
    if (policy.isConstant && said?.dataClass === undefined) return durability
    return policy.durabilityOf(encoded.slice(this.#prefix.length), said?.dataClass)
  }

  async #writeMany(writes: Iterable<Write>, options: BatchesOptions, said: Saying): Promise<ManyResult> {
    this.#check()
    return writeMany(writes, options, {
      engine: this.#core.engine,
      map: this.name,
      durabilityOf: batch => strongest(batch.map(({ key }) => this.durabilityOf(key, said))) ?? 'write-back',
    })
  }

  #writeWith(key: EncodedKey, content: EncodedWrite, options: DeleteOptions): Promise<WriteResult> {
    const { engine, budget } = this.#core
    const { expected } = options
    const durability = this.durabilityOf(key, options)
    if (expected === undefined) return engine.writer.writeOne(key, content, durability, budget)
    return engine.writer.write([{ key, content, expected, budget }], durability)
  }

  async #find(key: K, options?: ReadOptions): Promise<FoundValue | undefined> {
    this.#check()
    const encoded = this.#encode(key)
    const { engine } = this.#core
    checkRead(options)
    const held = options?.fresh === true ? undefined : engine.reader.held(encoded)
    const state = held ?? (await engine.reader.state(encoded, options?.fresh))
    if (options?.durable === true) await engine.writer.reach(state.lsn, 'log')
    return state.found
  }

  /** In ms since 1970; 0 for never. */
  #expiresAt(ttlMs: number | null | undefined): number {
    const { config, engine } = this.#core
    const ttl = ttlMs === undefined ? config.ttlMs : ttlMs
    return ttl === undefined || ttl === null ? NEVER : engine.expiresAt(ttl + (config.loading?.staleMs ?? 0))
  }

  #entryOf(key: K, found: FoundValue): MapEntry<V, K> {
    const entry: MapEntry<V, K> = { key, value: this.#core.values.decode(found) as V, version: found.lsn }
    if (found.expiresAt !== NEVER) entry.expiresAt = found.expiresAt
    return entry
  }

  #encode(key: K): EncodedKey {
    const encoded = this.#prefix + encodeKey(key)
    checkKeyLength(encoded)
    return encoded
  }

  #decode(encoded: EncodedKey): K {
    return decodeKey(encoded.slice(this.#prefix.length)) as K
  }

  #range(options: RangeOptions<K>): {
    range: { from: string; to: string; reverse: boolean }
    limit: number
    pageSize: number
  } {
    checkObject(options, 'entries', RANGE_KEYS)
    const { prefix, gt, gte, lt, lte, reverse = false } = options
    const lead = prefix === undefined ? this.#prefix : this.#prefix + encodeKey(prefix)
    // What leads every key of a scope may be a key itself, outside of the scope.
    let from = prefix === undefined ? `${lead}\0` : lead
    let to = afterPrefix(lead)
    // The first key behind another one, in byte order, is that one with a zero byte.
    if (gte !== undefined) from = later(from, this.#encode(gte))
    if (gt !== undefined) from = later(from, `${this.#encode(gt)}\0`)
    if (lt !== undefined) to = earlier(to, this.#encode(lt))
    if (lte !== undefined) to = earlier(to, `${this.#encode(lte)}\0`)
    const limit = integer(options.limit, 'limit', Number.MAX_SAFE_INTEGER, 0)
    const pageSize = integer(options.pageSize, 'pageSize', 256, 1, 65_536)
    return { range: { from, to, reverse }, limit, pageSize }
  }
}

function* mapped<From, To>(from: Iterable<From>, map: (each: From) => To): Generator<To> {
  for (const each of from) yield map(each)
}

function later(a: EncodedKey, b: EncodedKey): EncodedKey {
  return a > b ? a : b
}

function earlier(a: EncodedKey, b: EncodedKey): EncodedKey {
  return a < b ? a : b
}

function checkRead(options: ReadOptions | undefined): void {
  if (options !== undefined) checkObject(options, 'a read', ['durable', 'fresh'])
}

function checkFunction(fn: unknown): void {
  if (typeof fn === 'function') return
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `update was given ${typeof fn} instead of a function`,
    next: 'Give a function of the present value, for example n => n + 1; to write a value, use set',
  })
}

function checkSynchronous(value: unknown): void {
  if (!(value instanceof Promise)) return
  value.catch(() => {})
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: 'The function of update has returned a promise',
    next: 'Do what is asynchronous before, and give update a synchronous function; or use getEntry and set with expected',
  })
}
