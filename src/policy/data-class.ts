/** Data classes: durabilities by the name of what is written. */
import { WrongCallError } from '../core/errors.js'
import { DURABILITIES, type Durability } from './durability.js'

/** The data classes that are known without a rule. */
export type KnownDataClass =
  | 'access_log'
  | 'auth_token'
  | 'cache_hit'
  | 'user_payment'
  | 'user_preference'
  | 'view_count'

/** A data class: a known one, or one of your own. */
// The empty object keeps the known ones in an editor's suggestions, though any string will do.
export type DataClass = KnownDataClass | (string & {})

const KNOWN: ReadonlyMap<string, Durability> = new Map<KnownDataClass, Durability>([
  ['user_payment', 'write-through'],
  ['user_preference', 'write-through'],
  ['auth_token', 'write-through'],
  ['access_log', 'write-back'],
  ['view_count', 'write-back'],
  ['cache_hit', 'write-back'],
])

/**
 * The durability that a data class means: that of your own classes, else of the known ones, else write-ahead.
 *
 * Known are `user_payment`, `user_preference` and `auth_token` (write-through), `access_log`, `view_count` and
 * `cache_hit` (write-back).
 *
 * @throws WrongCallError INVALID_ARGUMENT for a class that is no name, or an own class without a durability
 */
export function chooseDurability(
  dataClass: DataClass,
  ownClasses: Readonly<Record<string, Durability>> = {},
): Durability {
  if (typeof dataClass !== 'string' || dataClass === '') {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `A data class is ${dataClass === '' ? 'empty' : typeof dataClass}`,
      next: "Give its name, for example chooseDurability('user_payment')",
    })
  }
  // Names such as __proto__ are data.
  if (!Object.hasOwn(ownClasses, dataClass)) return KNOWN.get(dataClass) ?? 'write-ahead'
  const own = ownClasses[dataClass]
  if (own !== undefined && DURABILITIES.includes(own)) return own
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `The data class "${dataClass}" is given the durability ${String(own)}`,
    next: "Give 'write-back', 'write-ahead' or 'write-through'",
  })
}

/** Whether a class means something without a rule. */
export function isKnownClass(dataClass: string): boolean {
  return KNOWN.has(dataClass)
}
