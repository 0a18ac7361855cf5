// The same calls to the framework's own InMemoryStore and to ours give the same results, but for what docs/langgraph-store.md
// says of the differences: results are in the order of their keys, and namespaces and vectors go with the last item.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  InMemoryStore,
  type Item,
  type Operation,
  type OperationResults,
  type SearchItem,
} from '@langchain/langgraph-checkpoint'
import fc from 'fast-check'
import { HoldfastStore } from '../../src/adapters/langgraph/index.js'
import { ManualClock } from '../../src/testing/index.js'
import { freshMemory } from '../api/temporary-folder.js'
import { indexOf, LetterEmbeddings } from './langgraph-stores.js'

/** What InMemoryStore keeps of an item that is gone, or that is put anew without text, is taken away from it. */
class Reference extends InMemoryStore {
  override async batch<Op extends readonly Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    const inside = this as unknown as Record<'data' | 'vectors', Map<string, Map<string, unknown>>>
    const puts = operations.filter(each => 'value' in each)
    const reads = operations.map(each => ('value' in each ? undefined : each))
    const results = await super.batch(reads.filter(each => each !== undefined))
    for (const { namespace, key } of puts) inside.vectors.get(namespace.join(':'))?.delete(key)
    await super.batch(puts)
    for (const [namespace, items] of inside.data) if (items.size === 0) inside.data.delete(namespace)
    let at = 0
    return reads.map(each => (each === undefined ? undefined : results[at++])) as OperationResults<Op>
  }
}

const label = fc.constantFrom('a', 'ab', 'b', 'c')
const namespace = fc.array(label, { minLength: 1, maxLength: 3 })
const key = fc.constantFrom('k', 'kk', 'l', '')
const leaf = fc.constantFrom(0, 1, 2, -1, '1', 'x', true, false, null)
const text = fc.constantFrom('pizza', 'noodle soup', 'a red car', 'zzz')
const value = fc.record(
  { n: leaf, m: leaf, text: fc.oneof(text, fc.array(text, { maxLength: 3 })) },
  { requiredKeys: [] },
)
const wanted = fc.oneof(
  leaf,
  fc.dictionary(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), leaf, { maxKeys: 2 }),
  fc.record({ $in: fc.array(leaf) }),
  fc.record({ $nin: fc.array(leaf) }),
)
const filter = fc.option(fc.dictionary(fc.constantFrom('n', 'm'), wanted, { maxKeys: 2 }), { nil: undefined, freq: 2 })
const path = fc.array(fc.oneof({ weight: 3, arbitrary: label }, fc.constant('*')), { maxLength: 2 })
const condition = fc.record({ matchType: fc.constantFrom('prefix' as const, 'suffix' as const), path })

const put = fc.record({
  namespace,
  key,
  value: fc.option(value, { freq: 4 }),
  index: fc.constantFrom(undefined, undefined, false as const, ['text'], ['text[*]', 'n']),
})
const read = fc.oneof(
  fc.record({ namespace, key }),
  fc.record({
    namespacePrefix: fc.array(label, { maxLength: 2 }),
    filter,
    query: fc.option(text, { nil: undefined }),
    limit: fc.constant(1000),
  }),
  fc.record({
    matchConditions: fc.option(fc.array(condition, { maxLength: 2 }), { nil: undefined }),
    maxDepth: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    limit: fc.constant(1000),
    offset: fc.constant(0),
  }),
)
const batches = fc.array(fc.array(fc.oneof({ weight: 2, arbitrary: put }, read), { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 8,
})

for (const [title, isIndexed] of Object.entries({ 'without embeddings': false, 'with embeddings': true })) {
  test(`random batches do the same in the framework's own store and in ours, ${title}`, async t => {
    // Time stands still, so that no deadline of a store has to do with how busy the machine is.
    const memory = await freshMemory(t, { store: 'in-memory', clock: new ManualClock() })
    let map = 0
    const options = isIndexed ? { index: indexOf(new LetterEmbeddings(), { fields: ['text'] }) } : {}
    await fc.assert(
      fc.asyncProperty(batches, async all => {
        const ours = new HoldfastStore(memory, { ...options, map: `run-${map++}` })
        const theirs = new Reference(options)
        for (const batch of all) {
          // Without embeddings theirs takes no notice of a query, and ours looks for its words.
          const operations = batch.map(each =>
            'query' in each && !isIndexed ? { ...each, query: undefined } : each,
          ) as Operation[]
          const [mine, expected] = await Promise.all([ours.batch(operations), theirs.batch(operations)])
          assert.deepEqual(mine.map(comparable), expected.map(comparable))
        }
        await checkPages(ours)
      }),
      { numRuns: 25 },
    )
  })
}

/** Without moments, and in the order of keys: of those with a score the best first. */
function comparable(result: unknown): unknown {
  if (result === null || result === undefined) return result
  if (!Array.isArray(result)) return plain(result as Item)
  if (result.every(each => Array.isArray(each))) return result.map(each => JSON.stringify(each)).sort()
  const items = (result as SearchItem[]).map(plain)
  const scores = items.map(({ score }) => score ?? '-1')
  assert.deepEqual(
    scores,
    scores.toSorted((a, b) => Number(b) - Number(a)),
    'the best first',
  )
  return items.map(item => JSON.stringify(item)).sort()
}

function plain({ namespace, key, value, score }: SearchItem) {
  return { namespace, key, value, score: score?.toFixed(4) }
}

/** Pages of any size, one after the other, are all there is. */
async function checkPages(store: HoldfastStore): Promise<void> {
  const namespaces = await store.listNamespaces({ limit: 1000 })
  const items = await store.search([], { limit: 1000 })
  const queried = await store.search([], { limit: 1000, query: 'pizza' })
  for (const limit of [1, 3]) {
    assert.deepEqual(await pages((offset: number) => store.listNamespaces({ limit, offset }), limit), namespaces)
    assert.deepEqual(await pages((offset: number) => store.search([], { limit, offset }), limit), items)
    assert.deepEqual(
      await pages((offset: number) => store.search([], { limit, offset, query: 'pizza' }), limit),
      queried,
    )
  }
}

async function pages<T>(page: (offset: number) => Promise<T[]>, limit: number): Promise<T[]> {
  const all: T[] = []
  for (let offset = 0; ; offset += limit) {
    const found = await page(offset)
    all.push(...found)
    if (found.length < limit) return all
  }
}
