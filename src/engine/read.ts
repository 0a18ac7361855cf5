/**
 * The one read path: the tier, else the log by position, else the data store.
 *
 * What has expired reads as absent, wherever it is found.
 *
 * I6: a value that is read from the store fills the tier only if its key was not accepted anew meanwhile.
 */

import { NEVER } from '../codec/extras.js'
import { NO_VALUE } from '../codec/form.js'
import { decodeStoredValue } from '../codec/stored-value.js'
import { AgentMemoryError } from '../core/errors.js'
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { ExpiryClock } from '../io/expiry-clock.js'
import type { Log } from '../log/log.js'
import type { Frame } from '../log/reader.js'
import { readRecord } from '../log/record.js'
import { type Entry, EntryState } from '../tier/entry.js'
import type { Tier } from '../tier/tier.js'
import type { StoreKeeper } from './store-keeper.js'

const ACCEPT_BUCKETS = 4096

function bucketOf(key: EncodedKey): number {
  let hash = key.length
  for (let at = Math.max(0, key.length - 16); at < key.length; at++) hash = (hash * 31 + key.charCodeAt(at)) | 0
  return (hash >>> 0) % ACCEPT_BUCKETS
}

/** A value as it was found: still encoded, as a binary string. */
export interface FoundValue {
  lsn: Lsn
  form: number
  value: string
  /** In ms since 1970; 0 for never. */
  expiresAt: number
}

/** A read of the store that is going on. It is stale once its key has been accepted anew. */
interface Load {
  found: Promise<FoundValue | undefined>
  isStale: boolean
}

/** Notices whether a key is accepted anew. */
export interface Watch {
  readonly key: EncodedKey
  isStale: boolean
}

/** What is known of a key at one moment, and whether that moment is still now. */
export interface KeyState {
  found: FoundValue | undefined
  /**
   * LSN of the write that made it so: of the value, also of one that has expired, or of a delete that the store does not
   * have yet; 0 if unknown.
   */
  lsn: Lsn
  /** Nothing was found, and that is what was written: the key is known to have no value. */
  isKnownAbsent: boolean
  isCurrent(): boolean
}

export class Reader {
  readonly #tier: Tier
  readonly #keeper: StoreKeeper
  readonly #loads = new Map<EncodedKey, Load>()
  /** Of each key the newest: an older one that is still looked at is stale. */
  readonly #watches = new Map<EncodedKey, Watch>()
  /** Acceptances by a hash of their key: a state that was read is current while its bucket has not moved. */
  readonly #accepts = new Float64Array(ACCEPT_BUCKETS)
  readonly #expiry: ExpiryClock
  /** Something that expires was read from the store. */
  readonly #onExpiring: () => void
  #log: Log
  #lastFrame: { position: number; frame: Promise<Frame> } | undefined

  constructor(tier: Tier, keeper: StoreKeeper, expiry: ExpiryClock, log: Log, onExpiring: () => void) {
    this.#tier = tier
    this.#keeper = keeper
    this.#expiry = expiry
    this.#onExpiring = onExpiring
    this.#log = log
  }

  useLog(log: Log): void {
    this.#log = log
    this.#lastFrame = undefined
  }

  /** The value of a key if the tier can tell: `undefined` inside means absent, `undefined` itself means ask `get`. */
  held(key: EncodedKey): KeyState | undefined {
    const entry = this.#tier.get(key)
    return entry?.isHeld ? this.#heldState(entry) : undefined
  }

  /**
   * What the tier holds of a key, to be looked at now: it changes with the entry. `null` means absent, `undefined` that
   * the tier cannot tell.
   */
  heldNow(key: EncodedKey): FoundValue | null | undefined {
    const entry = this.#tier.get(key)
    if (!entry?.isHeld) return undefined
    return entry.isDeleted || this.#isGone(entry) ? null : (entry as FoundValue)
  }

  /** The value of a key; `undefined` if there is none. Rejects STORE_DOWN, never "absent", if the store cannot be asked. */
  async get(key: EncodedKey): Promise<FoundValue | undefined> {
    return (await this.state(key)).found
  }

  /** The state of a key, and whether it is still current when the caller gets to act on it. */
  async state(key: EncodedKey): Promise<KeyState> {
    for (;;) {
      const entry = this.#tier.get(key)
      if (entry?.isHeld) return this.#heldState(entry)
      const state = entry === undefined ? await this.#loadedState(key) : await this.#loggedState(entry)
      if (state !== undefined) return state
    }
  }

