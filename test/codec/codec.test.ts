import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addExtension } from 'msgpackr'
import { decodeValue, encodeValue } from '../../src/codec/codec.js'
import { AgentMemoryError } from '../../src/core/errors.js'
import { assertKept, LIMIT, roundTrip } from './round-trip.js'

function assertCorrupt(bytes: Buffer): void {
  assert.throws(
    () => decodeValue(bytes, 0, bytes.length),
    (error: unknown) => error instanceof AgentMemoryError && error.code === 'STORE_CORRUPT',
  )
}

const BOM = '\ufeff'
const bytes = [1, 2, 3, 250, 251, 252, 253, 254]
const buffer = new Uint8Array(bytes).buffer

const kept: Record<string, unknown[]> = {
  'null, undefined and booleans': [null, true, false, [undefined, null], { a: undefined, b: null }],
  'numbers of every kind': [
    0,
    -0,
    1,
    31,
    32,
    63,
    64,
    127,
    128,
    255,
    256,
    65535,
    65536,
    -1,
    -32,
    -33,
    -128,
    -129,
    -32768,
    -32769,
    2 ** 31,
    -(2 ** 31),
    -(2 ** 31) - 1,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53,
    2 ** 53 + 2,
    -(2 ** 63),
    2 ** 64,
    0.1,
    1e-323,
    5e-324,
    Number.MAX_VALUE,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    [-0, { zero: -0 }],
  ],
  'bigints of any size': [
    0n,
    1n,
    -1n,
    2n ** 63n - 1n,
    2n ** 63n,
    -(2n ** 63n),
    -(2n ** 63n) - 1n,
    2n ** 64n - 1n,
    2n ** 64n,
    -(2n ** 64n),
    3n ** 2000n,
    -(7n ** 900n),
    [2n ** 100n, 5n],
  ],
  'strings of any kind': [
    '',
    'a',
    'é',
    '日本語',
    '👩‍👩‍👧',
    '\0',
    'a\0b',
    '\ud800',
    'x\udfffy',
    '\udc00\ud800',
    BOM,
    `${BOM}a`,
    BOM + 'b'.repeat(100),
    `a${BOM}`,
    [`${BOM}${'é'.repeat(80)}`],
    'x'.repeat(70_000),
    '日'.repeat(70_000),
    `${'y'.repeat(70_000)}\ud800`,
    'a'.repeat(31),
    'é'.repeat(20),
    'é'.repeat(200),
    ['é'.repeat(63), 'é'.repeat(64), 'a'.repeat(300), 'ÿ'.repeat(30)],
  ],
  dates: [
    new Date(0),
    new Date(-1),
    new Date(1.7e12 + 1),
    new Date(8.64e15),
    new Date(-8.64e15),
    { at: new Date(4294967296000) },
  ],
  'maps and sets, nested, with any keys': [
    new Map(),
    new Set(),
    new Map<unknown, unknown>([
      [1, 'a'],
      ['1', 'b'],
      [Number.NaN, -0],
      [null, undefined],
      [{ a: 1 }, [1]],
    ]),
    new Map([[new Map([['k', 1]]), new Set([new Set([1, 1n, '1'])])]]),
    new Set([undefined, null, -1, '\ud800', 2n ** 70n]),
  ],
  'objects with awkward keys': [
    JSON.parse('{"a":1,"__proto__":{"x":1},"b":2}'),
    JSON.parse('{"__proto__":null}'),
    { constructor: 1 },
    { toJSON: 'no' },
    { constructor: { name: 'Object' }, hasOwnProperty: 1, valueOf: null, length: 3 },
    { '!': 1 },
    { '!': [1, 2] },
    { a: { '!': [5] } },
    { '': 0 },
    { 2: 'b', 1: 'a', x: 0, '-1': 1, '01': 2 },
    { ['k'.repeat(70_000)]: 1 },
    { clé: 1, 鍵: 2, '🔑': 3 },
    { '\ud800': 1, a: '\udc00', [BOM]: 3, [`${BOM}b`]: new Date(5) },
    { __proto: 1, __proto_: 2, '\0': 3 },
    { first: new Date(1), '!': -0, last: Buffer.from('x') },
    { toString: 'x', type: 'Buffer', data: [1] },
  ],
  'objects without a prototype': [
    Object.create(null),
    Object.assign(Object.create(null), { a: 1, __proto__x: { b: [-0] } }),
  ],
  'arrays, nested and long': [
    [],
    [[]],
    [[[1], []], {}],
    Array.from({ length: 70_000 }, (_, i) => i),
    new Array(20).fill(undefined),
  ],
  'bytes, each as what it was': [
    Buffer.from(bytes),
    Buffer.alloc(0),
    Buffer.alloc(70_000, 7),
    new Uint8Array(bytes),
    buffer.slice(0),
    new ArrayBuffer(0),
    new Int8Array(buffer),
    new Uint8ClampedArray(buffer),
    new Int16Array(buffer),
    new Uint16Array(buffer),
    new Int32Array(buffer),
    new Uint32Array(buffer),
    new Float32Array(buffer),
    new Float64Array(buffer),
    new BigInt64Array(buffer),
    new BigUint64Array(buffer),
    new DataView(buffer),
    new DataView(buffer, 3, 2),
    new Uint16Array(buffer, 2, 2),
    Buffer.from(buffer, 1, 3),
    { text: '\ud800', vector: new Float32Array([1.5, -0, Number.NaN]), raw: Buffer.from('é') },
  ],
  'regular expressions': [/a/, /[/\]\\]\n/giu, /(?<x>é)\//dsy, Object.assign(/a/g, { lastIndex: 3 })],
}

