/** Where the items of a store are: its maps, and how they are written. */
import type { IndexConfig } from '@langchain/langgraph-checkpoint'
import {
  type AgentMemory,
  type Durability,
  type MapEntry,
  type MemoryMap,
  VersionConflictError,
  type WriteBatch,
} from '../../index.js'
import type { ItemMaps, ItemVectors, StoredItem } from './store-items.js'
import { type ItemKey, idOf } from './store-keys.js'
import type { Put } from './store-operations.js'
import type { HoldfastStoreOptions } from './store-options.js'
import { Turns } from './store-turns.js'
import { embedPuts } from './store-vectors.js'
import { WordIndexes } from './store-words.js'

/** Others may be first each time, but not for ever. */
const TRIES_MAX = 1000
/** What is written follows from what the store has, not from what this process last saw of it. */
const FRESH = { fresh: true }

type Found = MapEntry<StoredItem, ItemKey> | undefined
type Fill = (batch: WriteBatch, found: readonly Found[]) => void

/** What all stores over one map of one engine share. */
interface Shared {
  readonly turns: Turns
  readonly words: WordIndexes
}

// By engine, since two memories that are one folder have one engine.
const shared = new WeakMap<object, Map<string, Shared>>()

function sharedOf(map: MemoryMap<StoredItem, ItemKey>): Shared {
  let ofEngine = shared.get(map.engine)
  if (ofEngine === undefined) {
    ofEngine = new Map()
    shared.set(map.engine, ofEngine)
  }
  let found = ofEngine.get(map.name)
  if (found === undefined) {
    found = { turns: new Turns(), words: new WordIndexes() }
    ofEngine.set(map.name, found)
  }
  return found
}

export class StoreHome implements ItemMaps {
  readonly memory: AgentMemory
  readonly items: MemoryMap<StoredItem, ItemKey>
  readonly vectors: MemoryMap<ItemVectors, ItemKey>
  readonly index: IndexConfig | undefined
  readonly refreshOnRead: boolean
  readonly words: WordIndexes
  readonly turns: Turns
  readonly #durability: Durability | undefined
  readonly #ttlMs: number | null

  constructor(
    memory: AgentMemory,
    { map = 'langgraph-store', durability, ttlMs, refreshOnRead = false, index }: HoldfastStoreOptions,
  ) {
    this.memory = memory
    this.items = memory.map<StoredItem, ItemKey>(map)
    this.vectors = memory.map<ItemVectors, ItemKey>(`${map}.vectors`)
    this.index = index
    this.refreshOnRead = refreshOnRead
    this.#durability = durability
    this.#ttlMs = ttlMs ?? null
    const { turns, words } = sharedOf(this.items)
    this.turns = turns
    this.words = words
  }

  get isAlone(): boolean {
    return this.items.engine.hasOneOrder
  }

  /** The puts of a batch, one for each item: all of them or none. `reads` are those of the batch, which see what was before. */
  put(puts: readonly Put[], reads: Promise<unknown>, areReadsSlow: boolean): Promise<void> {
    const embedding = embedPuts(puts, this.index)
    // It is waited for in turn. If a read fails before that, its own failure is nobody's.
    embedding?.catch(() => {})
    const isSlow = areReadsSlow || embedding !== undefined
    return this.turns.take(
      puts.map(({ key }) => idOf(key)),
      isSlow,
      async onSeen => {
        await reads
        const vectors = await embedding
        const keys = puts.map(({ key }) => key)
        await this.#change(keys, onSeen, () => (batch, found) => {
          for (const [at, put] of puts.entries()) this.#addPut(batch, put, found[at], vectors?.[at])
        })
      },
    )
  }

  /** Lets items be kept as long again as their puts have said. */
  refresh(keys: readonly ItemKey[]): Promise<void> {
    return this.turns.take(keys.map(idOf), false, onSeen =>
      this.#change(keys, onSeen, async found => {
        const vectors = await Promise.all(
          found.map(entry => (entry?.value.isEmbedded ? this.vectors.getEntry(entry.key, FRESH) : undefined)),
        )
        return batch => {
          for (const [at, entry] of found.entries()) {
            const ttlMs = entry?.value.ttlMs
            if (entry === undefined || ttlMs === undefined) continue
            const options = { ttlMs, durability: 'write-back' as const }
            batch.set(this.items, entry.key, entry.value, { ...options, ...this.#condition(entry) })
            const ofItem = vectors[at]
            if (ofItem !== undefined) batch.set(this.vectors, entry.key, ofItem.value, options)
          }
        }
      }),
    )
  }

  /** One batch that follows from what is there: read again and planned again if another node was first. In turn. */
  async #change(
    keys: readonly ItemKey[],
    onSeen: () => void,
    plan: (found: readonly Found[]) => Fill | Promise<Fill>,
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      const found = await Promise.all(keys.map(key => this.items.getEntry(key, FRESH)))
      const fill = await plan(found)
      try {
        const written = this.memory.batch(batch => fill(batch, found))
        this.#tellChanged(keys)
        // It has no conditions, and is visible unless it has to wait for room.
        if (this.isAlone) onSeen()
        await written
        this.#tellChanged(keys)
        return
      } catch (error) {
        if (!(error instanceof VersionConflictError) || tries === TRIES_MAX) throw error
      }
    }
  }

  #tellChanged(keys: readonly ItemKey[]): void {
    for (const key of keys) this.words.changed(idOf(key))
  }

  /** What a write of an item asks for: nothing where this process alone writes, since nobody else has a turn meanwhile. */
  #condition(found: Found): { expected?: number | null } {
    return this.isAlone ? {} : { expected: found?.version ?? null }
  }

  #addPut(batch: WriteBatch, put: Put, found: Found, vectors: ItemVectors | undefined): void {
    const { key, value, index } = put
    const durability = put.durability ?? this.#durability
    const said = durability === undefined ? {} : { durability }
    const condition = this.#condition(found)
    if (value === null) {
      batch.delete(this.items, key, { ...said, ...condition })
      if (found?.value.isEmbedded) batch.delete(this.vectors, key, said)
      return
    }
    // `null` takes precedence over what the map itself may say of expiry, so that an item and its vectors go together.
    const ttlMs = put.ttlMs === undefined ? this.#ttlMs : put.ttlMs
    const updatedAt = new Date(this.items.engine.now())
    const item: StoredItem = { value, createdAt: found?.value.createdAt ?? updatedAt, updatedAt }
    if (index !== undefined) item.index = index
    if (ttlMs !== null) item.ttlMs = ttlMs
    if (vectors !== undefined) item.isEmbedded = true
    batch.set(this.items, key, item, { ...said, ...condition, ttlMs })
    if (vectors !== undefined) batch.set(this.vectors, key, vectors, { ...said, ttlMs })
    else if (found?.value.isEmbedded) batch.delete(this.vectors, key, said)
  }
}