  /** Values of many keys, in their order. */
  async getMany(keys: readonly EncodedKey[]): Promise<(FoundValue | undefined)[]> {
    const found = new Array<FoundValue | undefined>(keys.length)
    const missing: number[] = []
    for (const [index, key] of keys.entries()) {
      const entry = this.#tier.get(key)
      if (entry?.isHeld) found[index] = this.live(foundIn(entry))
      else missing.push(index)
    }
    if (missing.length > 0) await this.#loadMany(keys, missing, found)
    return found
  }

  /** A key was accepted anew: what is being read of it from the store is old. */
  accepted(key: EncodedKey): void {
    this.#accepts[bucketOf(key)]! += 1
    if (this.#watches.size > 0) this.#spoil(this.#watches.get(key))
    if (this.#loads.size > 0) this.#spoil(this.#loads.get(key))
  }

  /** Watches a key from now on. A watch of the same key that is not stale must have been ended before. */
  watch(key: EncodedKey): Watch {
    const watch = { key, isStale: false }
    this.#watches.set(key, watch)
    return watch
  }

  endWatch(watch: Watch): void {
    if (this.#watches.get(watch.key) === watch) this.#watches.delete(watch.key)
  }

  /**
   * The bytes of values that are written once and read once, such as parts of a large one, in the order of their keys.
   * They do not fill the tier, and must not expire.
   */
  async bytesOf(keys: readonly EncodedKey[]): Promise<(Buffer | undefined)[]> {
    const found = await Promise.all(keys.map(key => this.#unstoredBytes(key)))
    const asked = keys.filter((_, index) => found[index] === null)
    const stored = asked.length === 0 ? [] : await this.#keeper.call(store => store.getMany(asked))
    let next = 0
    return found.map((bytes, index) => {
      if (bytes !== null) return bytes
      const value = stored[next++]
      return value && decodeStoredValue(keys[index]!, value).value
    })
  }

  /** The value of an entry that only the log holds; `undefined` if it has moved on meanwhile. */
  async fromLog(entry: Entry): Promise<FoundValue | undefined> {
    const { lsn, form, expiresAt } = entry
    const bytes = await this.#loggedBytes(entry)
    if (bytes === undefined) return undefined
    const value = bytes.latin1Slice()
    this.#tier.refill(entry, lsn, value)
    return { lsn, form, value, expiresAt }
  }

  /** What was found, unless it has expired, or says that there is nothing. */
  live<Found extends FoundValue>(found: Found | undefined): Found | undefined {
    return found === undefined || this.#isGone(found) ? undefined : found
  }

  /** A value from the store's bytes, its checksum verified. It may have expired. */
  fromStored(key: EncodedKey, bytes: Buffer): FoundValue {
    const { lsn, form, value, expiresAt } = decodeStoredValue(key, bytes)
    if (expiresAt !== NEVER) this.#onExpiring()
    return { lsn, form, value: value.latin1Slice(), expiresAt }
  }

  #spoil(reading: { isStale: boolean } | undefined): void {
    if (reading !== undefined) reading.isStale = true
  }

  /** What says that there is nothing always expires, so that what never does needs one look. */
  #isGone({ expiresAt, form }: Pick<FoundValue, 'expiresAt' | 'form'>): boolean {
    return expiresAt !== NEVER && (form === NO_VALUE || this.#hasExpired(expiresAt))
  }

  /** The bytes of a key that the tier or the log have; `null` if only the store can tell. */
  async #unstoredBytes(key: EncodedKey): Promise<Buffer | undefined | null> {
    for (;;) {
      const entry = this.#tier.get(key)
      if (entry === undefined) return null
      if (entry.isHeld) return entry.value === undefined ? undefined : Buffer.from(entry.value, 'latin1')
      const bytes = await this.#loggedBytes(entry)
      // A copy: the frame is kept for the reads to come.
      if (bytes !== undefined) return Buffer.from(bytes)
    }
  }

  /** A view of the frame that holds an entry's value; `undefined` if the entry has moved on meanwhile. */
  async #loggedBytes(entry: Entry): Promise<Buffer | undefined> {
    // Since the caller looked it may have been deleted, or written anew: then the tier has it.
    if (entry.isHeld || entry.state !== EntryState.pending) return undefined
    const { key, lsn, framePosition, recordOffset } = entry
    try {
      const frame = await this.#frameAt(framePosition)
      const { record } = readRecord(frame.body, recordOffset)
      if (record.key !== key || record.lsn !== lsn || record.value === undefined) throw wrongRecord(framePosition)
      return record.value
    } catch (error) {
      // The segment may have been released after the entry had reached the store: then it is to be read there.
      const hasMoved = entry.lsn !== lsn || entry.state !== EntryState.pending || entry.framePosition !== framePosition
      if (hasMoved) return undefined
      throw error
    }
  }

  #hasExpired(expiresAt: number): boolean {
    return expiresAt !== NEVER && expiresAt <= this.#expiry.now()
  }

  #heldState(entry: Entry): KeyState {
    const { lsn } = entry
    const tier = this.#tier
    return this.#state(foundIn(entry), lsn, () => tier.get(entry.key) === entry && entry.lsn === lsn)
  }

