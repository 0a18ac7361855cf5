/**
 * How a value is refused: what was found, where, and what to do.
 *
 * The walk over a value keeps no path, because nearly every value is fine. Whoever refuses throws a `Refusal`, every
 * container on the way out adds the step that led into it, and `encodeValue` makes one error of it at the top.
 */
import { types } from 'node:util'
import { AgentMemoryError, WrongCallError } from '../core/errors.js'

/** Thrown through the walk. It is no Error: it never leaves the codec, and a stack for each would cost microseconds. */
export class Refusal {
  /** Steps and the containers they start from, innermost first. */
  readonly steps: string[] = []
  readonly containers: object[] = []

  constructor(
    readonly found: string,
    readonly next: string,
    readonly isTooDeep = false,
  ) {}

  add(step: string, container: object): this {
    this.steps.push(step)
    this.containers.push(container)
    return this
  }
}

/** The step from a container to one of its properties, as one would write it in a program. */
export function propertyStep(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  if (/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) && key.length <= 60) return `.${key}`
  return `[${quoted(key)}]`
}

/** A text in quotes, not longer than a message can bear. */
export function quoted(text: string): string {
  return JSON.stringify(shortened(text))
}

/** The error of a refusal that reached the top. */
export function refusalError(refusal: Refusal): WrongCallError {
  const steps = refusal.steps.toReversed()
  if (refusal.isTooDeep) {
    const cycle = findCycle(refusal.containers.toReversed())
    if (cycle !== undefined) {
      return new WrongCallError('VALUE_CYCLIC', {
        message: `The value contains itself: ${path(steps.slice(0, cycle.at))} is ${path(steps.slice(0, cycle.back))} again`,
        next: 'Store an id in place of the reference that points back',
      })
    }
  }
  // A path of hundreds of steps says no more than its beginning.
  const where = steps.length > 20 ? `${path(steps.slice(0, 20))}…` : path(steps)
  return new WrongCallError('VALUE_UNSUPPORTED', { message: `${where} is ${refusal.found}`, next: refusal.next })
}

/** The error for a value over the limit. `isExact` is false where the walk stopped before it knew the whole size. */
export function tooLargeError(bytes: number, limitBytes: number, isExact: boolean): AgentMemoryError {
  const size = `${isExact ? '' : 'at least '}${bytes.toLocaleString('en-US')} bytes`
  return new AgentMemoryError('VALUE_TOO_LARGE', {
    message: `A value of ${size} is over the limit of ${limitBytes.toLocaleString('en-US')} bytes`,
    next: 'Use smaller pieces: store its parts under keys of their own, or raise frameBytesMax',
  })
}

/** What a thing is that cannot be stored, and what to do about it. */
export function unsupported(value: unknown): Refusal {
  if (typeof value === 'function') {
    return new Refusal(
      `a function${value.name === '' ? '' : ` (${shortened(value.name)})`}`,
      'Functions cannot be stored: leave it out, or store what it returns',
    )
  }
  if (typeof value === 'symbol') {
    return new Refusal(`a symbol (${shortened(String(value))})`, 'Symbols cannot be stored: use a string')
  }
  const object = Object(value) as object
  if (types.isPromise(object)) return new Refusal('a Promise', 'Await it, and store its result')
  if (types.isBoxedPrimitive(object)) {
    return new Refusal(`a boxed primitive (${className(object)})`, 'Store the primitive: call its valueOf()')
  }
  if (types.isNativeError(object)) {
    return new Refusal(`an Error (${className(object)})`, 'Store a plain object such as { name, message, stack }')
  }
  if (types.isWeakMap(object) || types.isWeakSet(object)) {
    return new Refusal(`a ${className(object)}`, 'Its content cannot be listed: store a Map or a Set')
  }
  if (types.isSharedArrayBuffer(object)) {
    return new Refusal('a SharedArrayBuffer', 'Store a copy of its bytes: Buffer.from(new Uint8Array(it))')
  }
  return new Refusal(
    `an instance of the class ${className(object)}`,
    'Store a plain object, for example { ...it }: a class would come back without its methods',
  )
}

/** Of an array that is not dense, why not. */
export function unsupportedArray(array: readonly unknown[]): Refusal {
  const [symbol] = Object.getOwnPropertySymbols(array)
  const extra = Object.keys(array).find(key => String(Number(key) >>> 0) !== key) ?? symbol
  return extra === undefined
    ? new Refusal('an array with holes', 'Fill the holes with null, or use an object')
    : new Refusal(`an array with the property ${String(extra)}`, 'Store a plain copy, as [...it], or an object')
}

export function unsupportedSymbolKey(object: object): Refusal {
  const [symbol] = Object.getOwnPropertySymbols(object)
  return new Refusal(`an object with the symbol ${String(symbol)} as a key`, 'Use strings as keys')
}

/** A container at the deepest level. It goes on the refusal too: a cycle of any length shows up as the same one twice. */
export function tooDeep(container: object, levels: number): Refusal {
  const next = 'Store its inner parts under keys of their own'
  return new Refusal(`nested deeper than ${levels} levels`, next, true).add('', container)
}

/** The error for bytes that are no value. */
export function undecodable(
  cause: unknown,
  message = 'The bytes of a value cannot be decoded',
  next = 'Run "npx holdfast verify" to learn what else is damaged, and restore the value from a backup',
): AgentMemoryError {
  return new AgentMemoryError('STORE_CORRUPT', { message, next, cause })
}

/** The name of an object's class, without trusting anything about the object. */
export function className(object: object): string {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (typeof prototype !== 'object' || prototype === null) return '(none)'
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'constructor')
  const maker: unknown = descriptor?.value
  return typeof maker === 'function' && maker.name !== '' ? shortened(maker.name) : '(anonymous)'
}

function path(steps: readonly string[]): string {
  return `value${steps.join('')}`
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** Where a chain of containers, outermost first, comes to one that it has been in before. */
function findCycle(containers: readonly object[]): { at: number; back: number } | undefined {
  const seen = new Map<object, number>()
  for (const [at, container] of containers.entries()) {
    const back = seen.get(container)
    if (back !== undefined) return { at, back }
    seen.set(container, at)
  }
  return undefined
}
