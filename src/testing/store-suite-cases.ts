/** What the cases of the store suite share: their shape, and short words for changes, marks and pages. */
import assert from 'node:assert/strict'
import type { EncodedKey } from '../core/key.js'
import type { Change, DataStore, Mark, Page, StoredEntry } from '../stores/data-store.js'

export interface StoreUnderTest {
  /** The open store: another object after `reopen`. */
  readonly store: DataStore
  /** Closes the store and opens it again. Does nothing and says `false` if the store is not persistent. */
  reopen(): Promise<boolean>
}

export interface StoreCase {
  /** A sentence about the store's behaviour. */
  name: string
  body: (under: StoreUnderTest) => Promise<void>
}

/** Beyond every key: no key of the suite starts with two bytes of FF. */
export const END: EncodedKey = '\xff\xff'

/** The mark at an LSN; its position follows from it, so a mark of two halves is seen. */
export function markAt(lsn: number): Mark {
  return { appliedLsn: lsn, appliedPosition: lsn * 100 }
}

/** Changes in the order of the keys, from texts; `undefined` deletes. */
export function changes(texts: Record<EncodedKey, string | undefined>): Change[] {
  return sorted(Object.entries(texts).map(([key, text]) => ({ key, value: text === undefined ? text : bytes(text) })))
}

export function sorted(unordered: Change[]): Change[] {
  return unordered.sort((a, b) => (a.key < b.key ? -1 : 1))
}

export function bytes(text: string): Buffer {
  return Buffer.from(text, 'utf8')
}

export async function textOf(store: DataStore, key: EncodedKey): Promise<string | undefined> {
  return (await store.get(key))?.toString('utf8')
}

export function pageOf(page: Partial<Page> = {}): Page {
  return { from: '', to: END, reverse: false, limit: 1_000_000, ...page }
}

/** A page as text: `key=value`, to compare and to read in a failure. */
export async function pageTexts(store: DataStore, page: Partial<Page> = {}): Promise<string[]> {
  return (await store.page(pageOf(page))).map(({ key, value }) => `${key}=${value.toString('utf8')}`)
}

/** A whole range in pages of `limit`, each starting where the one before ended. */
export async function chainedPages(store: DataStore, page: Page): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = []
  let { from, to } = page
  while (true) {
    const next = await store.page({ ...page, from, to })
    assert.ok(next.length <= page.limit, `a page of ${next.length} entries, with limit ${page.limit}`)
    entries.push(...next)
    const last = next.at(-1)
    if (last === undefined) return entries
    if (page.reverse) to = last.key
    else from = `${last.key}\0`
  }
}

/** The range of the keys that start with whole segments: no segment starts with FF, which only follows a NUL in one. */
export function prefixRange(prefix: EncodedKey): { from: EncodedKey; to: EncodedKey } {
  return { from: prefix, to: `${prefix}\xff` }
}
