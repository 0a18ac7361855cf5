/**
 * Searches by words, where a store has no embeddings: an index of the text under a prefix, made by MiniSearch when it is
 * first asked for. One prefix knows nothing of another: not even a score tells what else the map holds.
 */
import type MiniSearch from 'minisearch'
import { type ItemMaps, type Ranked, rangeOf, type StoredItem } from './store-items.js'
import { idOf, idPrefixOf, keyOfId } from './store-keys.js'
import type { Search } from './store-operations.js'
import { textsAt, wordsOf } from './store-text.js'

/** Of indexes that are kept, in characters of their text. */
const KEPT_TEXT_MAX = 32 * 1024 * 1024
/** Words of scripts that put no spaces between them. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const SPACE_OR_MARK = /[\s\p{Z}\p{P}]+/u
const PREFIX_LETTERS_MIN = 3

interface Text {
  id: string
  text: string
}

/** The indexes of the prefixes that were asked for, the least recently used first. */
export class WordIndexes {
  readonly #byPrefix = new Map<string, WordIndex>()

  /** Items under a prefix that have a word of the query, the best first. */
  async rank(maps: ItemMaps, { prefix, query }: Search): Promise<Ranked[]> {
    const id = idPrefixOf(prefix)
    const index = this.#byPrefix.get(id) ?? new WordIndex(id)
    // Where other nodes write, nobody tells what has changed: an index is made for each search.
    if (maps.isAlone) this.#keep(id, index)
    const found = await index.search(maps, prefix, query!)
    this.#forget()
    return found
  }

  /** An item was written, or is about to be. */
  changed(id: string): void {
    for (const index of this.#byPrefix.values()) index.changed(id)
  }

  #keep(id: string, index: WordIndex): void {
    this.#byPrefix.delete(id)
    this.#byPrefix.set(id, index)
  }

  #forget(): void {
    let kept = 0
    for (const { textLength } of this.#byPrefix.values()) kept += textLength
    for (const [id, { textLength }] of this.#byPrefix) {
      if (kept <= KEPT_TEXT_MAX) return
      this.#byPrefix.delete(id)
      kept -= textLength
    }
  }
}

class WordIndex {
  readonly #prefixId: string
  /** Text lengths of what is in the index. */
  readonly #lengths = new Map<string, number>()
  #changed = new Set<string>()
  #index: MiniSearch<Text> | undefined
  /** Searches take turns, since each brings the index up to date. */
  #ready: Promise<unknown> = Promise.resolve()
  textLength = 0

  constructor(prefixId: string) {
    this.#prefixId = prefixId
  }

  changed(id: string): void {
    if (id.startsWith(this.#prefixId)) this.#changed.add(id)
  }

  search(maps: ItemMaps, prefix: readonly string[], query: string): Promise<Ranked[]> {
    const found = this.#ready.then(async () => {
      const index = await this.#upToDate(maps.items, prefix)
      const hits = index.search(query).map(({ id, score }) => ({ id: id as string, score }))
      hits.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
      return hits.map(({ id, score }) => ({ key: keyOfId(id), score }))
    })
    this.#ready = found.catch(() => {})
    return found
  }

  async #upToDate(all: ItemMaps['items'], prefix: readonly string[]): Promise<MiniSearch<Text>> {
    if (this.#index === undefined) {
      const index = await newIndex()
      for await (const { key, value } of all.entries(rangeOf(prefix))) this.#set(index, idOf(key), value)
      // Only now: if the scan fails, the next search begins anew.
      this.#index = index
    }
    const changed = [...this.#changed]
    this.#changed = new Set()
    try {
      const items = await all.getMany(changed.map(keyOfId))
      for (const [at, id] of changed.entries()) this.#set(this.#index, id, items[at])
    } catch (error) {
      for (const id of changed) this.#changed.add(id)
      throw error
    }
    return this.#index
  }

  #set(index: MiniSearch<Text>, id: string, item: StoredItem | undefined): void {
    if (index.has(id)) index.discard(id)
    this.textLength -= this.#lengths.get(id) ?? 0
    this.#lengths.delete(id)
    const text = item === undefined ? '' : searchText(item)
    if (text === '') return
    index.add({ id, text })
    this.#lengths.set(id, text.length)
    this.textLength += text.length
  }
}

/** What a search by words looks into: what the put has said, else all of the value. */
function searchText({ value, index }: StoredItem): string {
  if (index === false) return ''
  if (index === undefined) return wordsOf(value)
  return index.map(path => (path === '$' ? wordsOf(value) : textsAt(value, path).join('\n'))).join('\n')
}

async function newIndex(): Promise<MiniSearch<Text>> {
  // Most programs never search by words.
  const { default: MiniSearch } = await import('minisearch')
  return new MiniSearch<Text>({
    fields: ['text'],
    tokenize: wordsIn,
    searchOptions: { prefix: word => word.length >= PREFIX_LETTERS_MIN },
  })
}

let segmenter: Intl.Segmenter | undefined

function wordsIn(text: string): string[] {
  const words = text.split(SPACE_OR_MARK).filter(word => word !== '')
  if (!UNSPACED.test(text)) return words
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'word' })
  return words.flatMap(word =>
    UNSPACED.test(word) ? [...segmenter!.segment(word)].map(({ segment }) => segment) : [word],
  )
}
