/** Writes over several maps that take effect together. */
import { WrongCallError } from './core/errors.js'
import type { EncodedKey, Key } from './core/key.js'
import type { MemoryEngine } from './engine/memory-engine.js'
import type { Planned, View } from './engine/turns.js'
import type { Write } from './engine/write.js'
import type { MemoryMap } from './memory-map.js'
import type { BatchOptions, DeleteOptions, WriteOptions } from './options.js'
import type { DataClass } from './policy/data-class.js'
import { type Durability, strongest } from './policy/durability.js'

/** Items to append under a head, which are placed when it is the batch's turn. */
export interface BatchAppend<Item = unknown, Value = unknown> {
  key: EncodedKey
  items: readonly Item[]
  /** What they take while they wait. */
  bytes: number
  durabilityOf(dataClass: DataClass | undefined): Durability
  /** Places all items that the batch appends under the key. */
  plan(view: View, items: readonly Item[]): Planned<Value>
}

/** What can be appended to in a batch: a sequence, or conversations. */
export interface Appendable<Args extends readonly unknown[]> {
  /** @internal */
  readonly engine: MemoryEngine
  /** @internal */
  toAppend(...args: Args): BatchAppend
}

/** Gathers the writes of a batch. */
export class WriteBatch {
  readonly #engine: MemoryEngine
  readonly #writes: Write[] = []
  readonly #appends = new Map<EncodedKey, BatchAppend>()
  /** How durable each of them has to be, if nothing else is said of the whole batch. */
  readonly #durabilities: ((classOfBatch: DataClass | undefined) => Durability)[] = []
  #isDone = false

  /** @internal Batches come from `memory.batch`. */
  constructor(engine: MemoryEngine) {
    this.#engine = engine
  }

  set<V, K extends Key, In>(map: MemoryMap<V, K, In>, key: K, value: In, options: WriteOptions = {}): this {
    this.#check(map, map?.toWrite, 'map')
    return this.#add(map, map.toWrite(key, value, options), options)
  }

  delete<V, K extends Key, In>(map: MemoryMap<V, K, In>, key: K, options: DeleteOptions = {}): this {
    this.#check(map, map?.toWrite, 'map')
    return this.#add(map, map.toDelete(key, options), options)
  }

  /** Appends, with the arguments of the target's own `append`: to a sequence, or to one of the conversations. */
  append<Args extends readonly unknown[]>(target: Appendable<Args>, ...args: Args): this {
    this.#check(target, target?.toAppend, 'sequence')
    const append = target.toAppend(...args)
    const before = this.#appends.get(append.key)
    const merged = before && { items: [...before.items, ...append.items], bytes: before.bytes + append.bytes }
    this.#appends.set(append.key, { ...append, ...merged })
    this.#durabilities.push(append.durabilityOf)
    return this
  }

  /**
   * @internal The writes and appends, and how durable they have to be: as what is said of the batch, else as the
   * strongest of what is said of each of them; `undefined` for none.
   */
  finish({ durability, dataClass }: BatchOptions): {
    writes: Write[]
    appends: BatchAppend[]
    durability: Durability | undefined
  } {
    this.#isDone = true
    const found = { writes: this.#writes, appends: [...this.#appends.values()] }
    return { ...found, durability: durability ?? strongest(this.#durabilities.map(each => each(dataClass))) }
  }

  #add<V, K extends Key, In>(map: MemoryMap<V, K, In>, write: Write, options: DeleteOptions): this {
    const own = { durability: options.durability, dataClass: options.dataClass }
    this.#writes.push(write)
    this.#durabilities.push(ofBatch =>
      map.durabilityOf(write.key, ofBatch === undefined ? own : { dataClass: ofBatch }),
    )
    return this
  }

  /** `method` is what makes a target one of its kind. */
  #check(target: { engine: MemoryEngine }, method: unknown, kind: 'map' | 'sequence'): void {
    if (this.#isDone) {
      throw new WrongCallError('INVALID_ARGUMENT', {
        message: 'A write was added to a batch after its function had returned',
        next: 'Add all writes within the function given to memory.batch, which is synchronous',
      })
    }
    if (method !== undefined && target.engine === this.#engine) return
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `A batch was given a ${kind} of another memory, or no ${kind}`,
      next: 'Use what is of the memory whose batch method was called; writes to two memories cannot be one batch',
    })
  }
}
