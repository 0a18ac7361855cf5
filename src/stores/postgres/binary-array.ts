/**
 * Arrays as Postgres takes them in binary. `pg` sends a Buffer as it is, and an array of Buffers as text in hex, which
 * takes twice to three times as long.
 */

const ELEMENT_TYPES = { bytea: 17, int8: 20, int4: 23, text: 25 } as const
type Scalar = 'int4' | 'int8'
type Bytes = 'bytea' | 'text'

const HEAD_BYTES = 20

/** An array of one dimension, as `array_recv` reads it; `undefined` is NULL. */
export function bytesArray(type: Bytes, elements: readonly (Buffer | undefined)[]): Buffer {
  let bytes = HEAD_BYTES
  for (const element of elements) bytes += 4 + (element?.length ?? 0)
  const array = allocate(type, bytes, elements.length)
  let at = HEAD_BYTES
  for (const element of elements) {
    at = array.writeInt32BE(element?.length ?? -1, at)
    if (element !== undefined) at += element.copy(array, at)
  }
  return array
}

/** Texts, written straight into the array: a Buffer of each would cost more than all the rest. */
export function textArray(texts: readonly string[]): Buffer {
  return stringArray('text', texts, 'utf8', 3)
}

/** Bytes that are held as strings, a character a byte. */
export function latin1Array(strings: readonly string[]): Buffer {
  return stringArray('bytea', strings, 'latin1', 1)
}

export function numberArray(type: Scalar, elements: readonly number[]): Buffer {
  const size = type === 'int4' ? 4 : 8
  const array = allocate(type, HEAD_BYTES + elements.length * (4 + size), elements.length)
  let at = HEAD_BYTES
  for (const element of elements) {
    at = array.writeInt32BE(size, at)
    at = type === 'int4' ? array.writeInt32BE(element, at) : array.writeBigInt64BE(BigInt(element), at)
  }
  return array
}

function stringArray(
  type: Bytes,
  strings: readonly string[],
  encoding: 'utf8' | 'latin1',
  bytesPerCharacterMax: number,
): Buffer {
  let bytesMax = HEAD_BYTES
  for (const each of strings) bytesMax += 4 + each.length * bytesPerCharacterMax
  const array = allocate(type, bytesMax, strings.length)
  let at = HEAD_BYTES
  for (const each of strings) {
    const bytes = array.write(each, at + 4, encoding)
    array.writeInt32BE(bytes, at)
    at += 4 + bytes
  }
  return array.subarray(0, at)
}

function allocate(type: Scalar | Bytes, bytes: number, elements: number): Buffer {
  const array = Buffer.allocUnsafe(bytes)
  // Dimensions; whether there are NULLs, which Postgres finds out by itself; the type; the length and the lower bound.
  array.writeInt32BE(1, 0)
  array.writeInt32BE(1, 4)
  array.writeInt32BE(ELEMENT_TYPES[type], 8)
  array.writeInt32BE(elements, 12)
  array.writeInt32BE(1, 16)
  return array
}
