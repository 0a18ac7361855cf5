/**
 * The walk over a value before it is packed: it refuses what would not come back as it was, and replaces what
 * msgpackr would change without a word by specials (`special.ts`).
 *
 * A value that needs nothing replaced, nearly every one, is returned as it is. Otherwise the containers on the way to
 * the replacement are copied: the caller's value is never changed.
 *
 * The walk keeps a lower bound of the encoded size and stops once that is over the limit, so neither an enormous value
 * nor a small one that refers to the same part a billion times costs more memory than the limit allows.
 */
import { types } from 'node:util'
import {
  className,
  propertyStep,
  quoted,
  Refusal,
  tooDeep,
  tooLargeError,
  unsupported,
  unsupportedArray,
  unsupportedSymbolKey,
} from './refusal.js'
import { BINARY_CLASSES, KIND, SPECIAL_KEY } from './special.js'

/** Deepest nesting of a value. */
export const VALUE_DEPTH_MAX = 500

const BOM = 0xfeff
const LETTER_LOW_LINE = 0x5f
const LETTER_EXCLAMATION = 0x21

/** The kind of what has this prototype, for the prototypes that are stored as specials. */
type SpecialKind = 'date' | 'map' | 'set' | 'regexp' | number

const specialPrototypes = new Map<object, SpecialKind>([
  [Date.prototype, 'date'],
  [Map.prototype, 'map'],
  [Set.prototype, 'set'],
  [RegExp.prototype, 'regexp'],
])
for (const [index, binaryClass] of BINARY_CLASSES.entries()) {
  if (binaryClass !== undefined) specialPrototypes.set(binaryClass.prototype, index)
}

/** One walk over one value. */
export class Preparation {
  /** True once something was replaced: the tree then has specials in it. */
  hasSpecials = false
  /** Bytes that belong behind the tree, in the order of the tree. */
  readonly blobs: Uint8Array[] = []
  blobBytes = 0
  #bytesAtLeast = 0
  /** Whether somebody has put enumerable properties on Object.prototype. To ask every key is twice as slow. */
  readonly #prototypeHasKeys = hasEnumerableKeys(Object.prototype)

  constructor(readonly limitBytes: number) {}

