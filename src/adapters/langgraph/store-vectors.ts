/** Vectors of items: what makes them of a put, and how near they are to a query's. */
import type { IndexConfig } from '@langchain/langgraph-checkpoint'
import { WrongCallError } from '../../index.js'
import { type ItemMaps, type ItemVectors, type Ranked, rangeOf } from './store-items.js'
import { idOf } from './store-keys.js'
import type { Put, Search } from './store-operations.js'
import { textsAt } from './store-text.js'

/**
 * The vectors of each put that has text, in one call of `embedDocuments`; `undefined` if none of them has. A text that is
 * there more than once is embedded once.
 */
export function embedPuts(
  puts: readonly Put[],
  config: IndexConfig | undefined,
): Promise<(ItemVectors | undefined)[]> | undefined {
  if (config === undefined) return undefined
  const texts = puts.map(({ value, index }) => {
    if (value === null || index === false) return []
    return (index ?? config.fields ?? ['$']).flatMap(path => textsAt(value, path))
  })
  const distinct = [...new Set(texts.flat())]
  return distinct.length === 0 ? undefined : embed(texts, distinct, config)
}

async function embed(
  texts: readonly (readonly string[])[],
  distinct: readonly string[],
  { dims, embeddings }: IndexConfig,
): Promise<(ItemVectors | undefined)[]> {
  const made = await embeddings.embedDocuments([...distinct])
  if (!Array.isArray(made) || made.length !== distinct.length) {
    throw wrong(
      `embedDocuments was given ${distinct.length} texts and gave ${Array.isArray(made) ? made.length : 'no'} vectors`,
      'Give embeddings that make a vector of each text',
    )
  }
  const vectors = new Map(distinct.map((text, at) => [text, unitVector(made[at], dims)]))
  return texts.map(ofItem => {
    if (ofItem.length === 0) return undefined
    const data = new Float32Array(ofItem.length * dims)
    for (const [at, text] of ofItem.entries()) data.set(vectors.get(text)!, at * dims)
    return { dims, data }
  })
}

/** Items under a prefix by the cosine of their nearest vector, the nearest first. `isAllowed` tells an item by its id. */
export async function rankByVector(
  { vectors }: ItemMaps,
  { dims, embeddings }: IndexConfig,
  { prefix, query }: Search,
  isAllowed: (id: string) => boolean,
): Promise<Ranked[]> {
  const wanted = unitVector(await embeddings.embedQuery(query!), dims)
  const ranked: Ranked[] = []
  for await (const { key, value } of vectors.entries(rangeOf(prefix))) {
    if (!isAllowed(idOf(key))) continue
    if (value.dims !== dims) {
      throw wrong(
        `The item ${JSON.stringify(key.at(-1))} was put with vectors of ${value.dims} dimensions, and index.dims is ${dims}`,
        'Put the items again, or give the store a map of its own for these embeddings',
      )
    }
    ranked.push({ key, score: nearest(value.data, wanted) })
  }
  return ranked.sort((a, b) => b.score - a.score)
}

function nearest(data: Float32Array, wanted: Float32Array): number {
  const dims = wanted.length
  let best = -1
  for (let start = 0; start < data.length; start += dims) {
    let score = 0
    for (let at = 0; at < dims; at++) score += data[start + at]! * wanted[at]!
    if (score > best) best = score
  }
  // Rounding may lead a hair out of the range of a cosine.
  return Math.min(best, 1)
}

/** A vector of length 1 in the same direction. */
function unitVector(vector: unknown, dims: number): Float32Array {
  const numbers = ArrayBuffer.isView(vector) ? Array.from(vector as Float32Array) : vector
  if (!Array.isArray(numbers) || numbers.length !== dims) {
    throw wrong(
      `The embeddings gave ${Array.isArray(numbers) ? `${numbers.length} dimensions` : 'no vector'}, and index.dims is ${dims}`,
      'Give index.dims as the embeddings have it',
    )
  }
  let squares = 0
  for (const each of numbers) squares += each * each
  const length = Math.sqrt(squares)
  if (!Number.isFinite(length))
    throw wrong(
      'The embeddings gave a vector with what is no finite number',
      'Give embeddings that make vectors of numbers',
    )
  return Float32Array.from(numbers, (each: number) => (length === 0 ? 0 : each / length))
}

function wrong(message: string, next: string): WrongCallError {
  return new WrongCallError('INVALID_ARGUMENT', { message, next })
}
