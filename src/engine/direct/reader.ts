/**
 * Reads of a node that shares its store: the tier as long as what it holds is not older than `staleMs`, else the store.
 * What this node has written is always served.
 *
 * I6: what is read fills the tier only if it is newer than what is there, and its key was not accepted anew meanwhile.
 */
import { NEVER } from '../../codec/extras.js'
import { NO_VALUE } from '../../codec/form.js'
import { decodeStoredValue } from '../../codec/stored-value.js'
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Clock } from '../../io/clock.js'
import type { ExpiryClock } from '../../io/expiry-clock.js'
import { type Entry, EntryState } from '../../tier/entry.js'
import type { Tier } from '../../tier/tier.js'
import type { EncodedWrite } from '../flush.js'
import type { ReadPath } from '../paths.js'
import { type FoundValue, foundIn, type KeyState, type Watch } from '../read.js'
import type { DirectLink } from './link.js'

export interface DirectReaderParts {
  tier: Tier
  link: DirectLink
  clock: Clock
  expiry: ExpiryClock
  /** How old what the tier holds may be, in ms. */
  staleMs: number
  /** Something that expires was read. */
  onExpiring(): void
  /** Resolves once the store has everything accepted so far. */
  stored(): Promise<void>
}

/** A read of the store that is going on. It is stale once its key has been accepted anew. */
interface Load {
  found: Promise<FoundValue | undefined>
  isStale: boolean
}

export class DirectReader implements ReadPath {
  readonly #parts: DirectReaderParts
  /** When what a clean entry holds was asked for, on the monotonic clock. */
  readonly #askedAt = new WeakMap<Entry, number>()
  /** Of each key the newest. */
  readonly #loads = new Map<EncodedKey, Load>()
  readonly #running = new Map<EncodedKey, Set<Load>>()
  readonly #watches = new Map<EncodedKey, Watch>()

  constructor(parts: DirectReaderParts) {
    this.#parts = parts
  }

