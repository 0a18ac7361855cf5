/** Checks that options share: each says what is wrong and what would be right. */
import { WrongCallError } from './core/errors.js'
import { encodeSegment } from './core/key.js'
import type { DataClass } from './policy/data-class.js'
import { DURABILITIES, type Durability } from './policy/durability.js'

/** Throws UNKNOWN_OPTION for a field that `what` does not know, naming those that it does. */
export function checkObject(options: unknown, what: string, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new WrongCallError('INVALID_OPTION', {
      message: `The options of ${what} are ${options === null ? 'null' : Array.isArray(options) ? 'an array' : typeof options}`,
      next: 'Give an object, or leave them out',
    })
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue
    throw new WrongCallError('UNKNOWN_OPTION', {
      message: `${what} has no option "${key}"`,
      next: `The options are: ${known.join(', ')}`,
    })
  }
}

/** Throws INVALID_OPTION for a number that is not a whole one within its limits. */
export function integer(
  value: unknown,
  name: string,
  byDefault: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return byDefault
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`
  throw badOption(name, value, `a whole number ${range}`)
}

/** The name of a map, or of a sequence, encoded. */
export function parseName(name: unknown, kind: 'map' | 'sequence' = 'map'): string {
  if (typeof name === 'string' && name !== '' && name.isWellFormed()) return encodeSegment(name)
  throw new WrongCallError('INVALID_NAME', {
    message: `The name of a ${kind} is ${name === '' ? 'empty' : `not a well-formed string (${typeof name})`}`,
    next: `Give it a name, for example memory.${kind}('runs')`,
  })
}

// A thousand years: further away a sum of moments would not be exact, and nobody can mean it.
const TTL_MS_MAX = 1000 * 365 * 86_400_000

/** A time to live, in whole ms. */
export function parseTtl(ms: unknown, name: string): number {
  return integer(ms, name, 0, 1, TTL_MS_MAX)
}

export function parseDurability(durability: unknown): Durability | undefined {
  const found = DURABILITIES.find(each => each === durability)
  if (durability === undefined || found !== undefined) return found
  throw badOption('durability', durability, "'write-back', 'write-ahead' or 'write-through'")
}

/** Throws INVALID_OPTION for a data class that is no name, and for one beside a durability: they say the same thing. */
export function parseDataClass(dataClass: unknown, durability?: unknown): DataClass | undefined {
  if (dataClass === undefined) return undefined
  if (typeof dataClass !== 'string' || dataClass === '') {
    throw badOption('dataClass', dataClass, "the name of a data class, for example 'user_payment'")
  }
  if (durability === undefined) return dataClass
  throw new WrongCallError('INVALID_OPTION', {
    message: `Both a durability and the data class "${dataClass}" are given`,
    next: 'Give one of them: a data class stands for a durability',
  })
}

export function badOption(name: string, value: unknown, wanted: string): WrongCallError {
  return new WrongCallError('INVALID_OPTION', {
    message: `The option "${name}" is ${textOf(value)}`,
    next: `Give ${wanted}`,
  })
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return `"${value}"`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  return Array.isArray(value) ? 'an array' : 'an object'
}
