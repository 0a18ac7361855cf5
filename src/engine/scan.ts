/**
 * Ordered scans over what the store has and what it does not have yet, page by page.
 *
 * Each page first notes the entries of its range that the store lacks, then reads the store. An entry that reaches the
 * store in between is in both, and the higher LSN counts; so every write accepted before the scan began is seen.
 */
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { StoredEntry } from '../stores/data-store.js'
import type { Entry } from '../tier/entry.js'
import type { KeyRange } from '../tier/ordered-keys.js'
import type { Tier } from '../tier/tier.js'
import { type FoundValue, foundIn, type Reader } from './read.js'
import type { StoreKeeper } from './store-keeper.js'

export interface ScannedEntry extends FoundValue {
  key: EncodedKey
}

/** What an entry was when its page noted it: it may change while the store is read. */
interface Noted {
  key: EncodedKey
  lsn: Lsn
  isDeleted: boolean
  found: FoundValue | undefined
  entry: Entry
}

export class Scanner {
  readonly #tier: Tier
  readonly #keeper: StoreKeeper
  readonly #reader: Reader

  constructor(tier: Tier, keeper: StoreKeeper, reader: Reader) {
    this.#tier = tier
    this.#keeper = keeper
    this.#reader = reader
  }

  /** The entries of a range in its order, in pages of at most `pageSize`. */
  async *pages(range: KeyRange, pageSize: number): AsyncGenerator<ScannedEntry[]> {
    const rest = { ...range }
    while (rest.from < rest.to) {
      const { entries, last } = await this.#page(rest, pageSize)
      if (entries.length > 0) yield entries
      if (last === undefined) return
      // The next key after `last` in byte order is `last` with a zero byte behind it.
      if (rest.reverse) rest.to = last
      else rest.from = `${last}\0`
    }
  }

  /** One page, and the last key that it covers; `undefined` if it covers the rest of the range. */
  async #page(range: KeyRange, pageSize: number): Promise<{ entries: ScannedEntry[]; last: EncodedKey | undefined }> {
    const noted = this.#tier.unstoredIn(range, pageSize).map(note)
    const stored = await this.#keeper.call(store => store.page({ ...range, limit: pageSize }))
    const isBefore = range.reverse ? (a: string, b: string) => a > b : (a: string, b: string) => a < b
    const last = nearest(endOf(noted, pageSize), endOf(stored, pageSize), isBefore)
    const isCovered = (key: EncodedKey) => last === undefined || !isBefore(last, key)
    const entries: ScannedEntry[] = []
    let at = 0
    for (const each of noted) {
      if (!isCovered(each.key)) break
      for (; at < stored.length && isBefore(stored[at]!.key, each.key); at++) this.#push(entries, stored[at]!)
      const twin = stored[at]?.key === each.key ? stored[at++] : undefined
      const entry = await this.#newer(each, twin)
      if (entry !== undefined) entries.push(entry)
    }
    for (; at < stored.length && isCovered(stored[at]!.key); at++) this.#push(entries, stored[at]!)
    return { entries, last }
  }

  /** Of a key that was noted and may be in the store as well, the newer state. */
  async #newer(noted: Noted, stored: StoredEntry | undefined): Promise<ScannedEntry | undefined> {
    const inStore = stored && this.#scanned(stored)
    if (inStore !== undefined && inStore.lsn > noted.lsn) return this.#reader.live(inStore)
    if (noted.isDeleted) return undefined
    const found = noted.found ?? (await this.#reader.fromLog(noted.entry)) ?? (await this.#reader.get(noted.key))
    return this.#reader.live(found && { ...found, key: noted.key })
  }

  #push(entries: ScannedEntry[], stored: StoredEntry): void {
    const entry = this.#reader.live(this.#scanned(stored))
    if (entry !== undefined) entries.push(entry)
  }

  #scanned({ key, value }: StoredEntry): ScannedEntry {
    return { ...this.#reader.fromStored(key, value), key }
  }
}

function note(entry: Entry): Noted {
  return { key: entry.key, lsn: entry.lsn, isDeleted: entry.isDeleted, found: foundIn(entry), entry }
}

/** The last key of a list that was cut off at its limit; `undefined` for one that holds all there is. */
function endOf(list: readonly { key: EncodedKey }[], limit: number): EncodedKey | undefined {
  return list.length < limit ? undefined : list[list.length - 1]!.key
}

function nearest(
  a: EncodedKey | undefined,
  b: EncodedKey | undefined,
  isBefore: (a: string, b: string) => boolean,
): EncodedKey | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return isBefore(a, b) ? a : b
}
