/**
 * Read-through: loads what a map does not hold, once for all who wait for it, and keeps it in the map.
 *
 * I25: what is loaded never overwrites what was written or deleted since its load began, by this node or by another.
 */
import { decodeKey, decodeSegments, type EncodedKey, type Key } from './core/key.js'
import type { Lsn } from './core/lsn.js'
import { closedError } from './engine/failures.js'
import { absentUntil, DELETED, type EncodedWrite } from './engine/flush.js'
import type { MemoryEngine } from './engine/memory-engine.js'
import type { FoundValue, Watch } from './engine/read.js'
import type { Load, Loading } from './load-options.js'
import type { Durability } from './policy/durability.js'
import type { LossBudget } from './policy/loss-budget.js'
import type { EncodedValue } from './values.js'

/** A loaded value, as it is kept from now on. */
export type LoadedEncoder = (value: unknown) => EncodedValue

export interface ReadThroughParts {
  engine: MemoryEngine
  map: string
  /** The map's name, encoded: it leads every key. */
  prefix: EncodedKey
  loading: Loading
  budget: LossBudget
  durabilityOf(keyInMap: EncodedKey): Durability
  encode: LoadedEncoder
}

/** A value, still encoded: each who is given it decodes an object of its own. */
export type Loaded = Pick<FoundValue, 'form' | 'value'>

/** A load that is going on. */
interface Flight {
  watch: Watch
  /** Rejects with what `load` has thrown, or with CLOSED. */
  result: Promise<Loaded | undefined>
}

/** A key as a handle of the map sees it. */
interface Place {
  key: EncodedKey
  /** Where the key of the caller begins in it, behind the map's name and the scope. */
  start: number
}

// Thrown where there is nothing to keep. It never leaves this file.
const NOTHING_TO_KEEP = new Error('nothing to keep')

export class ReadThrough {
  readonly #parts: ReadThroughParts
  /** Of each key the newest. */
  readonly #flights = new Map<EncodedKey, Flight>()
  /** Those of all loads that are going on, also of such as are not joined any more. */
  readonly #aborts = new Set<() => void>()
  #load: Load
  #encode: LoadedEncoder
  #isClosed = false

  constructor(parts: ReadThroughParts) {
    this.#parts = parts
    this.#load = parts.loading.load
    this.#encode = parts.encode
  }

  /** Loads that begin from now on call this; what is loaded is kept as the handle that gave it keeps its values. */
  use(load: Load, encode: LoadedEncoder): void {
    this.#load = load
    this.#encode = encode
  }

