/** Copies of values as they are at the moment of a call, since what a put waits for gives its caller time to change them. */
import { WrongCallError } from '../../index.js'

/** What is nested deeper is refused when it is encoded. */
const LEVELS_MAX = 500

/**
 * A copy of all data in a value. What is no data, such as instances of classes, stays what it is: it is refused when the value
 * is encoded, as it would be without a copy.
 *
 * @throws VALUE_CYCLIC
 */
export function copyOf(value: unknown): unknown {
  return copy(value, [])
}

function copy(value: unknown, above: readonly unknown[]): unknown {
  if (typeof value !== 'object' || value === null || above.length > LEVELS_MAX) return value
  if (above.includes(value)) {
    throw new WrongCallError('VALUE_CYCLIC', {
      message: 'The value of a put holds itself',
      next: 'Put what has no cycles, for example by ids in place of references',
    })
  }
  const inside = [...above, value]
  if (Array.isArray(value)) {
    const isDense = Reflect.ownKeys(value).length === value.length + 1
    return isDense ? value.map(each => copy(each, inside)) : value
  }
  switch (Object.getPrototypeOf(value)) {
    case Object.prototype:
    case null:
      return copyFields(value, inside)
    case Map.prototype:
      return new Map(
        [...(value as Map<unknown, unknown>)].map(([key, each]) => [copy(key, inside), copy(each, inside)]),
      )
    case Set.prototype:
      return new Set([...(value as Set<unknown>)].map(each => copy(each, inside)))
    case Buffer.prototype:
      return Buffer.from(value as Buffer)
    default:
      return value instanceof Date || ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? cloned(value) : value
  }
}

function copyFields(value: object, inside: readonly unknown[]): unknown {
  const fields = Object.entries(Object.getOwnPropertyDescriptors(value))
  const isData = fields.every(([, field]) => field.enumerable && 'value' in field)
  if (!isData || Object.getOwnPropertySymbols(value).length > 0) return value
  const made: object = Object.create(Object.getPrototypeOf(value))
  // Not by assignment: `__proto__` is a name like any other.
  for (const [key, field] of fields) Object.defineProperty(made, key, { ...field, value: copy(field.value, inside) })
  return made
}

/** Of a class that only looks like data, the prototype would be lost. */
function cloned(value: object): unknown {
  const made = structuredClone(value)
  return Object.getPrototypeOf(made) === Object.getPrototypeOf(value) ? made : value
}
