/** Writes over several maps that take effect together. */
import { WrongCallError } from './core/errors.js'
import type { Key } from './core/key.js'
import type { Engine } from './engine/engine.js'
import type { Write } from './engine/write.js'
import type { MemoryMap } from './memory-map.js'
import type { BatchOptions, DeleteOptions, WriteOptions } from './options.js'
import type { DataClass } from './policy/data-class.js'
import { type Durability, strongest } from './policy/durability.js'

/** Gathers the writes of a batch. */
export class WriteBatch {
  readonly #engine: Engine
  readonly #writes: Write[] = []
  /** How durable each of them has to be, if nothing else is said of the whole batch. */
  readonly #durabilities: ((classOfBatch: DataClass | undefined) => Durability)[] = []
  #isDone = false

  /** @internal Batches come from `memory.batch`. */
  constructor(engine: Engine) {
    this.#engine = engine
  }

  set<V, K extends Key>(map: MemoryMap<V, K>, key: K, value: V, options: WriteOptions = {}): this {
    this.#check(map)
    return this.#add(map, map.toWrite(key, value, options), options)
  }

  delete<V, K extends Key>(map: MemoryMap<V, K>, key: K, options: DeleteOptions = {}): this {
    this.#check(map)
    return this.#add(map, map.toDelete(key, options), options)
  }

  /**
   * @internal The writes, and how durable they have to be: as what is said of the batch, else as the strongest of what
   * is said of each of them; `undefined` for no writes.
   */
  finish({ durability, dataClass }: BatchOptions): { writes: Write[]; durability: Durability | undefined } {
    this.#isDone = true
    if (durability !== undefined) return { writes: this.#writes, durability }
    return { writes: this.#writes, durability: strongest(this.#durabilities.map(each => each(dataClass))) }
  }

  #add<V, K extends Key>(map: MemoryMap<V, K>, write: Write, options: DeleteOptions): this {
    const own = { durability: options.durability, dataClass: options.dataClass }
    this.#writes.push(write)
    this.#durabilities.push(ofBatch =>
      map.durabilityOf(write.key, ofBatch === undefined ? own : { dataClass: ofBatch }),
    )
    return this
  }

  #check<V, K extends Key>(map: MemoryMap<V, K>): void {
    if (this.#isDone) {
      throw new WrongCallError('INVALID_ARGUMENT', {
        message: 'A write was added to a batch after its function had returned',
        next: 'Add all writes within the function given to memory.batch, which is synchronous',
      })
    }
    if (map?.engine === this.#engine) return
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: 'A batch was given a map of another memory, or no map',
      next: 'Use maps of the memory whose batch method was called; writes to two memories cannot be one batch',
    })
  }
}