for (const [name, values] of Object.entries(kept)) {
  test(`${name} come back as they were, alone and inside others`, () => {
    for (const value of values) {
      if (value !== undefined) assertKept(value)
      assertKept([1, value, { deep: [value] }])
      assertKept({ before: 'x', value, after: -0 })
      assertKept(new Map([[value, value]]))
    }
  })
}

test('an invalid date comes back as an invalid date', () => {
  const { at } = roundTrip({ at: new Date(Number.NaN) }) as { at: Date }
  assert.ok(at instanceof Date)
  assert.ok(Number.isNaN(at.getTime()))
})

test('an object with 100,000 random keys comes back as it was', () => {
  const object: Record<string, number> = {}
  for (let i = 0; i < 100_000; i++) object[`${Math.imul(i, 2654435761) >>> 0}-${i}`] = i
  assertKept(object)
  assertKept({ ...object, '!': 1 })
})

test('a part that is referred to twice comes back as two copies', () => {
  const shared = { at: new Date(3), list: [1] }
  const decoded = roundTrip([shared, shared]) as [object, object]
  assert.deepStrictEqual(decoded, [shared, shared])
  assert.notEqual(decoded[0], decoded[1])
})

test('a Float16Array comes back as it was where the runtime has it', { skip: !('Float16Array' in globalThis) }, () => {
  const Float16 = Reflect.get(globalThis, 'Float16Array') as new (values: number[]) => ArrayBufferView
  assertKept({ a: new Float16([1.5, -2]) })
})

test('decoded bytes own all of their memory', () => {
  const decoded = roundTrip([Buffer.from('abc'), new Uint8Array(3)]) as [Buffer, Uint8Array]
  for (const view of decoded) assert.equal(view.buffer.byteLength, 3)
})

test('enumerable properties on Object.prototype are not taken for those of a value', () => {
  Object.defineProperty(Object.prototype, 'polluted', { value: () => 1, enumerable: true, configurable: true })
  try {
    assert.deepEqual(Object.keys(roundTrip({ a: 1, b: { c: new Date(0) } }) as object), ['a', 'b'])
  } finally {
    Reflect.deleteProperty(Object.prototype, 'polluted')
  }
})

test('a large value does not hold on to its memory', () => {
  assert.ok(encodeValue('x'.repeat(4_000_000), LIMIT).buffer.byteLength >= 4_000_000)
  assert.ok(encodeValue('x', LIMIT).buffer.byteLength <= 1024 * 1024)
})

test('extensions that others register with msgpackr do not change how values are kept', () => {
  class Other {}
  for (const Class of [Date, Map, Uint8Array, Other]) {
    addExtension({ Class, type: 1, write: () => 'other', read: () => 'other' })
  }
  assertKept({ at: new Date(5), map: new Map([[1, 2]]), bytes: [Buffer.from('a'), new Uint8Array(2)], big: 2n ** 80n })
})

test('the bytes of codec 1 do not change', () => {
  const golden: [unknown, string][] = [
    [null, 'c0'],
    [{ a: 1, b: [true, undefined, 'é', 0.5, 200, -5] }, '82a16101a16296c3d40000a2c3a9cb3fe0000000000000ccc8fb'],
    [{ n: 300n }, '81a16ed3000000000000012c'],
    [-0, 'c10500000081a1219102'],
    ['\ud800', 'c10600000081a121920302' + '00d8'],
    [2n ** 64n, 'c11700000081a1219204b1' + '3130303030303030303030303030303030'],
    [new Date(1000), 'c10800000081a1219205cd03e8'],
    [new Map([['k', new Set([1])]]), 'c10d00000081a1219306a16b81a121920701'],
    [Buffer.from('hi'), 'c10700000081a12193080002' + '6869'],
    [new Uint16Array([258]), 'c10700000081a12193080502' + '0201'],
    [JSON.parse('{"__proto__":1}'), 'c11000000081a1219300a95f5f70726f746f5f5f01'],
    [Object.create(null), 'c10500000081a1219101'],
    [/a/g, 'c10a00000081a1219409a161a16700'],
  ]
  for (const [value, hex] of golden) {
    assert.equal(encodeValue(value, LIMIT).toString('hex'), hex)
    assert.deepStrictEqual(decodeValue(Buffer.from(hex, 'hex'), 0, hex.length / 2), value)
  }
})

test('bytes that are no value are reported as corruption', () => {
  for (const hex of [
    '',
    'c1',
    'c100000000',
    'c1ffffffff00',
    'c0c0',
    'ddffffffff',
    'dfffffffff',
    'dbffffffff',
    'c6ffffffff01',
    'c9ffffffff42',
    '92',
    'd9ff61',
    'c10500000081a1219163',
    'c10700000081a12193080002ff',
    'c10800000081a121930800ccff',
    'c10600000081a121920800',
    'c10700000081a1219308630101',
    'c10500000081a1219102ff',
    'c10400000081a12101',
  ]) {
    assertCorrupt(Buffer.from(hex, 'hex'))
  }
  const deep = Buffer.alloc(1_000_000, 0x91)
  assertCorrupt(deep)
  assertCorrupt(Buffer.concat([Buffer.from('c140420f00', 'hex'), deep]))
  assertKept({ still: 'well' })
})
