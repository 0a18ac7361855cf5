/** Writes over several maps that take effect together. */
import { WrongCallError } from './core/errors.js'
import type { Key } from './core/key.js'
import type { Engine } from './engine/engine.js'
import type { Write } from './engine/write.js'
import type { MemoryMap } from './memory-map.js'
import type { DeleteOptions, WriteOptions } from './options.js'
import { type Durability, strongest } from './policy/durability.js'

/** What one write of a batch may say for itself. How durable the batch is, is said for all of it. */
export type BatchWriteOptions = Omit<WriteOptions, 'durability'>
/** The same for a delete. */
export type BatchDeleteOptions = Omit<DeleteOptions, 'durability'>

/** Gathers the writes of a batch. */
export class WriteBatch {
  readonly #engine: Engine
  readonly #writes: Write[] = []
  readonly #durabilities: Durability[] = []
  #isDone = false

  /** @internal Batches come from `memory.batch`. */
  constructor(engine: Engine) {
    this.#engine = engine
  }

  set<V, K extends Key, In>(map: MemoryMap<V, K, In>, key: K, value: In, options: BatchWriteOptions = {}): this {
    this.#check(map)
    return this.#add(map, map.toWrite(key, value, options))
  }

  delete<V, K extends Key, In>(map: MemoryMap<V, K, In>, key: K, options: BatchDeleteOptions = {}): this {
    this.#check(map)
    return this.#add(map, map.toDelete(key, options))
  }

  /** @internal The writes, and the strongest durability among them. */
  finish(): { writes: Write[]; durability: Durability | undefined } {
    this.#isDone = true
    return { writes: this.#writes, durability: strongest(this.#durabilities) }
  }

  #add<V, K extends Key, In>(map: MemoryMap<V, K, In>, write: Write): this {
    this.#writes.push(write)
    this.#durabilities.push(map.strongestOf([write]))
    return this
  }

  #check<V, K extends Key, In>(map: MemoryMap<V, K, In>): void {
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
