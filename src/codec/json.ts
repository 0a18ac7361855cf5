/**
 * The strict JSON codec: plain JSON text in the log and in the store, for people who want to read their bytes. What JSON
 * would change without a word is refused; the rest comes back as it was.
 *
 * One walk writes the text: no property is read twice, and nobody's `toJSON` is asked.
 */
import { types } from 'node:util'
import { isDense, VALUE_DEPTH_MAX } from './prepare.js'
import {
  className,
  propertyStep,
  Refusal,
  refusalError,
  tooDeep,
  tooLargeError,
  undecodable,
  unsupported,
  unsupportedArray,
  unsupportedSymbolKey,
} from './refusal.js'

const USE_THE_DEFAULT = "leave out codec: 'json', as the default codec keeps it"

/**
 * The UTF-8 of a value's JSON text. The value is neither changed nor kept.
 *
 * @throws WrongCallError VALUE_UNSUPPORTED or VALUE_CYCLIC, with the path to what JSON would change
 * @throws AgentMemoryError VALUE_TOO_LARGE for more than `limitBytes`
 */
export function encodeJson(value: unknown, limitBytes: number): Buffer {
  const bytes = Buffer.from(textOf(value, limitBytes), 'utf8')
  if (bytes.length > limitBytes) throw tooLargeError(bytes.length, limitBytes, true)
  return bytes
}

/** The value of a JSON text, fresh. @throws AgentMemoryError STORE_CORRUPT if the bytes are none */
export function decodeJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown
  } catch (cause) {
    throw undecodable(cause)
  }
}

function textOf(value: unknown, limitBytes: number): string {
  const text = new JsonText(limitBytes)
  try {
    text.write(value, 0)
  } catch (error) {
    throw error instanceof Refusal ? refusalError(error) : error
  }
  return text.text
}

class JsonText {
  text = ''
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  write(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        // Escapes halves of surrogate pairs, which UTF-8 cannot say.
        this.#add(JSON.stringify(value))
        return
      case 'number':
        if (!Number.isFinite(value) || Object.is(value, -0)) throw notJson(Object.is(value, -0) ? '-0' : String(value))
        this.#add(String(value))
        return
      case 'boolean':
        this.#add(String(value))
        return
      case 'undefined':
        throw notJson('undefined', 'Leave it out, or store null')
      case 'bigint':
        throw notJson('a BigInt', 'Store it as a string')
      case 'object':
        if (value === null) this.#add('null')
        else this.#container(value, depth)
        return
      default:
        throw unsupported(value)
    }
  }

  #container(value: object, depth: number): void {
    if (depth >= VALUE_DEPTH_MAX) throw tooDeep(value, VALUE_DEPTH_MAX)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Array.prototype && Array.isArray(value)) this.#array(value, depth)
    else if (prototype === Object.prototype) this.#object(value as Record<string, unknown>, depth)
    else throw changedByJson(value, prototype)
  }

  #array(array: readonly unknown[], depth: number): void {
    if (!isDense(array)) throw unsupportedArray(array)
    this.#add('[')
    for (let i = 0; i < array.length; i++) {
      if (i > 0) this.#add(',')
      this.#item(array[i], depth, i, array)
    }
    this.#add(']')
  }

  #object(object: Record<string, unknown>, depth: number): void {
    if (Object.getOwnPropertySymbols(object).length > 0) throw unsupportedSymbolKey(object)
    this.#add('{')
    for (const [index, key] of Object.keys(object).entries()) {
      if (index > 0) this.#add(',')
      // `__proto__` is a property like any other to JSON.parse.
      this.#add(`${JSON.stringify(key)}:`)
      this.#item(object[key], depth, key, object)
    }
    this.#add('}')
  }

  #item(item: unknown, depth: number, step: string | number, container: object): void {
    try {
      this.write(item, depth + 1)
    } catch (error) {
      throw error instanceof Refusal ? error.add(propertyStep(step), container) : error
    }
  }

  /** A char takes a byte at least. Without a look at it on the way, a small value could have an enormous text. */
  #add(text: string): void {
    this.text += text
    if (this.text.length > this.#limit) throw tooLargeError(this.text.length, this.#limit, false)
  }
}

function notJson(found: string, next = 'Store null or a string'): Refusal {
  return new Refusal(`${found}, which JSON cannot say`, `${next}, or ${USE_THE_DEFAULT}`)
}

function changedByJson(value: object, prototype: unknown): Refusal {
  if (prototype === null) return notJson('an object without a prototype', 'Store { ...it }')
  const isKeptByDefault =
    types.isDate(value) || types.isMap(value) || types.isSet(value) || types.isRegExp(value) || isBytes(value)
  return isKeptByDefault ? notJson(`an instance of the class ${className(value)}`, 'Convert it') : unsupported(value)
}

function isBytes(value: object): boolean {
  return ArrayBuffer.isView(value) || types.isArrayBuffer(value)
}
