/** Checks that options share, and their errors. */
import { WrongCallError } from './core/errors.js'

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
