/**
 * What MessagePack, as we use it, cannot say by itself: how it is written down, and how it is made again.
 *
 * A special stands in the tree as a map with the one key `!`: `{ "!": [kind, ...] }`. Nothing else in such a tree has
 * that key (an object that does is itself written as a special), so the two cannot be confused. Bytes stand behind the
 * tree, in the order in which the tree mentions them. docs/formats/stored-value.md draws it.
 *
 * No extension types of msgpackr are used: its table of them is shared by everything in the process that uses the
 * library, and another user could change what our numbers mean.
 */
import { invariant } from '../core/assert.js'

/** The key that marks a special. */
export const SPECIAL_KEY = '!'

/** Kinds of specials. The numbers are on disk: never change or reuse one. */
export const KIND = {
  /** Key, value, key, value … of an object with keys that a plain map cannot have. */
  object: 0,
  /** The same, of an object without a prototype. */
  nullObject: 1,
  /** Nothing. */
  negativeZero: 2,
  /** The length of its UTF-16LE in bytes, which stand behind the tree. */
  string: 3,
  /** Hexadecimal, with a leading `-` if negative. */
  bigint: 4,
  /** Milliseconds; NaN for an invalid date. */
  date: 5,
  /** Key, value, key, value … */
  map: 6,
  /** Its values. */
  set: 7,
  /** Number of the class in `BINARY_CLASSES`, length in bytes; the bytes stand behind the tree. */
  binary: 8,
  /** Source, flags, lastIndex. */
  regexp: 9,
} as const

type BinaryObject = ArrayBuffer | ArrayBufferView

interface BinaryClass {
  readonly prototype: object
  /** Makes one from a buffer that is exactly its bytes and belongs to nobody else. */
  readonly make: (bytes: ArrayBuffer) => BinaryObject
}

/** Newer runtimes have it, and older ones cannot name it. */
const float16 = (globalThis as { Float16Array?: new (bytes: ArrayBuffer) => ArrayBufferView }).Float16Array

/** Classes of bytes. Their places in this list are on disk: add at the end only. */
export const BINARY_CLASSES: readonly (BinaryClass | undefined)[] = [
  { prototype: Buffer.prototype, make: bytes => Buffer.from(bytes) },
  { prototype: Uint8Array.prototype, make: bytes => new Uint8Array(bytes) },
  { prototype: Int8Array.prototype, make: bytes => new Int8Array(bytes) },
  { prototype: Uint8ClampedArray.prototype, make: bytes => new Uint8ClampedArray(bytes) },
  { prototype: Int16Array.prototype, make: bytes => new Int16Array(bytes) },
  { prototype: Uint16Array.prototype, make: bytes => new Uint16Array(bytes) },
  { prototype: Int32Array.prototype, make: bytes => new Int32Array(bytes) },
  { prototype: Uint32Array.prototype, make: bytes => new Uint32Array(bytes) },
  { prototype: Float32Array.prototype, make: bytes => new Float32Array(bytes) },
  { prototype: Float64Array.prototype, make: bytes => new Float64Array(bytes) },
  { prototype: BigInt64Array.prototype, make: bytes => new BigInt64Array(bytes) },
  { prototype: BigUint64Array.prototype, make: bytes => new BigUint64Array(bytes) },
  { prototype: ArrayBuffer.prototype, make: bytes => bytes },
  { prototype: DataView.prototype, make: bytes => new DataView(bytes) },
  float16 && { prototype: float16.prototype as object, make: bytes => new float16(bytes) },
]

/** Puts the specials back into a decoded tree, which it changes: the tree is ours, fresh from the decoder. */
export function restoreSpecials(tree: unknown, blobs: BlobReader): unknown {
  if (typeof tree !== 'object' || tree === null) return tree
  if (Array.isArray(tree)) {
    const array: unknown[] = tree
    for (let i = 0; i < array.length; i++) {
      if (typeof array[i] === 'object') array[i] = restoreSpecials(array[i], blobs)
    }
    return array
  }
  const object = tree as Record<string, unknown>
  if (Object.hasOwn(object, SPECIAL_KEY)) return restoreSpecial(object[SPECIAL_KEY], blobs)
  for (const key of Object.keys(object)) {
    if (typeof object[key] === 'object') object[key] = restoreSpecials(object[key], blobs)
  }
  return object
}

function restoreSpecial(special: unknown, blobs: BlobReader): unknown {
  if (!Array.isArray(special)) throw new Error('a special is no array')
  const [kind, ...parts]: unknown[] = special
  switch (kind) {
    case KIND.object:
      return restoreObject({}, parts, blobs)
    case KIND.nullObject:
      return restoreObject(Object.create(null) as object, parts, blobs)
    case KIND.negativeZero:
      return -0
    case KIND.string:
      return blobs.take(parts[0]).toString('utf16le')
    case KIND.bigint: {
      const hex = String(parts[0])
      return hex.startsWith('-') ? -BigInt(`0x${hex.slice(1)}`) : BigInt(`0x${hex}`)
    }
    case KIND.date:
      return new Date(Number(parts[0]))
    case KIND.map: {
      const map = new Map<unknown, unknown>()
      for (let i = 0; i < parts.length; i += 2) {
        const key = restoreSpecials(parts[i], blobs)
        map.set(key, restoreSpecials(parts[i + 1], blobs))
      }
      return map
    }
    case KIND.set: {
      const set = new Set<unknown>()
      for (const part of parts) set.add(restoreSpecials(part, blobs))
      return set
    }
    case KIND.binary: {
      const binaryClass = BINARY_CLASSES[Number(parts[0])]
      if (binaryClass === undefined) throw new Error(`class ${String(parts[0])} of bytes is not known to this runtime`)
      const bytes = blobs.take(parts[1])
      const copy = new ArrayBuffer(bytes.length)
      new Uint8Array(copy).set(bytes)
      return binaryClass.make(copy)
    }
    case KIND.regexp: {
      const source = String(restoreSpecials(parts[0], blobs))
      const regexp = new RegExp(source, String(parts[1]))
      regexp.lastIndex = Number(restoreSpecials(parts[2], blobs))
      return regexp
    }
    default:
      throw new Error(`a special of the unknown kind ${String(kind)}`)
  }
}

function restoreObject(object: object, parts: readonly unknown[], blobs: BlobReader): object {
  for (let i = 0; i < parts.length; i += 2) {
    const key = String(restoreSpecials(parts[i], blobs))
    // Assignment would call the setter of `__proto__` in place of making a property.
    Object.defineProperty(object, key, {
      value: restoreSpecials(parts[i + 1], blobs),
      writable: true,
      enumerable: true,
      configurable: true,
    })
  }
  return object
}

/** Hands out the bytes behind a tree, each once and in order. */
export class BlobReader {
  constructor(
    readonly bytes: Buffer,
    private position: number,
    private readonly end: number,
  ) {
    invariant(position <= end && end <= bytes.length, 'blobs lie within their buffer')
  }

  get isAtEnd(): boolean {
    return this.position === this.end
  }

  /** A view of the next `length` bytes: whoever keeps them copies them. */
  take(length: unknown): Buffer {
    if (typeof length !== 'number' || !Number.isInteger(length) || length < 0 || length > this.end - this.position) {
      throw new Error(`${String(length)} bytes at ${this.position} do not fit before ${this.end}`)
    }
    const start = this.position
    this.position += length
    return this.bytes.subarray(start, this.position)
  }
}
