import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { encodeValue } from '../../src/codec/codec.js'
import { AgentMemoryError, WrongCallError } from '../../src/core/errors.js'
import { assertKept, LIMIT, roundTrip } from './round-trip.js'

function assertRefused(value: unknown, message: RegExp, code = 'VALUE_UNSUPPORTED'): void {
  assert.throws(
    () => encodeValue(value, LIMIT),
    (error: unknown) => {
      assert.ok(error instanceof WrongCallError, String(error))
      assert.equal(error.code, code)
      assert.match(error.message, message)
      assert.ok(error.next.length > 10)
      return true
    },
  )
}

function nested(levels: number): unknown {
  let value: unknown = 'inside'
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { value }
  return value
}

test('nesting of 500 levels is kept, and one more is refused', () => {
  const value = nested(500)
  assert.equal(JSON.stringify(roundTrip(value)), JSON.stringify(value))
  assert.equal(JSON.stringify(roundTrip({ d: -0, value: nested(499) })), JSON.stringify({ d: 0, value: nested(499) }))
  assertRefused(nested(501), /nested deeper than 500 levels/)
})

test('what cannot be stored is refused with its path, what it is, and what to do', () => {
  class Cat {
    name = 'Tom'
  }
  class Tags extends Map<string, string> {}
  class List extends Array<number> {}
  class Bytes extends Uint8Array {}
  class Day extends Date {}
  assertRefused({ messages: [1, 2, 3, { run: () => 1 }] }, /^value\.messages\[3\]\.run is a function \(run\)/)
  assertRefused({ 'a b': [Symbol('x')] }, /^value\["a b"\]\[0\] is a symbol \(Symbol\(x\)\)/)
  assertRefused({ a: { [Symbol('id')]: 1 } }, /^value\.a is an object with the symbol Symbol\(id\) as a key/)
  assertRefused(
    new Map([['k', new Set([new Cat()])]]),
    /^value\.get\("k"\)\.values\(\)\[0\] is an instance of the class Cat/,
  )
  assertRefused(new Map([[new Cat(), 1]]), /^value\.keys\(\)\[0\] is an instance of the class Cat/)
  assertRefused({ toJSON: () => 1 }, /^value\.toJSON is a function/)
  assertRefused([new Tags()], /the class Tags/)
  assertRefused([new List()], /the class List/)
  assertRefused([new Bytes(2)], /the class Bytes/)
  assertRefused([new Day()], /the class Day/)
  assertRefused(Promise.resolve(1), /^value is a Promise\. Await it/)
  assertRefused([new WeakMap()], /a WeakMap/)
  assertRefused({ error: new RangeError('x') }, /value\.error is an Error \(RangeError\)/)
  assertRefused([Object(1), 2], /^value\[0\] is a boxed primitive \(Number\)/)
  assertRefused(new Array(3), /an array with holes/)
  // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested.
  assertRefused({ a: [1, , 3] }, /^value\.a is an array with holes/)
  assertRefused(Object.assign(new Array(1), { x: 1 }), /^value is an array with the property x/)
  assertRefused('abc'.match(/b/), /^value is an array with the property index/)
  assertRefused(Object.assign(new Date(), { x: 1 }), /a Date with properties of its own/)
  assertRefused(new SharedArrayBuffer(2), /a SharedArrayBuffer/)
  assertRefused([Object.create({ inherited: 1 })], /^value\[0\] is an instance of the class/)
  assertRefused([Object.create(Map.prototype)], /the class Map/)
  assertRefused([runInNewContext('({})')], /the class Object/)
  assertRefused(undefined, /^value is undefined\. Use delete/)
  assertRefused(() => 1, /^value is a function/)
  assertRefused([new URL('https://a.example')], /the class URL/)
  assertRefused(Object.create(null, { x: { value: () => 1, enumerable: true } }), /^value\.x is a function/)
})

test('a value that contains itself is refused with the path to where it does', () => {
  const agent: Record<string, unknown> = { name: 'a' }
  agent.team = { members: [agent] }
  assertRefused(agent, /contains itself: value\.team\.members\[0\] is value again/, 'VALUE_CYCLIC')
  const list: unknown[] = []
  list.push(list)
  assertRefused({ list }, /contains itself: value\.list\[0\] is value\.list again/, 'VALUE_CYCLIC')
  const map = new Map<string, unknown>()
  map.set('me', map)
  assertRefused(map, /contains itself: value\.get\("me"\) is value again/, 'VALUE_CYCLIC')
})

test('after a refusal, other values are kept', () => {
  assert.throws(() => encodeValue({ a: '\ud800', b: Buffer.from('x'), c: () => 1 }, LIMIT))
  assertKept({ a: '\ud800', b: Buffer.from('y') })
})

test('a value over the limit is refused with both sizes, and one of exactly the limit is kept', () => {
  const isTooLarge = (error: unknown): boolean =>
    error instanceof AgentMemoryError &&
    error.code === 'VALUE_TOO_LARGE' &&
    /1,000 bytes.*smaller pieces/.test(error.message)
  assert.equal(encodeValue('x'.repeat(997), 1000).length, 1000)
  assert.throws(() => encodeValue('x'.repeat(998), 1000), isTooLarge)
  assert.throws(() => encodeValue('é'.repeat(700), 1000), isTooLarge)
  assert.throws(() => encodeValue(Buffer.alloc(1001), 1000), isTooLarge)
  assert.throws(() => encodeValue(7n ** 5000n, 1000), isTooLarge)
  assert.throws(
    () =>
      encodeValue(
        Array.from({ length: 300 }, () => 0.1),
        1000,
      ),
    isTooLarge,
  )
})

test('a small value that refers to one part a billion times is refused at once', () => {
  let value: unknown = ['leaf']
  for (let i = 0; i < 60; i++) value = { left: value, right: value }
  assert.throws(() => encodeValue(value, 1_000_000), { code: 'VALUE_TOO_LARGE' })
})
