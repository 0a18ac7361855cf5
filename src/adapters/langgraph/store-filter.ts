/** Filters of a search: conditions on fields of an item's value, all of which have to hold. */
import { isDeepStrictEqual } from 'node:util'
import { WrongCallError } from '../../index.js'

export type Matches = (value: Record<string, unknown>) => boolean

/** Whether a field's value is as it has to be. `undefined` if the field is not there. */
type Test = (found: unknown) => boolean

const OPERATORS: Record<string, (wanted: unknown) => Test> = {
  $eq: wanted => found => isSame(found, wanted),
  $ne: wanted => found => !isSame(found, wanted),
  $gt: wanted => found => numberOf(found) > numberOf(wanted),
  $gte: wanted => found => numberOf(found) >= numberOf(wanted),
  $lt: wanted => found => numberOf(found) < numberOf(wanted),
  $lte: wanted => found => numberOf(found) <= numberOf(wanted),
  $in: wanted => found => listOf('$in', wanted).some(each => isSame(found, each)),
  $nin: wanted => found => !listOf('$nin', wanted).some(each => isSame(found, each)),
  $exists: wanted => found => (found !== undefined) === wanted,
}

/**
 * What a filter asks of a value; `undefined` for everything.
 *
 * @throws INVALID_ARGUMENT for an operator that is not known, naming it, and for one that is given what it cannot take
 */
export function matchesOf(filter: unknown): Matches | undefined {
  if (filter === undefined || filter === null) return undefined
  if (!isPlain(filter))
    throw wrong('The filter of a search is no object', 'Give one such as { status: "open", turns: { $gt: 3 } }')
  const tests = Object.entries(filter).map(([field, condition]) => ({ field, test: testOf(field, condition) }))
  if (tests.length === 0) return undefined
  return value => tests.every(({ field, test }) => test(Object.hasOwn(value, field) ? value[field] : undefined))
}

function testOf(field: string, condition: unknown): Test {
  const isOperators = isPlain(condition) && Object.keys(condition).every(key => key.startsWith('$'))
  if (!isOperators) {
    const mixed = isPlain(condition) ? Object.keys(condition).find(key => key.startsWith('$')) : undefined
    if (mixed === undefined) return OPERATORS.$eq!(condition)
    throw wrong(
      `The filter of ${JSON.stringify(field)} has ${mixed} beside what is no operator`,
      'Give operators only, or a value',
    )
  }
  const tests = Object.entries(condition).map(([name, wanted]) => {
    if (!Object.hasOwn(OPERATORS, name)) {
      throw wrong(
        `The filter of ${JSON.stringify(field)} has the operator ${JSON.stringify(name)}, which there is not`,
        `Use ${Object.keys(OPERATORS).join(', ')}`,
      )
    }
    if (name === '$in' || name === '$nin') listOf(name, wanted)
    if (name === '$exists' && typeof wanted !== 'boolean')
      throw wrong(`$exists is given ${typeof wanted}`, 'Give it true or false')
    return OPERATORS[name]!(wanted)
  })
  return found => tests.every(test => test(found))
}

/** What is stored is never the object that the filter holds, so objects are the same if their content is. */
function isSame(found: unknown, wanted: unknown): boolean {
  if (typeof found !== 'object' || typeof wanted !== 'object') return found === wanted
  return isDeepStrictEqual(found, wanted)
}

/** As the framework compares: by `Number`, so that what is no number is neither more nor less. */
function numberOf(value: unknown): number {
  try {
    return Number(value)
  } catch {
    return Number.NaN
  }
}

function listOf(name: string, wanted: unknown): readonly unknown[] {
  if (Array.isArray(wanted)) return wanted
  throw wrong(`${name} is given ${wanted === null ? 'null' : typeof wanted}`, 'Give it an array of values')
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function wrong(message: string, next: string): WrongCallError {
  return new WrongCallError('INVALID_ARGUMENT', { message, next })
}
