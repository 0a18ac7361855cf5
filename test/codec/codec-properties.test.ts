import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { anyKey, anyValue } from '../../prove/any-value.js'
import { decodeValue, encodeValue } from '../../src/codec/codec.js'
import { AgentMemoryError, WrongCallError } from '../../src/core/errors.js'
import { assertKept, LIMIT } from './round-trip.js'

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  Object.freeze(value)
  if (value instanceof Map) for (const [k, v] of value) [k, v].forEach(freeze)
  else if (value instanceof Set) for (const v of value) freeze(v)
  else for (const v of Object.values(value)) freeze(v)
}

test('any value is equal after a round trip, or refused, and the one given is not touched', () => {
  fc.assert(
    fc.property(anyValue, value => {
      fc.pre(value !== undefined)
      freeze(value)
      assertKept(value)
    }),
    { numRuns: 3000 },
  )
})

test('odd things among the values are refused, and never changed', () => {
  const odd = fc.anything({
    key: anyKey,
    withBoxedValues: true,
    withSparseArray: true,
    withObjectString: true,
    maxDepth: 3,
  })
  fc.assert(
    fc.property(fc.array(odd), value => {
      try {
        encodeValue(value, LIMIT)
      } catch (error) {
        assert.ok(error instanceof WrongCallError, String(error))
        return
      }
      assertKept(value)
    }),
    { numRuns: 2000 },
  )
})

test('damaged bytes give a value or STORE_CORRUPT, and nothing else', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(anyValue, damage, fc.nat({ max: 3 }), (value, changes, cut) => {
      fc.pre(value !== undefined)
      const encoded = Buffer.from(encodeValue(value, LIMIT))
      for (const [at, byte] of changes) encoded[at % encoded.length] = byte
      try {
        decodeValue(encoded, 0, Math.max(1, encoded.length - cut))
      } catch (error) {
        assert.ok(error instanceof AgentMemoryError && error.code === 'STORE_CORRUPT', String(error))
      }
    }),
    { numRuns: 3000 },
  )
})