  /** The value, or a copy in which specials stand for what MessagePack cannot say. Throws a `Refusal`. */
  prepare(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        this.#count(value.length + 1)
        return isPlainString(value) ? value : this.#string(value)
      case 'number':
        this.#bytesAtLeast += numberBytesAtLeast(value)
        return value === 0 && Object.is(value, -0) ? this.#special([KIND.negativeZero]) : value
      case 'boolean':
      case 'undefined':
        this.#bytesAtLeast++
        return value
      case 'bigint':
        return this.#bigint(value)
      case 'object': {
        if (value === null) {
          this.#bytesAtLeast++
          return value
        }
        this.#count(1)
        if (depth >= VALUE_DEPTH_MAX) throw tooDeep(value, VALUE_DEPTH_MAX)
        const prototype: unknown = Object.getPrototypeOf(value)
        if (prototype === Array.prototype && Array.isArray(value)) return this.#array(value, depth)
        if (prototype === Object.prototype) return this.#object(value as Record<string, unknown>, depth)
        return this.#other(value, prototype, depth)
      }
      default:
        throw unsupported(value)
    }
  }

  #array(array: readonly unknown[], depth: number): unknown {
    if (!isDense(array)) throw unsupportedArray(array)
    let copy: unknown[] | undefined
    let i = 0
    try {
      for (; i < array.length; i++) {
        const item = array[i]
        // Embeddings are long arrays of numbers.
        if (typeof item === 'number' && item !== 0) {
          this.#bytesAtLeast += numberBytesAtLeast(item)
          continue
        }
        const prepared = this.prepare(item, depth + 1)
        if (typeof prepared === 'object' && prepared !== item) {
          copy ??= [...array]
          copy[i] = prepared
        }
      }
    } catch (error) {
      throw error instanceof Refusal ? error.add(propertyStep(i), array) : error
    }
    return copy ?? array
  }

  /** `parts` is given for an object that has to be a special anyway: it begins with its kind. */
  #object(object: Record<string, unknown>, depth: number, parts?: unknown[]): unknown {
    if (Object.getOwnPropertySymbols(object).length > 0) throw unsupportedSymbolKey(object)
    let copy: Record<string, unknown> | undefined
    let at = ''
    try {
      for (const key in object) {
        if (this.#prototypeHasKeys && !Object.hasOwn(object, key)) continue
        at = key
        const item = object[key]
        this.#bytesAtLeast += key.length + 1
        // A key that no plain map can have turns the object into a special, from here on and for the keys before it.
        if (parts === undefined && !isPlainKey(key)) parts = entriesBefore(copy ?? object, key)
        if (parts !== undefined) {
          parts.push(isPlainString(key) ? key : this.#string(key), this.prepare(item, depth + 1))
          continue
        }
        const prepared = this.prepare(item, depth + 1)
        if (typeof prepared === 'object' && prepared !== item) {
          copy ??= { ...object }
          copy[key] = prepared
        }
      }
    } catch (error) {
      throw error instanceof Refusal ? error.add(propertyStep(at), object) : error
    }
    return parts === undefined ? (copy ?? object) : this.#special(parts)
  }

  #other(value: object, prototype: unknown, depth: number): unknown {
    if (prototype === null) return this.#object(value as Record<string, unknown>, depth, [KIND.nullObject])
    const kind = specialPrototypes.get(prototype as object)
    if (kind === undefined) throw unsupported(value)
    if (typeof kind === 'number') return this.#binary(value, kind)
    if (Object.keys(value).length > 0 || Object.getOwnPropertySymbols(value).length > 0) {
      throw new Refusal(`a ${className(value)} with properties of its own`, 'Store a plain object that holds both')
    }
    // An object may have the prototype of a class without being made by it.
    if (kind === 'date' && types.isDate(value)) return this.#special([KIND.date, value.getTime()])
    if (kind === 'map' && types.isMap(value)) return this.#map(value, depth)
    if (kind === 'set' && types.isSet(value)) return this.#set(value, depth)
    if (kind === 'regexp' && types.isRegExp(value) && typeof value.lastIndex === 'number') {
      const source = this.prepare(value.source, depth)
      return this.#special([KIND.regexp, source, value.flags, this.prepare(value.lastIndex, depth)])
    }
    throw unsupported(value)
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): unknown {
    const parts: unknown[] = [KIND.map]
    for (const [key, item] of map) {
      let step = `.keys()[${(parts.length - 1) / 2}]`
      try {
        parts.push(this.prepare(key, depth + 1))
        step = typeof key === 'string' ? `.get(${quoted(key)})` : `.values()[${(parts.length - 2) / 2}]`
        parts.push(this.prepare(item, depth + 1))
      } catch (error) {
        throw error instanceof Refusal ? error.add(step, map) : error
      }
    }
    return this.#special(parts)
  }

  #set(set: ReadonlySet<unknown>, depth: number): unknown {
    const parts: unknown[] = [KIND.set]
    for (const item of set) {
      try {
        parts.push(this.prepare(item, depth + 1))
      } catch (error) {
        throw error instanceof Refusal ? error.add(`.values()[${parts.length - 1}]`, set) : error
      }
    }
    return this.#special(parts)
  }

  #binary(value: object, classIndex: number): unknown {
    let bytes: Uint8Array
    if (types.isArrayBuffer(value)) {
      if ((value as { resizable?: boolean }).resizable === true) {
        throw new Refusal('a resizable ArrayBuffer', 'Store a copy of fixed length: buffer.slice(0)')
      }
      bytes = new Uint8Array(value)
    } else if (ArrayBuffer.isView(value)) {
      bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    } else {
      throw unsupported(value)
    }
    this.#count(bytes.length)
    return this.#special([KIND.binary, classIndex, this.#behind(bytes)])
  }

  #string(string: string): unknown {
    this.#count(string.length)
    return this.#special([KIND.string, this.#behind(Buffer.from(string, 'utf16le'))])
  }

  #bigint(bigint: bigint): unknown {
    this.#bytesAtLeast += 9
    if (BigInt.asIntN(64, bigint) === bigint || BigInt.asUintN(64, bigint) === bigint) return bigint
    const hex = bigint.toString(16)
    this.#count(hex.length)
    return this.#special([KIND.bigint, hex])
  }

  #behind(bytes: Uint8Array): number {
    this.blobs.push(bytes)
    this.blobBytes += bytes.length
    return bytes.length
  }

  #special(special: unknown[]): unknown {
    this.hasSpecials = true
    return { [SPECIAL_KEY]: special }
  }

  #count(bytes: number): void {
    this.#bytesAtLeast += bytes
    if (this.#bytesAtLeast > this.limitBytes) throw tooLargeError(this.#bytesAtLeast, this.limitBytes, false)
  }
}

/**
 * Whether msgpackr keeps the string. UTF-8 cannot say half a surrogate pair, and msgpackr's reader in JavaScript, which
 * is in use where its native part is not, drops a byte order mark at the start.
 */
function isPlainString(string: string): boolean {
  return string.isWellFormed() && string.charCodeAt(0) !== BOM
}

/** Whether `for … in` finds anything in it. */
function hasEnumerableKeys(object: object): boolean {
  for (const _ in object) return true
  return false
}

function numberBytesAtLeast(number: number): number {
  return (number | 0) === number ? 1 : 5
}

function isPlainKey(key: string): boolean {
  const first = key.charCodeAt(0)
  if (first === LETTER_LOW_LINE && key === '__proto__') return false
  if (first === LETTER_EXCLAMATION && key === SPECIAL_KEY) return false
  return first !== BOM && key.isWellFormed()
}

/** The parts of a special for the keys of an object that come before `end`. They are plain. */
function entriesBefore(object: Record<string, unknown>, end: string): unknown[] {
  const parts: unknown[] = [KIND.object]
  for (const key of Object.keys(object)) {
    if (key === end) break
    parts.push(key, object[key])
  }
  return parts
}

/** Whether an array has all of its items and no properties besides, such as those of a match of a RegExp. */
export function isDense(array: readonly unknown[]): boolean {
  // There is no cheaper way to learn it. The last key of such an array is its last index: names come after indices.
  const keys = Object.keys(array)
  if (keys.length !== array.length || (keys.length > 0 && keys.at(-1) !== String(keys.length - 1))) return false
  return Object.getOwnPropertySymbols(array).length === 0
}