  /** The value of a key: what the map holds, else what is loaded; `undefined` if there is none. */
  async get(place: Place): Promise<Loaded | undefined> {
    const { reader } = this.#parts.engine
    for (;;) {
      const state = reader.held(place.key) ?? (await reader.state(place.key))
      if (state.found !== undefined) {
        // The caller is served what there is; what comes of the load is for those who come later.
        if (!this.#isFresh(state.found)) void this.#flight(place, state.lsn)
        return state.found
      }
      if (state.isKnownAbsent) return undefined
      // It may have been loaded by another while it was looked for.
      if (state.isCurrent()) return this.#flight(place, state.lsn).result
    }
  }

  /** The same for many keys, of which some have been found. */
  getMany(
    keys: readonly EncodedKey[],
    start: number,
    held: readonly (FoundValue | undefined)[],
  ): Promise<(Loaded | undefined)[]> {
    const asked = new Map<EncodedKey, Promise<Loaded | undefined>>()
    const ask = (key: EncodedKey): Promise<Loaded | undefined> => {
      const asking = asked.get(key) ?? this.get({ key, start })
      asked.set(key, asking)
      return asking
    }
    return Promise.all(held.map((found, index) => (found && this.#isFresh(found) ? found : ask(keys[index]!))))
  }

  /** Whether a value is served without being loaded anew. */
  #isFresh({ expiresAt }: FoundValue): boolean {
    const { engine, loading } = this.#parts
    return loading.staleMs === 0 || !engine.expiresWithin(expiresAt, loading.staleMs)
  }

  /** The memory is being closed: whoever waits is told CLOSED, and what is loaded later is let go of. */
  close(): void {
    this.#isClosed = true
    for (const abort of this.#aborts) abort()
  }

  /** `seen`: LSN of what there was when the load was asked for. */
  #flight(place: Place, seen: Lsn): Flight {
    const running = this.#flights.get(place.key)
    // What began before the key was written or deleted may bring what was true before that.
    return running === undefined || running.watch.isStale ? this.#start(place, seen) : running
  }

  #start(place: Place, seen: Lsn): Flight {
    if (this.#isClosed) throw closedError()
    const { engine } = this.#parts
    const watch = engine.reader.watch(place.key)
    const encode = this.#encode
    const { value, abort } = this.#call(place)
    const loaded = value.then(found => (found === undefined ? undefined : encode(found)))
    const flight: Flight = { watch, result: loaded.then(encoded => this.#keep(place, watch, seen, encoded)) }
    this.#flights.set(place.key, flight)
    this.#aborts.add(abort)
    const forget = () => {
      this.#aborts.delete(abort)
      engine.reader.endWatch(watch)
      if (this.#flights.get(place.key) === flight) this.#flights.delete(place.key)
    }
    // A failure is told here also if nobody waits.
    void flight.result.then(forget, (error: unknown) => {
      forget()
      this.#tell(place, error)
    })
    return flight
  }

  /** Calls the function that loads, once its flight is known: it may ask for other keys at once. */
  #call(place: Place): { value: Promise<unknown>; abort(): void } {
    const load = this.#load
    const controller = new AbortController()
    const { scope, key } = this.#named(place)
    let abort = () => {}
    const value = new Promise((resolve, reject) => {
      abort = () => {
        const error = closedError()
        reject(error)
        controller.abort(error)
      }
      Promise.resolve()
        .then(() => load(key, { scope, signal: controller.signal }))
        .then(resolve, reject)
    })
    return { value, abort }
  }

  /** Keeps what was loaded, and returns what those who wait are given. Nobody waits for the disk: it can be loaded again. */
  async #keep(place: Place, watch: Watch, seen: Lsn, loaded: EncodedValue | undefined): Promise<Loaded | undefined> {
    const { engine, loading, budget } = this.#parts
    const { negativeTtlMs } = loading
    const kept = loaded ?? (negativeTtlMs === 0 ? DELETED : absentUntil(engine.expiresAt(negativeTtlMs)))
    const content = (found: FoundValue | undefined): EncodedWrite => {
      const changesNothing = loaded === undefined && negativeTtlMs === 0 && found === undefined
      // Another node's write spoils no watch of this one.
      const isAnother = found !== undefined && found.lsn !== seen
      if (watch.isStale || isAnother || changesNothing) throw NOTHING_TO_KEEP
      return kept
    }
    try {
      const durability = this.#parts.durabilityOf(place.key.slice(place.start))
      const writes = [{ key: place.key, content, expected: undefined, budget }]
      // What may become of it behind its acceptance is told by the events of the log and the store.
      await new Promise<void>((resolve, reject) => void engine.writer.write(writes, durability, resolve).catch(reject))
    } catch (error) {
      if (error === NOTHING_TO_KEEP) return (await engine.reader.get(place.key)) ?? loaded
      this.#tell(place, error)
    }
    return loaded
  }

  #tell(place: Place, error: unknown): void {
    const { engine, map } = this.#parts
    // A close is told to those who wait, and is no failure.
    if (!this.#isClosed) engine.events.emit('loadFailed', { map, ...this.#named(place), error })
  }

  #named({ key, start }: Place): { scope: string[]; key: Key } {
    const { prefix } = this.#parts
    return { scope: decodeSegments(key.slice(prefix.length, start)), key: decodeKey(key.slice(start)) }
  }
}
