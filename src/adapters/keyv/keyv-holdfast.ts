/** A storage adapter for Keyv over one map of a memory. It translates; what it promises is what the memory promises. */
import { EventEmitter } from 'node:events'
import type { AgentMemory, Durability, MemoryMap, WriteOptions } from '../../index.js'
import { clearRange } from '../clear-range.js'

export interface KeyvHoldfastOptions {
  /** The map that holds the entries. @defaultValue `keyv` */
  map?: string
  /** How durable writes are. @defaultValue that of the map, else of the memory */
  durability?: Durability
}

/** A namespace and a key: whole segments, so that no namespace is a part of another one. */
type NamespacedKey = [namespace: string, key: string]

/**
 * A store for `new Keyv({ store })`. Keyv writes its own namespace onto it, so each Keyv needs one of its own; any number
 * of them may share a memory and a map.
 *
 * @example
 * ```ts
 * const sessions = new Keyv({ store: new KeyvHoldfast(memory, { durability: 'write-back' }), namespace: 'sessions' })
 * ```
 */
export class KeyvHoldfast extends EventEmitter {
  /** Keyv 5 has an iterator for the dialects that it knows by name, and for no other store. */
  readonly opts: Record<string, unknown> = { dialect: 'sqlite' }
  /** Set by Keyv. Without one, entries are apart from those of every namespace. */
  namespace: string | undefined = undefined
  readonly #memory: AgentMemory
  readonly #map: MemoryMap<unknown, NamespacedKey>

  constructor(memory: AgentMemory, { map = 'keyv', durability }: KeyvHoldfastOptions = {}) {
    super()
    this.#memory = memory
    this.#map = memory.map(map, durability && { durability })
  }

  // Keyv 6 tells a store by its methods being async functions, so all of them are.

  async get<Value>(key: string): Promise<Value | undefined> {
    try {
      return (await this.#map.get(this.#key(key))) as Value | undefined
    } catch (error) {
      // Keyv 5 makes "absent" of a read that has failed, and tells nobody: its listeners hear it from here.
      if (this.listenerCount('error') > 0) this.emit('error', error)
      throw error
    }
  }

  async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return (await this.#map.getMany(keys.map(key => this.#key(key)))) as (Value | undefined)[]
  }

  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    await this.#map.set(this.#key(key), value, expiry(ttl))
    return true
  }

  /** All of them or none. */
  // biome-ignore lint/suspicious/noExplicitAny: the types of Keyv 5 say void, its code and Keyv 6 want a boolean for each.
  async setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<any> {
    await this.#memory.batch(batch => {
      for (const { key, value, ttl } of entries) batch.set(this.#map, this.#key(key), value, expiry(ttl))
    })
    return entries.map(() => true)
  }

  async delete(key: string): Promise<boolean> {
    return this.deleteMany([key])
  }

  /** All of them or none. Says whether every key was there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    const found = this.hasMany(keys)
    // The reads have begun, and the deletes are accepted before a later call: it is as if both were one step.
    const deleted = this.#memory.batch(batch => {
      for (const key of keys) batch.delete(this.#map, this.#key(key))
    })
    const [wasThere] = await Promise.all([found, deleted])
    return wasThere.every(Boolean)
  }

  /** Removes the entries of the namespace, and no others. */
  async clear(): Promise<void> {
    await clearRange(this.#memory, this.#map, { prefix: [this.namespace ?? ''] })
  }

  async has(key: string): Promise<boolean> {
    return this.#map.has(this.#key(key))
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map(key => this.has(key)))
  }

  async *iterator<Value>(namespace = this.namespace): AsyncGenerator<[key: string, value: Value], void> {
    const entries = this.#map.entries({ prefix: [namespace ?? ''] })
    for await (const { key, value } of entries) yield [key[1], value as Value]
  }

  /** Resolves once everything acknowledged is on stable storage. The memory stays open. */
  async disconnect(): Promise<void> {
    await this.#memory.flush()
  }

  #key(key: string): NamespacedKey {
    return [this.namespace ?? '', key]
  }
}

/** Keyv's TTL is in milliseconds, not always whole; none, 0 and Infinity are for ever, and one below 0 is over already. */
function expiry(ttl: number | undefined): WriteOptions {
  if (!ttl || ttl === Infinity) return {}
  return { ttlMs: Math.max(1, Math.ceil(ttl)) }
}
