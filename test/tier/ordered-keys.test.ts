import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OrderedKeys } from '../../src/tier/ordered-keys.js'

const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\0', '\xff'), minLength: 1, maxLength: 3 })
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('leave' as const), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      from: key,
      to: key,
      reverse: fc.boolean(),
      limit: fc.nat(5),
    }),
  },
)

test('keys that come and leave are read in order, in any range and both ways, as from a sorted set', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), steps => {
      const wanted = new Set<string>()
      const keys = new OrderedKeys(each => wanted.has(each))
      for (const each of steps) {
        if (each.kind === 'leave') wanted.delete(each.key)
        else if (each.kind === 'add') {
          if (wanted.has(each.key)) continue
          wanted.add(each.key)
          keys.add(each.key, wanted.size)
        } else {
          const { limit, ...range } = each
          assert.deepEqual(keys.take(range, limit), expected(wanted, range, limit))
        }
      }
    }),
    { numRuns: 3000 },
  )
})

test('many keys that leave soon take no lasting room, and those that stay are still found', () => {
  const wanted = new Set<string>()
  const keys = new OrderedKeys(each => wanted.has(each))
  const add = (each: string) => {
    wanted.add(each)
    keys.add(each, wanted.size)
  }
  for (let index = 0; index < 10; index++) add(`stays-${index}`)

  // Far more than what triggers the tidying, with scans between.
  for (let index = 0; index < 30_000; index++) {
    add(`k${index}`)
    if (index % 2500 === 0) keys.take({ from: 'k', to: 'l', reverse: false }, 3)
    wanted.delete(`k${index - 5}`)
  }

  const all = { from: '\0', to: '\xff', reverse: false }
  assert.deepEqual(keys.take(all, 1000), expected(wanted, all, 1000))
  assert.equal(keys.take({ ...all, reverse: true }, 1)[0], 'stays-9')
})

function expected(wanted: Set<string>, range: { from: string; to: string; reverse: boolean }, limit: number): string[] {
  const inRange = [...wanted].filter(each => each >= range.from && each < range.to).sort()
  if (range.reverse) inRange.reverse()
  return inRange.slice(0, limit)
}