  heldNow(key: EncodedKey): FoundValue | null | undefined {
    const entry = this.#parts.tier.get(key)
    if (!entry?.isHeld || !this.#isFresh(entry)) return undefined
    return entry.isDeleted || this.#isGone(entry) ? null : (entry as FoundValue)
  }

  /** The state of a key whose version is known and that is not too old. */
  held(key: EncodedKey): KeyState | undefined {
    const entry = this.#parts.tier.get(key)
    return isStored(entry) && this.#isFresh(entry) ? this.#stateOf(key, foundIn(entry)) : undefined
  }

  /** The same however old it is: for whoever has the store check it. */
  remembered(key: EncodedKey): KeyState | undefined {
    const entry = this.#parts.tier.get(key)
    return isStored(entry) ? this.#stateOf(key, foundIn(entry)) : undefined
  }

  async state(key: EncodedKey, isFresh = false): Promise<KeyState> {
    for (;;) {
      const entry = this.#parts.tier.get(key)
      if (entry !== undefined && !isStored(entry)) {
        // It has no version before the store has given it one.
        await this.#parts.stored()
        continue
      }
      const held = isFresh ? undefined : this.held(key)
      if (held !== undefined) return held
      return this.#stateOf(key, await this.#load(key, isFresh).found)
    }
  }

  async get(key: EncodedKey): Promise<FoundValue | undefined> {
    return (await this.state(key)).found
  }

  /** The values as the store has them now, with what this node has accepted. */
  async getMany(keys: readonly EncodedKey[], isFresh = false): Promise<(FoundValue | undefined)[]> {
    const found = new Array<FoundValue | undefined>(keys.length)
    const missing: number[] = []
    for (const [index, key] of keys.entries()) {
      const entry = this.#parts.tier.get(key)
      const isAsked = entry === undefined || !entry.isHeld || (isStored(entry) && (isFresh || !this.#isFresh(entry)))
      if (isAsked) missing.push(index)
      else found[index] = this.live(withoutVersion(entry))
    }
    if (missing.length === 0) return found
    const states = await this.states(missing.map(index => keys[index]!))
    for (const index of missing) found[index] = states.get(keys[index]!)!.found
    return found
  }

  /** The states of some keys as the store has them now, in one call. */
  async states(keys: readonly EncodedKey[]): Promise<Map<EncodedKey, KeyState>> {
    const unique = [...new Set(keys)]
    const stored = this.#parts.link.call(store => store.getMany(unique))
    const loads = unique.map((key, index) =>
      this.#startLoad(
        key,
        stored.then(values => values[index]),
      ),
    )
    const found = await Promise.all(loads.map(load => load.found))
    return new Map(unique.map((key, index) => [key, this.#stateOf(key, found[index])]))
  }

  /** A key was accepted anew: what is being read of it from the store is old. */
  accepted(key: EncodedKey): void {
    const watch = this.#watches.get(key)
    if (watch !== undefined) watch.isStale = true
    for (const load of this.#running.get(key) ?? []) load.isStale = true
  }

  /** The store has given a write of this node its version; it was sent at `askedAt`. */
  written(key: EncodedKey, version: Lsn, { form, value, expiresAt }: EncodedWrite, askedAt: number): void {
    if (value !== undefined) this.#keep(key, { lsn: version, form, value, expiresAt }, askedAt)
    else this.#forget(key, version)
  }

  /** The same for an entry that the tier holds already, and that is clean now. */
  stored(entry: Entry, version: Lsn, askedAt: number): void {
    entry.lsn = version
    this.#askedAt.set(entry, askedAt)
  }

  watch(key: EncodedKey): Watch {
    const watch = { key, isStale: false }
    this.#watches.set(key, watch)
    return watch
  }

  endWatch(watch: Watch): void {
    if (this.#watches.get(watch.key) === watch) this.#watches.delete(watch.key)
  }

  /** What was found, unless it has expired, or says that there is nothing. */
  live<Found extends FoundValue>(found: Found | undefined): Found | undefined {
    return found === undefined || this.#isGone(found) ? undefined : found
  }

  /** A value from the store's bytes, its checksum verified. It may have expired. */
  fromStored(key: EncodedKey, bytes: Buffer): FoundValue {
    const { lsn, form, value, expiresAt } = decodeStoredValue(key, bytes)
    if (expiresAt !== NEVER) this.#parts.onExpiring()
    return { lsn, form, value: value.latin1Slice(), expiresAt }
  }

  #isFresh(entry: Entry): boolean {
    if (entry.state !== EntryState.clean) return true
    return this.#parts.clock.monotonicMs() - (this.#askedAt.get(entry) ?? -Infinity) < this.#parts.staleMs
  }

  #isGone({ expiresAt, form }: Pick<FoundValue, 'expiresAt' | 'form'>): boolean {
    return expiresAt !== NEVER && (form === NO_VALUE || expiresAt <= this.#parts.expiry.now())
  }

  #stateOf(key: EncodedKey, raw: FoundValue | undefined): KeyState {
    const { tier } = this.#parts
    const entry = tier.get(key)
    const lsn = entry?.lsn
    const found = this.live(raw)
    return {
      found,
      lsn: raw?.lsn ?? 0,
      isKnownAbsent: raw !== undefined && raw.form === NO_VALUE && raw.expiresAt > this.#parts.expiry.now(),
      isCurrent: () => tier.get(key) === entry && entry?.lsn === lsn && this.live(found) === found,
    }
  }

  #load(key: EncodedKey, isFresh: boolean): Load {
    const running = this.#loads.get(key)
    // One that began before the call may bring what was there before it.
    if (!isFresh && running !== undefined && !running.isStale) return running
    return this.#startLoad(
      key,
      this.#parts.link.call(store => store.get(key)),
    )
  }

  #startLoad(key: EncodedKey, stored: Promise<Buffer | undefined>): Load {
    const askedAt = this.#parts.clock.monotonicMs()
    const load: Load = { isStale: false, found: Promise.resolve(undefined) }
    load.found = stored.then(bytes => {
      const found = bytes && this.fromStored(key, bytes)
      if (load.isStale) return found
      const live = this.live(found)
      if (live !== undefined) this.#keep(key, live, askedAt)
      else this.#forgetOlder(key, askedAt)
      return found
    })
    const others = this.#running.get(key)
    if (others === undefined) this.#running.set(key, new Set([load]))
    else others.add(load)
    this.#loads.set(key, load)
    const ended = () => {
      if (this.#loads.get(key) === load) this.#loads.delete(key)
      const running = this.#running.get(key)!
      running.delete(load)
      if (running.size === 0) this.#running.delete(key)
    }
    load.found.then(ended, ended)
    return load
  }

  /** Holds a value that the store has, unless the tier has a newer one. */
  #keep(key: EncodedKey, { lsn, form, value, expiresAt }: FoundValue, askedAt: number): void {
    const { tier } = this.#parts
    const entry = tier.get(key)
    if (entry !== undefined) {
      if (!isStored(entry) || entry.lsn > lsn) return
      if (entry.lsn === lsn) {
        this.#askedAt.set(entry, Math.max(askedAt, this.#askedAt.get(entry) ?? askedAt))
        return
      }
      tier.letGo(key)
    }
    tier.fill(key, lsn, form, value, expiresAt)
    const filled = tier.get(key)
    if (filled !== undefined) this.#askedAt.set(filled, askedAt)
  }

  #forget(key: EncodedKey, version: Lsn): void {
    const { tier } = this.#parts
    const entry = tier.get(key)
    if (isStored(entry) && entry.lsn < version) tier.letGo(key)
  }

  /** The store has no value for the key any more, or it has expired. */
  #forgetOlder(key: EncodedKey, askedAt: number): void {
    const { tier } = this.#parts
    const entry = tier.get(key)
    if (isStored(entry) && (this.#askedAt.get(entry) ?? askedAt) <= askedAt) tier.letGo(key)
  }
}

function isStored(entry: Entry | undefined): entry is Entry {
  return entry !== undefined && entry.state === EntryState.clean
}

/** What an entry holds; one that is not stored yet has no version. */
function withoutVersion(entry: Entry): FoundValue | undefined {
  const found = foundIn(entry)
  return found && !isStored(entry) ? { ...found, lsn: 0 } : found
}
