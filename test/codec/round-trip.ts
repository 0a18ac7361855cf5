/** Encode, decode, compare: what the tests of the codec share. */
import assert from 'node:assert/strict'
import { decodeValue, encodeValue } from '../../src/codec/codec.js'

/** The limit of a value in these tests. */
export const LIMIT = 16 * 1024 * 1024

/** Encodes, decodes from the middle of a buffer, and overwrites that buffer: what comes back must be on its own. */
export function roundTrip(value: unknown): unknown {
  const encoded = encodeValue(value, LIMIT)
  const bytes = Buffer.concat([Buffer.from([0xc1, 0x91]), encoded, Buffer.from([0x7f])])
  const decoded = decodeValue(bytes, 2, 2 + encoded.length)
  bytes.fill(0xee)
  return decoded
}

/** Not for invalid dates: on Node 20, `deepStrictEqual` finds one different from another. */
export function assertKept(value: unknown): void {
  assertSame(roundTrip(value), value)
}

/** Equal, in the order of keys too, and nothing of one is part of the other. */
export function assertSame(decoded: unknown, value: unknown): void {
  assert.deepStrictEqual(decoded, value)
  assertSameOrder(decoded, value)
}

/** `deepStrictEqual` does not look at the order of keys. */
function assertSameOrder(actual: unknown, expected: unknown): void {
  if (typeof expected !== 'object' || expected === null || ArrayBuffer.isView(expected)) return
  assert.notEqual(actual, expected)
  if (expected instanceof Map || expected instanceof Set) {
    assertSameOrder([...(actual as Set<unknown>)], [...(expected as Set<unknown>)])
    return
  }
  const keys = Object.keys(expected)
  assert.deepStrictEqual(Object.keys(actual as object), keys)
  for (const key of keys) assertSameOrder(Reflect.get(actual as object, key), Reflect.get(expected, key))
}
