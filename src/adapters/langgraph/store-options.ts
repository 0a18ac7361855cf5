/** Options of a store and of its writes, checked. */
import type { IndexConfig } from '@langchain/langgraph-checkpoint'
import { type AgentMemoryOptions, type Durability, WrongCallError } from '../../index.js'

export interface HoldfastStoreOptions {
  /** The map that holds the items; their vectors are in a map of this name with `.vectors` behind it. @defaultValue `langgraph-store` */
  map?: string
  /** How durable writes are that do not say otherwise. @defaultValue that of the map, else of the memory: write-ahead */
  durability?: Durability
  /** How long an item is kept after it was put, in ms, if its put does not say otherwise; it is then absent. @defaultValue for ever */
  ttlMs?: number
  /**
   * A `get` or `search` that shows an item lets it be kept as long again as its put has said. It is written as write-back: a
   * crash may take back what the last reads have added.
   *
   * @defaultValue false
   */
  refreshOnRead?: boolean
  /**
   * Searches with a query compare vectors, which `embeddings` makes of the text at the paths `fields` (default: of the whole
   * value). `dims` is checked.
   *
   * @defaultValue none: searches with a query look for the query's words
   */
  index?: IndexConfig
}

export interface HoldfastStoreFromOptions extends HoldfastStoreOptions {
  /** Options of the memory. */
  memory?: AgentMemoryOptions
}

/** What a single put may say for itself. */
export interface StorePutOptions {
  /** How long the item is kept from now on, in ms; `null`: for ever. @defaultValue that of the store */
  ttlMs?: number | null
  /** How durable the put is. @defaultValue that of the store */
  durability?: Durability
}

const DURABILITIES: readonly unknown[] = ['write-back', 'write-ahead', 'write-through']
const STORE_KEYS = ['map', 'durability', 'ttlMs', 'refreshOnRead', 'index']
const INDEX_KEYS = ['dims', 'embeddings', 'fields']

export function checkStoreOptions(options: unknown, more: readonly string[] = []): void {
  checkKeys(options, 'a store', [...STORE_KEYS, ...more])
  const { durability, ttlMs, refreshOnRead, index } = options as HoldfastStoreOptions
  checkPutOptions({ durability, ttlMs })
  if (ttlMs === null) throw wrong('ttlMs is null', 'Leave it out to keep items for ever')
  if (refreshOnRead !== undefined && typeof refreshOnRead !== 'boolean') {
    throw wrong(`refreshOnRead is ${String(refreshOnRead)}`, 'Give true or false')
  }
  if (index !== undefined) checkIndex(index)
}

export function checkPutOptions(options: { durability?: unknown; ttlMs?: unknown }): void {
  checkKeys(options, 'a put', ['ttlMs', 'durability'])
  const { durability, ttlMs } = options
  if (durability !== undefined && !DURABILITIES.includes(durability)) {
    throw wrong(`durability is ${String(durability)}`, `Give one of ${DURABILITIES.join(', ')}`)
  }
  if (ttlMs !== undefined && ttlMs !== null && !(Number.isSafeInteger(ttlMs) && (ttlMs as number) > 0)) {
    throw wrong(`ttlMs is ${String(ttlMs)}`, 'Give a whole number of milliseconds above 0, or leave it out')
  }
}

function checkIndex(index: IndexConfig): void {
  checkKeys(index, 'index', INDEX_KEYS)
  const { dims, embeddings, fields } = index
  if (!(Number.isSafeInteger(dims) && dims > 0)) {
    throw wrong(`index.dims is ${String(dims)}`, 'Give the number of dimensions that the embeddings have')
  }
  if (typeof embeddings?.embedDocuments !== 'function' || typeof embeddings.embedQuery !== 'function') {
    throw wrong('index.embeddings has no embedDocuments or no embedQuery', 'Give Embeddings of LangChain')
  }
  if (fields !== undefined && !isStrings(fields)) {
    throw wrong(
      'index.fields is no array of strings',
      'Give paths such as ["title", "chapters[*].text"], or leave it out',
    )
  }
}

export function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(each => typeof each === 'string')
}

function checkKeys(options: unknown, what: string, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw wrong(`The options of ${what} are no object`, 'Give an object, or leave them out')
  }
  const unknown = Object.keys(options).find(key => !known.includes(key))
  if (unknown === undefined) return
  throw new WrongCallError('UNKNOWN_OPTION', {
    message: `${what} has no option ${JSON.stringify(unknown)}`,
    next: `Its options are ${known.join(', ')}`,
  })
}

function wrong(message: string, next: string): WrongCallError {
  return new WrongCallError('INVALID_OPTION', { message, next })
}
