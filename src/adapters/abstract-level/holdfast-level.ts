/** A database of the Level family over one map of a memory. It translates; what it promises is what the memory promises. */
import { type AbstractDatabaseOptions, AbstractLevel } from 'abstract-level'
import { AgentMemory, type AgentMemoryOptions, type Durability, type MemoryMap } from '../../index.js'
import { clearRange } from '../clear-range.js'
import { textOf } from './bytes.js'
import { RangeIterator } from './iterator.js'
import { type LevelRange, rangeOf } from './range.js'

declare module 'abstract-level/types/abstract-level.js' {
  interface AbstractPutOptions<K, V> extends WriteDurability {}
  interface AbstractDelOptions<K> extends WriteDurability {}
  interface AbstractBatchOptions<K, V> extends WriteDurability {}
  interface AbstractClearOptions<K> extends WriteDurability {}
}

/** What a write to a {@link HoldfastLevel} may say for itself. */
export interface WriteDurability {
  /** How durable this write is. @defaultValue that of the database */
  durability?: Durability
}

export interface HoldfastLevelOptions<K, V> extends AbstractDatabaseOptions<K, V> {
  /** The map that holds the database. @defaultValue `level` */
  map?: string
  /** How durable writes are if they do not say otherwise. @defaultValue that of the map, else of the memory */
  durability?: Durability
  /** Options of the memory, if the database opens it. */
  memory?: AgentMemoryOptions
}

/** A put or a del as abstract-level hands it on, encoded. */
type Operation = { type: 'put'; key: Buffer; value: Buffer } | { type: 'del'; key: Buffer }

/**
 * A Level database in a memory: pass it to whatever takes an `abstract-level`.
 *
 * @example
 * ```ts
 * const db = new HoldfastLevel('./agent-memory', { valueEncoding: 'json' })
 * await db.put('run-1', { step: 1 }, { durability: 'write-through' })
 * ```
 */
export class HoldfastLevel<KDefault = string, VDefault = string> extends AbstractLevel<Buffer, KDefault, VDefault> {
  readonly #home: string | AgentMemory
  readonly #options: { map: string; durability: Durability | undefined; memory: AgentMemoryOptions | undefined }
  #memory!: AgentMemory
  #map!: MemoryMap<Buffer, string>

  /** @param home - a folder, whose memory the database opens and closes, or a memory, which it leaves open */
  constructor(home: string | AgentMemory, options: HoldfastLevelOptions<KDefault, VDefault> = {}) {
    const { map = 'level', durability, memory, ...level } = options
    super({ encodings: { buffer: true }, has: true, implicitSnapshots: false }, level)
    this.#home = home
    this.#options = { map, durability, memory }
  }

  async _open(): Promise<void> {
    const { map, durability, memory } = this.#options
    this.#memory = typeof this.#home === 'string' ? await AgentMemory.open(this.#home, memory) : this.#home
    try {
      this.#map = this.#memory.map(map, durability && { durability })
    } catch (error) {
      await this._close()
      throw error
    }
  }

  async _close(): Promise<void> {
    if (typeof this.#home === 'string') await this.#memory.close()
  }

  async _get(key: Buffer): Promise<Buffer | undefined> {
    return this.#map.get(textOf(key))
  }

  async _getMany(keys: Buffer[]): Promise<(Buffer | undefined)[]> {
    return this.#map.getMany(keys.map(textOf))
  }

  async _has(key: Buffer): Promise<boolean> {
    return this.#map.has(textOf(key))
  }

  async _hasMany(keys: Buffer[]): Promise<boolean[]> {
    return Promise.all(keys.map(key => this.#map.has(textOf(key))))
  }

  async _put(key: Buffer, value: Buffer, { durability }: WriteDurability): Promise<void> {
    await this.#map.set(textOf(key), value, durability && { durability })
  }

  async _del(key: Buffer, { durability }: WriteDurability): Promise<void> {
    await this.#map.delete(textOf(key), durability && { durability })
  }

  async _batch(operations: Operation[], { durability }: WriteDurability): Promise<void> {
    await this.#memory.batch(batch => {
      for (const operation of operations) {
        if (operation.type === 'put') batch.set(this.#map, textOf(operation.key), operation.value)
        else batch.delete(this.#map, textOf(operation.key))
      }
    }, durability && { durability })
  }

  async _clear(options: LevelRange & WriteDurability): Promise<void> {
    const { durability } = options
    await clearRange(this.#memory, this.#map, rangeOf(options), durability && { durability })
  }

  _iterator(options: LevelRange): RangeIterator<this, KDefault, VDefault> {
    return new RangeIterator(this, this.#map, options)
  }
}
