/** Searches: the items under a prefix in the order of their keys, or the best first if there is a query. */
import type { SearchItem } from '@langchain/langgraph-checkpoint'
import type { StoreHome } from './store-home.js'
import { type Ranked, rangeOf, type StoredItem } from './store-items.js'
import { type ItemKey, idOf, partsOfKey } from './store-keys.js'
import type { Search } from './store-operations.js'
import { rankByVector } from './store-vectors.js'

/** An item that a search looks at, in the order in which it is to be shown. */
interface Candidate {
  key: ItemKey
  item: StoredItem
  score: number | undefined
}

/** Items that are read at once, of those that a ranking names. */
const READ_AT_ONCE = 32

export async function search(
  home: StoreHome,
  operation: Search,
  onShown: (key: ItemKey, item: StoredItem) => void,
): Promise<SearchItem[]> {
  const { matches, limit, offset } = operation
  const found: SearchItem[] = []
  let skipped = 0
  if (limit === 0) return found
  for await (const { key, item, score } of candidatesOf(home, operation)) {
    const { value, createdAt, updatedAt } = item
    if (matches !== undefined && !matches(value)) continue
    if (skipped++ < offset) continue
    onShown(key, item)
    if (found.push({ value, ...partsOfKey(key), createdAt, updatedAt, score }) === limit) break
  }
  return found
}

function candidatesOf(home: StoreHome, operation: Search): AsyncIterable<Candidate> {
  if (operation.query === undefined) return inOrder(home, operation)
  return home.index === undefined ? byWords(home, operation) : byVectors(home, operation)
}

async function* inOrder(home: StoreHome, { prefix, matches, limit, offset }: Search): AsyncGenerator<Candidate> {
  const pageSize = matches === undefined ? { pageSize: Math.min(256, Math.max(1, offset + limit)) } : {}
  for await (const { key, value } of home.items.entries({ ...rangeOf(prefix), ...pageSize })) {
    yield { key, item: value, score: undefined }
  }
}

async function* byWords(home: StoreHome, operation: Search): AsyncGenerator<Candidate> {
  yield* loaded(home, await home.words.rank(home, operation))
}

/** Behind what has a score comes what has no vectors, as in the framework's own store. */
async function* byVectors(home: StoreHome, operation: Search): AsyncGenerator<Candidate> {
  const { prefix, matches } = operation
  let allowed: Set<string> | undefined
  if (matches !== undefined) {
    // A scan of the items costs less than a read of each that has a score.
    allowed = new Set()
    for await (const { key, value } of home.items.entries(rangeOf(prefix)))
      if (matches(value.value)) allowed.add(idOf(key))
  }
  const ranked = await rankByVector(home, home.index!, operation, id => allowed?.has(id) ?? true)
  yield* loaded(home, ranked)
  for await (const { key, value } of home.items.entries(rangeOf(prefix))) {
    if (!value.isEmbedded) yield { key, item: value, score: undefined }
  }
}

/** What a ranking names, if it is still there. */
async function* loaded(home: StoreHome, ranked: readonly Ranked[]): AsyncGenerator<Candidate> {
  for (let from = 0; from < ranked.length; from += READ_AT_ONCE) {
    const some = ranked.slice(from, from + READ_AT_ONCE)
    const items = await home.items.getMany(some.map(({ key }) => key))
    for (const [at, item] of items.entries()) {
      if (item !== undefined) yield { ...some[at]!, item }
      // It has expired, or is deleted just now.
      else home.words.changed(idOf(some[at]!.key))
    }
  }
}
