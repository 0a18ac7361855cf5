import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AgentMemoryError } from '../../src/core/errors.js'
import {
  afterPrefix,
  checkKeyLength,
  decodeSegments,
  encodeKey,
  encodeSegment,
  encodeSegments,
  KEY_BYTES_MAX,
  type Key,
} from '../../src/core/key.js'

const hostile = fc.constantFrom('', '\0', '\0\0', 'a', 'a\0', 'a\0b', '__proto__', '../x', ':', '\u{10ffff}', '\uffff')
const segment = fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 6 }), fc.string({ maxLength: 4 }))
const tuple = fc.array(segment, { minLength: 1, maxLength: 4 })

test('encoded keys stand in the order of their segments, each compared by code points', () => {
  fc.assert(
    fc.property(tuple, tuple, (a, b) => {
      assert.equal(Math.sign(compareText(encodeSegments(a), encodeSegments(b))), compareTuples(a, b))
    }),
    { numRuns: 5000 },
  )
})

test('an encoded key continues another one exactly if its segments do', () => {
  const related = fc.tuple(tuple, tuple, fc.boolean()).map(([a, b, joined]) => [joined ? [...a, ...b] : b, a] as const)
  fc.assert(
    fc.property(related, ([key, prefix]) => {
      const isPrefix = prefix.every((each, index) => key[index] === each)
      const encoded = encodeSegments(key)
      const lead = encodeSegments(prefix)

      const isInRange = encoded >= lead && encoded < afterPrefix(lead)

      assert.equal(isInRange, isPrefix)
      // An escaped NUL makes the last segment a longer one, which shares the bytes and not the range.
      if (isPrefix) assert.ok(encoded.startsWith(lead))
    }),
    { numRuns: 5000 },
  )
})

test('segments come back as they were', () => {
  fc.assert(
    fc.property(tuple, segments => {
      assert.deepEqual(decodeSegments(encodeSegments(segments)), segments)
    }),
    { numRuns: 5000 },
  )
  assert.deepEqual(decodeSegments(''), [])
})

test('every byte of an encoded key is one char below 256', () => {
  fc.assert(
    fc.property(tuple, segments => {
      for (const char of encodeSegments(segments)) assert.ok(char.charCodeAt(0) < 256)
    }),
  )
})

test('a string is the same key as an array with that one string', () => {
  assert.equal(encodeKey('run-1'), encodeKey(['run-1']))
})

test('a name that begins like another one is another name', () => {
  const acme = encodeKey('acme')
  for (const other of ['acme-corp', 'acme\0', 'acme\0b', 'acm', 'ACME', '']) {
    const encoded = encodeKey([other, 'u1'])
    assert.ok(encoded < acme || encoded >= afterPrefix(acme), JSON.stringify(other))
  }
})

test('half a surrogate pair is refused', () => {
  for (const segment of ['\ud800', 'a\udfff', '\udc00\ud800', 'x\ud83d']) {
    assert.throws(() => encodeSegment(segment), { code: 'INVALID_KEY', name: 'TypeError' })
    assert.throws(() => encodeKey(['ok', segment]), { code: 'INVALID_KEY' })
  }
  assert.deepEqual(decodeSegments(encodeSegment('\u{1f600}')), ['\u{1f600}'])
})

test('what is no string and no array of strings is refused with a code and a next step', () => {
  const sparse: string[] = []
  sparse[1] = 'b'
  const wrong: unknown[] = [undefined, null, 1, {}, [], [1], ['a', undefined], [['a']], Symbol('x'), sparse, new Date()]
  for (const key of wrong) {
    assert.throws(
      () => encodeKey(key as Key),
      (error: { code?: string; next?: string }) => error.code === 'INVALID_KEY' && (error.next ?? '').length > 10,
    )
  }
})

test('1,024 encoded bytes are the longest key, to the byte', () => {
  const longest = encodeKey('k'.repeat(KEY_BYTES_MAX - 1))
  checkKeyLength(longest)
  checkKeyLength(encodeKey('\0'.repeat(511)))

  for (const tooLong of ['k'.repeat(KEY_BYTES_MAX), 'é'.repeat(512), '\0'.repeat(512)]) {
    assert.throws(
      () => checkKeyLength(encodeKey(tooLong)),
      (error: AgentMemoryError) => {
        assert.ok(error instanceof AgentMemoryError)
        assert.equal(error.code, 'KEY_TOO_LONG')
        assert.match(error.message, /1024/)
        return true
      },
    )
  }
})

function compareTuples(a: readonly string[], b: readonly string[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const order = compareCodePoints(a[index]!, b[index]!)
    if (order !== 0) return order
  }
  return Math.sign(a.length - b.length)
}

function compareCodePoints(a: string, b: string): number {
  const left = Array.from(a, char => char.codePointAt(0)!)
  const right = Array.from(b, char => char.codePointAt(0)!)
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    if (left[index] !== right[index]) return Math.sign(left[index]! - right[index]!)
  }
  return Math.sign(left.length - right.length)
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
