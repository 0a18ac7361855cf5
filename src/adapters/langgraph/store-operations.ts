/** The operations of a batch: what the framework gives, checked before anything is read or written. */
import {
  type IndexConfig,
  InvalidNamespaceError,
  type MatchCondition,
  type Operation,
  type PutOperation,
} from '@langchain/langgraph-checkpoint'
import { type Durability, WrongCallError } from '../../index.js'
import { copyOf } from './store-copy.js'
import { type Matches, matchesOf } from './store-filter.js'
import { type ItemKey, keyOf } from './store-keys.js'
import { checkPutOptions, isStrings, type StorePutOptions } from './store-options.js'

/** A put that says how long its item is kept, and how durable it is: see {@link StorePutOptions}. */
export type StorePutOperation = PutOperation & StorePutOptions

/** What {@link HoldfastStore.batch} takes. */
export type StoreOperation = Operation | StorePutOperation

export interface Get {
  kind: 'get'
  key: ItemKey
}

export interface Search {
  kind: 'search'
  prefix: readonly string[]
  matches: Matches | undefined
  query: string | undefined
  limit: number
  offset: number
}

export interface List {
  kind: 'list'
  conditions: readonly MatchCondition[]
  maxDepth: number | undefined
  limit: number
  offset: number
}

export interface Put {
  kind: 'put'
  key: ItemKey
  /** `null`: the item is deleted. */
  value: Record<string, unknown> | null
  index: IndexConfig['fields'] | false
  ttlMs: number | null | undefined
  durability: Durability | undefined
}

export type Read = Get | Search | List

const LIMIT = 10

/** @throws InvalidNamespaceError, INVALID_ARGUMENT, INVALID_OPTION, VALUE_CYCLIC */
export function parseOperations(operations: unknown): (Read | Put)[] {
  if (!Array.isArray(operations)) throw wrong('A batch is no array', 'Give an array of operations')
  return operations.map(parse)
}

function parse(operation: unknown): Read | Put {
  if (typeof operation !== 'object' || operation === null)
    throw wrong('An operation is no object', 'Give a get, put, search or list operation')
  const given = operation as Record<string, unknown>
  if ('namespacePrefix' in given) return parseSearch(given)
  if ('namespace' in given && 'key' in given) {
    const key = keyOf(checkNamespace(given.namespace), given.key)
    return 'value' in given ? parsePut(key, given) : { kind: 'get', key }
  }
  if ('matchConditions' in given || 'maxDepth' in given || 'limit' in given) return parseList(given)
  throw wrong(
    `An operation has ${Object.keys(given).join(', ') || 'no fields'}`,
    'Give a get, put, search or list operation',
  )
}

function parsePut(key: ItemKey, { value, index, ttlMs, durability }: Record<string, unknown>): Put {
  if (typeof value !== 'object')
    throw wrong(`The value of a put is a ${typeof value}`, 'Give an object, or null to delete the item')
  if (index !== undefined && index !== null && index !== false && !isStrings(index)) {
    throw wrong(
      'index of a put is neither false nor an array of strings',
      'Give paths such as ["title", "chapters[*].text"]',
    )
  }
  checkPutOptions({ ttlMs, durability })
  return {
    kind: 'put',
    key,
    value: copyOf(value) as Put['value'],
    index: index === null || index === undefined ? undefined : index === false ? false : [...(index as string[])],
    ttlMs: ttlMs as Put['ttlMs'],
    durability: durability as Put['durability'],
  }
}

function parseSearch({ namespacePrefix, filter, query, limit, offset }: Record<string, unknown>): Search {
  if (query !== undefined && query !== null && typeof query !== 'string')
    throw wrong(`The query of a search is a ${typeof query}`, 'Give a string')
  return {
    kind: 'search',
    prefix: checkNamespace(namespacePrefix, true),
    matches: matchesOf(filter),
    query: query || undefined,
    ...pageOf({ limit, offset }, LIMIT),
  }
}

function parseList({ matchConditions, maxDepth, limit, offset }: Record<string, unknown>): List {
  const conditions = matchConditions ?? []
  if (!Array.isArray(conditions)) throw wrong('matchConditions is no array', 'Give conditions, or leave them out')
  for (const { matchType, path } of conditions as Partial<MatchCondition>[]) {
    if (matchType !== 'prefix' && matchType !== 'suffix')
      throw wrong(`A matchType is ${String(matchType)}`, 'Give "prefix" or "suffix"')
    if (!isStrings(path))
      throw wrong('The path of a match condition is no array of strings', 'Give labels, or "*" for any one of them')
  }
  if (maxDepth !== undefined && maxDepth !== null && !isCount(maxDepth, 1))
    throw wrong(`maxDepth is ${String(maxDepth)}`, 'Give a whole number from 1')
  return {
    kind: 'list',
    conditions: conditions.map(({ matchType, path }: MatchCondition) => ({ matchType, path: [...path] })),
    maxDepth: (maxDepth as number | null | undefined) ?? undefined,
    ...pageOf({ limit, offset }, Number.MAX_SAFE_INTEGER),
  }
}

function pageOf(
  { limit, offset }: { limit: unknown; offset: unknown },
  byDefault: number,
): { limit: number; offset: number } {
  for (const [name, value] of Object.entries({ limit, offset })) {
    if (value !== undefined && value !== null && !isCount(value, 0))
      throw wrong(`${name} is ${String(value)}`, 'Give a whole number from 0')
  }
  return {
    limit: (limit as number | null | undefined) ?? byDefault,
    offset: (offset as number | null | undefined) ?? 0,
  }
}

function isCount(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min
}

/**
 * Labels as the framework wants them. It is not asked, since it takes the letters of a string for labels; the root label
 * `langgraph` is refused by `put` itself, as the framework does.
 */
function checkNamespace(namespace: unknown, mayBeEmpty = false): string[] {
  if (!Array.isArray(namespace))
    throw new InvalidNamespaceError(`A namespace is an array of labels, and this is a ${typeof namespace}.`)
  if (namespace.length === 0 && !mayBeEmpty) throw new InvalidNamespaceError('Namespace cannot be empty.')
  for (const label of namespace as unknown[]) {
    if (typeof label !== 'string')
      throw new InvalidNamespaceError(`Namespace labels must be strings, but got ${typeof label}.`)
    if (label === '') throw new InvalidNamespaceError('Namespace labels cannot be empty strings.')
    if (/[.:\0]/.test(label))
      throw new InvalidNamespaceError(
        `Invalid namespace label ${JSON.stringify(label)}: labels cannot contain '.', ':' or NUL.`,
      )
  }
  return [...namespace] as string[]
}

function wrong(message: string, next: string): WrongCallError {
  return new WrongCallError('INVALID_ARGUMENT', { message, next })
}