  #state(raw: FoundValue | undefined, lsn: Lsn, isUnchanged: () => boolean): KeyState {
    if (raw === undefined || raw.expiresAt === NEVER || this.#hasExpired(raw.expiresAt)) {
      return { found: this.live(raw), lsn, isKnownAbsent: false, isCurrent: isUnchanged }
    }
    const isCurrent = () => isUnchanged() && !this.#hasExpired(raw.expiresAt)
    const isKnownAbsent = raw.form === NO_VALUE
    return { found: isKnownAbsent ? undefined : raw, lsn, isKnownAbsent, isCurrent }
  }

  async #loggedState(entry: Entry): Promise<KeyState | undefined> {
    const isCurrent = this.#unchanged(entry.key)
    const found = await this.fromLog(entry)
    if (found === undefined) return undefined
    return this.#state(found, found.lsn, isCurrent)
  }

  async #loadedState(key: EncodedKey): Promise<KeyState> {
    const isCurrent = this.#unchanged(key)
    const found = await this.#load(key).found
    return this.#state(found, found?.lsn ?? 0, isCurrent)
  }

  /** The tier cannot tell this by itself: an entry leaves it once it is stored, and may do so before anybody looks. */
  #unchanged(key: EncodedKey): () => boolean {
    const bucket = bucketOf(key)
    const accepts = this.#accepts[bucket]
    return () => this.#accepts[bucket] === accepts
  }

  #load(key: EncodedKey): Load {
    const running = this.#loads.get(key)
    if (running !== undefined && !running.isStale) return running
    return this.#startLoad(
      key,
      this.#keeper.call(store => store.get(key)),
    )
  }

  #startLoad(key: EncodedKey, stored: Promise<Buffer | undefined>): Load {
    const load: Load = { isStale: false, found: Promise.resolve(undefined) }
    load.found = stored.then(bytes => {
      const found = bytes && this.fromStored(key, bytes)
      const live = load.isStale ? undefined : this.live(found)
      if (live !== undefined) this.#tier.fill(key, live.lsn, live.form, live.value, live.expiresAt)
      return found
    })
    this.#loads.set(key, load)
    const forget = () => {
      if (this.#loads.get(key) === load) this.#loads.delete(key)
    }
    load.found.then(forget, forget)
    return load
  }

  async #loadMany(keys: readonly EncodedKey[], missing: number[], found: (FoundValue | undefined)[]): Promise<void> {
    const absent = missing.filter(index => this.#tier.get(keys[index]!) === undefined && !this.#loads.has(keys[index]!))
    const unique = [...new Set(absent.map(index => keys[index]!))]
    const stored = unique.length === 0 ? undefined : this.#keeper.call(store => store.getMany(unique))
    for (const [index, key] of unique.entries())
      this.#startLoad(
        key,
        stored!.then(values => values[index]),
      )
    await Promise.all(
      missing.map(async index => {
        found[index] = await this.get(keys[index]!)
      }),
    )
  }

  /** One frame is kept, since scans read one after another from it. */
  async #frameAt(position: number): Promise<Frame> {
    if (this.#lastFrame?.position !== position) {
      this.#lastFrame = { position, frame: this.#log.read(position) }
    }
    const reading = this.#lastFrame
    try {
      return await reading.frame
    } catch (error) {
      if (this.#lastFrame === reading) this.#lastFrame = undefined
      throw error
    }
  }
}

/** The value that an entry holds. It may have expired. */
export function foundIn(entry: Entry): FoundValue | undefined {
  const { lsn, form, value, expiresAt } = entry
  return value === undefined ? undefined : { lsn, form, value, expiresAt }
}

function wrongRecord(position: number): AgentMemoryError {
  return new AgentMemoryError('LOG_CORRUPT', {
    message: `The log has another record than the one expected in the frame at position ${position}`,
    next: 'Run "npx holdfast verify" on the folder',
  })
}
