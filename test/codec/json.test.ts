import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { anyKey, anyValue } from '../../prove/any-value.js'
import { decodeJson, encodeJson } from '../../src/codec/json.js'
import { AgentMemoryError, WrongCallError } from '../../src/core/errors.js'
import { assertSame, LIMIT } from './round-trip.js'

function assertKept(value: unknown): void {
  const encoded = encodeJson(value, LIMIT)
  const decoded = decodeJson(encoded)
  encoded.fill(0xee)
  assertSame(decoded, value)
}

function assertRefused(value: unknown, message: RegExp, code = 'VALUE_UNSUPPORTED'): void {
  assert.throws(
    () => encodeJson(value, LIMIT),
    (error: unknown) => {
      assert.ok(error instanceof WrongCallError, String(error))
      assert.equal(error.code, code)
      assert.match(error.message, message)
      return true
    },
  )
}

test('what JSON keeps comes back as it was', () => {
  for (const value of [
    null,
    true,
    false,
    0,
    1,
    -1,
    0.1,
    5e-324,
    1e21,
    1.7976931348623157e308,
    2 ** 53 + 2,
    '',
    'a\0b',
    '\ud800',
    'x\udfffy',
    '\ufeffa',
    '\u2028\u2029\u007f\u0080',
    '日本語 👩‍👩‍👧 é',
    'x'.repeat(100_000),
    [],
    {},
    [[[]], {}],
    { a: { b: [1, 'two', null] } },
    { '': 0, ' ': 1, '\0': 2, '\ud800': 3, '"\\': 4 },
    { 2: 'b', 1: 'a', x: 0, '-1': 1, '01': 2 },
    JSON.parse('{"a":1,"__proto__":{"x":1},"b":2}'),
    { constructor: 1, hasOwnProperty: 2, length: 3, toString: 'x' },
    { toJSON: 'a property like any other' },
  ]) {
    assertKept(value)
    assertKept([value, { value }])
  }
})

test('what JSON would change without a word is refused, with its path', () => {
  class Cat {
    name = 'Tom'
  }
  assertRefused(undefined, /^value is undefined, which JSON cannot say/)
  assertRefused({ a: undefined }, /^value\.a is undefined/)
  assertRefused([1, undefined], /^value\[1\] is undefined/)
  assertRefused({ n: [Number.NaN] }, /^value\.n\[0\] is NaN, which JSON cannot say/)
  assertRefused([Number.POSITIVE_INFINITY], /^value\[0\] is Infinity/)
  assertRefused([Number.NEGATIVE_INFINITY], /^value\[0\] is -Infinity/)
  assertRefused({ x: -0 }, /^value\.x is -0/)
  assertRefused({ id: 1n }, /^value\.id is a BigInt/)
  assertRefused({ at: new Date(0) }, /^value\.at is an instance of the class Date.*the default codec keeps it/)
  assertRefused([new Map()], /the class Map/)
  assertRefused([new Set()], /the class Set/)
  assertRefused([/a/], /the class RegExp/)
  assertRefused([Buffer.from('a')], /the class Buffer/)
  assertRefused([new Float32Array(1)], /the class Float32Array/)
  assertRefused([new ArrayBuffer(1)], /the class ArrayBuffer/)
  assertRefused([Object.create(null)], /an object without a prototype/)
  assertRefused({ cat: new Cat() }, /^value\.cat is an instance of the class Cat/)
  assertRefused([Object(1)], /a boxed primitive/)
  assertRefused([() => 1], /^value\[0\] is a function/)
  assertRefused([Symbol('x')], /a symbol/)
  assertRefused({ toJSON: () => 1 }, /^value\.toJSON is a function/)
  assertRefused({ [Symbol('id')]: 1 }, /the symbol Symbol\(id\) as a key/)
  assertRefused(Promise.resolve(1), /a Promise/)
  assertRefused(new Array(3), /an array with holes/)
  assertRefused('abc'.match(/b/), /an array with the property index/)
})

test('a value that contains itself, or is nested too deep, is refused', () => {
  const agent: Record<string, unknown> = { name: 'a' }
  agent.team = { members: [agent] }
  assertRefused(agent, /contains itself: value\.team\.members\[0\] is value again/, 'VALUE_CYCLIC')
  let deep: unknown = 1
  for (let level = 0; level < 500; level++) deep = [deep]
  assertKept(deep)
  assertRefused([deep], /nested deeper than 500 levels/)
})

test('nobody is asked for his toJSON, and a property is read once', () => {
  const asked: string[] = []
  const toJSON = () => {
    asked.push('toJSON')
    return 'changed'
  }
  for (const prototype of [Object.prototype, Array.prototype]) {
    Object.defineProperty(prototype, 'toJSON', { value: toJSON, configurable: true })
  }
  try {
    assertKept({ list: [{ a: 1 }] })
  } finally {
    for (const prototype of [Object.prototype, Array.prototype]) Reflect.deleteProperty(prototype, 'toJSON')
  }
  const counting = {
    get n() {
      asked.push('n')
      return asked.length
    },
  }

  assert.equal(encodeJson(counting, LIMIT).toString(), '{"n":1}')
  assert.deepEqual(asked, ['n'])
})

test('a text over the limit is refused, before it is made where it is enormous', () => {
  assert.equal(encodeJson('é'.repeat(49), 100).length, 100)
  assert.throws(() => encodeJson('é'.repeat(50), 100), { code: 'VALUE_TOO_LARGE' })
  let many: unknown = 'x'.repeat(1000)
  for (let level = 0; level < 40; level++) many = [many, many]
  assert.throws(() => encodeJson(many, LIMIT), { code: 'VALUE_TOO_LARGE', message: /at least/ })
})

test('any value is equal after a round trip through JSON, or refused', () => {
  let kept = 0
  const check = (value: unknown) => {
    try {
      encodeJson(value, LIMIT)
    } catch (error) {
      assert.ok(error instanceof WrongCallError, String(error))
      return
    }
    kept += 1
    assertKept(value)
  }
  fc.assert(fc.property(anyValue, check), { numRuns: 3000 })
  const jsonLike = fc.anything({ key: anyKey, values: [fc.string({ unit: 'binary' }), fc.double(), fc.constant(null)] })
  fc.assert(fc.property(jsonLike, check), { numRuns: 3000 })
  assert.ok(kept > 500, `${kept} were kept`)
})

test('bytes that are no JSON are STORE_CORRUPT', () => {
  for (const text of ['', '{', 'undefined', '{"a":1}x', '\0']) {
    assert.throws(
      () => decodeJson(Buffer.from(text)),
      (error: unknown) => error instanceof AgentMemoryError && error.code === 'STORE_CORRUPT',
    )
  }
})
