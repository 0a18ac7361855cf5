/**
 * The entries held in RAM, within a byte budget, and the index of all keys that the data store does not have yet.
 *
 * I3: an entry that exists nowhere else is never evicted; one that only the log has keeps its place in the log.
 */
import { invariant } from '../core/assert.js'
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import { Entry, EntryState, entryCost } from './entry.js'
import { type KeyRange, OrderedKeys } from './ordered-keys.js'
import { Sieve } from './sieve.js'

// How far the hand may move for one insertion. Entries that must stay are passed over, and a tier full of them must
// not make every write walk the whole list.
const HAND_STEPS = 128

export class Tier {
  readonly #bytesMax: number
  readonly #entries = new Map<EncodedKey, Entry>()
  readonly #sieve = new Sieve()
  readonly #unstored = new OrderedKeys(key => this.#isUnstored(key))
  #bytes = 0
  #unstoredCount = 0
  #dirty: Entry[] = []

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  get entryCount(): number {
    return this.#entries.size
  }

  /** Entries that the data store does not have yet: dirty, framed and pending ones. Parked ones are not counted. */
  get unstoredCount(): number {
    return this.#unstoredCount
  }

  get dirtyCount(): number {
    return this.#dirty.length
  }

  /** The entry of a key. If it is not held (`isHeld`), only the log has its value. */
  get(key: EncodedKey): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry !== undefined) entry.visited = true
    return entry
  }

  /** Takes an accepted write. Returns the entry it superseded in the set of dirty ones, as key and value lengths. */
  accept(key: EncodedKey, lsn: Lsn, form: number, value: string | undefined, expiresAt = 0): Entry {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = new Entry(key, lsn, form, value, expiresAt, EntryState.clean)
      this.#entries.set(key, entry)
      this.#hold(entry)
    } else {
      this.#bytes -= entry.isListed ? entryCost(key, entry.value) : 0
      entry.lsn = lsn
      entry.form = form
      entry.value = value
      entry.isDeleted = value === undefined
      entry.expiresAt = expiresAt
      if (entry.isListed) this.#bytes += entryCost(key, value)
      else this.#hold(entry)
      entry.visited = true
    }
    const wasSettled = entry.state === EntryState.clean || entry.state === EntryState.parked
    if (entry.state !== EntryState.dirty) {
      entry.state = EntryState.dirty
      this.#dirty.push(entry)
    }
    if (wasSettled) {
      this.#unstoredCount += 1
      // Behind the change of state: the index may tidy itself now, and asks each key whether it is still wanted.
      this.#unstored.add(key, this.#unstoredCount)
    }
    this.#shrink(HAND_STEPS)
    return entry
  }

  /** Takes a value that was read from the data store. Must not be called for a key that was accepted meanwhile. */
  fill(key: EncodedKey, lsn: Lsn, form: number, value: string, expiresAt = 0): void {
    if (this.#entries.has(key)) return
    const entry = new Entry(key, lsn, form, value, expiresAt, EntryState.clean)
    this.#entries.set(key, entry)
    this.#hold(entry)
    this.#shrink(HAND_STEPS)
  }

  /** Takes a value that was read from the log for an entry that does not hold it. */
  refill(entry: Entry, lsn: Lsn, value: string): void {
    if (entry.lsn !== lsn || entry.isHeld || this.#entries.get(entry.key) !== entry) return
    entry.value = value
    this.#hold(entry)
    this.#shrink(HAND_STEPS)
  }

  /** Takes a record that recovery has read from the log. */
  recover(
    key: EncodedKey,
    lsn: Lsn,
    form: number,
    value: string | undefined,
    expiresAt: number,
    position: number,
    offset: number,
  ): Entry {
    const entry = this.accept(key, lsn, form, value, expiresAt)
    entry.state = EntryState.pending
    entry.framePosition = position
    entry.recordOffset = offset
    this.#dirty.pop()
    return entry
  }

  /** All dirty entries, which become framed. The caller sets where each of them stands. */
  takeDirty(): Entry[] {
    const taken = this.#dirty
    for (const entry of taken) entry.state = EntryState.framed
    this.#dirty = []
    return taken
  }

  /** The frame of these entries is on stable storage. Those that were not superseded meanwhile are pending now. */
  synced(entries: readonly Entry[], lastLsn: Lsn): void {
    for (const entry of entries) {
      if (entry.lsn <= lastLsn && entry.state === EntryState.framed) entry.state = EntryState.pending
    }
    this.#shrink(entries.length + HAND_STEPS)
  }

  /** The frame of these entries could not be written: those that were not superseded are dirty again. */
  unframe(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.state !== EntryState.framed) continue
      entry.state = EntryState.dirty
      this.#dirty.push(entry)
    }
  }

  /** The data store has these entries of one frame: those that were not superseded are clean now. */
  stored(entries: readonly Entry[], lastLsn: Lsn): void {
    for (const entry of entries) {
      if (entry.state !== EntryState.pending || entry.lsn > lastLsn) continue
      entry.state = EntryState.clean
      this.#unstoredCount -= 1
      // A clean entry answers for the data store; a tombstone or a value that is not held has nothing to answer with.
      if (entry.value === undefined) this.#drop(entry)
    }
    this.#shrink(entries.length + HAND_STEPS)
  }

  /**
   * Takes a version that the data store has refused: reads see it, until it is superseded or let go by `unpark`. One that
   * is superseded already is not taken.
   */
  park(key: EncodedKey, lsn: Lsn, form: number, value: string | undefined, expiresAt: number): void {
    const found = this.#entries.get(key)
    if (found !== undefined && found.lsn > lsn) return
    if (found !== undefined) {
      if (found.state === EntryState.pending) this.#unstoredCount -= 1
      // Frames still know the entry that it was: for them it is done with.
      found.state = EntryState.clean
      this.#drop(found)
    }
    const entry = new Entry(key, lsn, form, value, expiresAt, EntryState.parked)
    this.#entries.set(key, entry)
    this.#hold(entry)
    this.#unstored.add(key, this.#unstoredCount)
    this.#shrink(HAND_STEPS)
  }

  /** A parked version is in the data store now, or was discarded: the store answers for its key again. */
  unpark(key: EncodedKey, lsn: Lsn): void {
    const entry = this.#entries.get(key)
    if (entry?.state === EntryState.parked && entry.lsn === lsn) this.#drop(entry)
  }

  /** Up to `limit` entries of a range that the data store does not have, tombstones and parked ones included, in order. */
  unstoredIn(range: KeyRange, limit: number): Entry[] {
    return this.#unstored.take(range, limit).map(key => this.#entries.get(key)!)
  }

  /** Lets go of a value that nobody will ask for soon, as far as it may leave, so that it crowds out no other. */
  letGo(key: EncodedKey): void {
    const entry = this.#entries.get(key)
    if (entry?.isListed && mayLeave(entry)) this.#evict(entry)
  }

  #isUnstored(key: EncodedKey): boolean {
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.state !== EntryState.clean
  }

  #hold(entry: Entry): void {
    this.#sieve.add(entry)
    this.#bytes += entryCost(entry.key, entry.value)
  }

  #unhold(entry: Entry): void {
    if (!entry.isListed) return
    this.#sieve.remove(entry)
    this.#bytes -= entryCost(entry.key, entry.value)
  }

  #drop(entry: Entry): void {
    this.#unhold(entry)
    this.#entries.delete(entry.key)
  }

  #shrink(steps: number): void {
    let left = steps
    while (this.#bytes > this.#bytesMax && left > 0) {
      const entry = this.#sieve.next(mayLeave, HAND_STEPS)
      if (entry === undefined) return
      left -= 1
      this.#evict(entry)
    }
  }

  #evict(entry: Entry): void {
    invariant(mayLeave(entry), 'I3: evicting an entry that exists nowhere else')
    if (entry.state === EntryState.clean) {
      this.#drop(entry)
      return
    }
    this.#unhold(entry)
    entry.value = undefined
  }
}

function mayLeave(entry: Entry): boolean {
  return entry.state === EntryState.clean || entry.state === EntryState.pending
}
