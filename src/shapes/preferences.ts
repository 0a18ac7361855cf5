/** Preferences: what each user has set, under keys. */
import { DELETED } from '../engine/flush.js'
import type { FoundValue } from '../engine/read.js'
import type { Write, WriteResult } from '../engine/write.js'
import type { MemoryMap, ReadOptions } from '../memory-map.js'
import type { DeleteOptions, WriteOptions } from '../options.js'
import { type Home, keyIn, leadOf, mapOf, writeOf } from './home.js'
import { type AppendOptions, parseAppendOptions } from './options.js'

type PreferenceKey = readonly [userId: string, key: string]

const REGION = 'entries'
const BATCH_KEYS = 1024

export class Preferences<V = unknown> {
  readonly #home: Home
  readonly #map: MemoryMap<V, PreferenceKey>

  /** @internal Preferences come from `memory.preferences`. */
  constructor(home: Home) {
    this.#home = home
    this.#map = mapOf(home, 'preferences', REGION)
  }

  /** Writes a preference; by default the promise resolves when the data store has it. */
  set(userId: string, key: string, value: V, options?: WriteOptions): Promise<WriteResult> {
    return this.#map.set([userId, key], value, options)
  }

  /** A preference; `undefined` if it is absent. What memory does not hold is read from the data store, and then held. */
  get(userId: string, key: string, options?: ReadOptions): Promise<V | undefined> {
    return this.#map.get([userId, key], options)
  }

  /** All preferences of a user, by key. */
  async all(userId: string): Promise<Record<string, V>> {
    const found: [string, V][] = []
    for await (const { key, value } of this.#map.entries({ prefix: [userId] })) found.push([key[1], value])
    // A key such as __proto__ is a property like any other this way.
    return Object.fromEntries(found)
  }

  /** Removes one preference. */
  delete(userId: string, key: string, options?: DeleteOptions): Promise<WriteResult>
  /**
   * Removes all preferences that a user has now: all or nothing up to 1,024 of them, beyond that in batches of so many.
   * What is set after the call stays.
   */
  delete(userId: string, options?: AppendOptions): Promise<WriteResult>
  delete(userId: string, ...rest: [key?: string | AppendOptions, options?: DeleteOptions]): Promise<WriteResult> {
    const [first] = rest
    const isAll =
      rest.length === 0 || (rest.length === 1 && typeof first === 'object' && first !== null && !Array.isArray(first))
    if (isAll) return this.#deleteAll(userId, (first ?? {}) as AppendOptions)
    // Also a key that is given as undefined, which hardly means all of them: it is refused as no key.
    return this.#map.delete([userId, first as string], rest[1])
  }

  async #deleteAll(userId: string, options: AppendOptions): Promise<WriteResult> {
    const { engine, config } = this.#home.core
    const durability = parseAppendOptions(options, 'a delete') ?? config.durability
    const lead = leadOf(this.#home, REGION)
    const lastLsn = engine.hasOneOrder ? engine.lastLsn : undefined
    let deletes: Write[] = []
    for await (const { key, version } of this.#map.entries({ prefix: [userId], pageSize: BATCH_KEYS })) {
      const newest = lastLsn ?? version
      if (version > newest) continue
      // What was set anew since is written again as it is.
      const content = (found: FoundValue | undefined) => (found !== undefined && found.lsn > newest ? found : DELETED)
      deletes.push({ ...writeOf(this.#home, keyIn(lead, key), DELETED), content })
      if (deletes.length < BATCH_KEYS) continue
      await engine.writer.write(deletes, durability)
      deletes = []
    }
    return engine.writer.write(deletes, durability)
  }
}
