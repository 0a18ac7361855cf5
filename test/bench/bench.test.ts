import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptions } from '../../bench/options.js'
import { compare, median } from '../../bench/statistics.js'
import { countCalls } from '../../bench/syncs.js'
import { KEYS, keyOf, makeValues, shuffledNumbers, VALUE_BYTES } from '../../bench/workload.js'

test('without options all cases run with five pairs', () => {
  assert.deepEqual(parseOptions([]), {
    cases: ['P1', 'P2', 'memory'],
    json: false,
    quick: false,
    pairs: 5,
    help: false,
  })
})

test('cases may be repeated and are known in any case', () => {
  assert.deepEqual(parseOptions(['--case', 'p2', '--case', 'Memory']).cases, ['P2', 'memory'])
})

test('a case that is not there and a number of pairs that is none are refused', () => {
  assert.throws(() => parseOptions(['--case', 'P99']), /P99/)
  assert.throws(() => parseOptions(['--pairs', '0']), /--pairs/)
  assert.throws(() => parseOptions(['--pairs', 'many']), /--pairs/)
  assert.throws(() => parseOptions(['--fast']), /--fast/)
})

test('a comparison takes the median of the ratios of its pairs, not the ratio of its medians', () => {
  const pairs = [
    { ours: 10, theirs: 1 },
    { ours: 30, theirs: 10 },
    { ours: 40, theirs: 20 },
  ]
  assert.deepEqual(compare(pairs), { ours: 30, theirs: 10, ratio: 3, min: 2, max: 10, pairs: 3 })
})

test('the median of an even number of values is between the two in the middle', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5)
})

test('sync calls are counted in the table of strace', () => {
  const table = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 97.12    0.071234          92       774           fdatasync
  2.88    0.002111         162        13         1 fsync
------ ----------- ----------- --------- --------- ----------------
100.00    0.073345          93       787         1 total
`
  assert.equal(countCalls(table), 787)
})

test('keys are all different and values are of the stated size', () => {
  const numbers = shuffledNumbers(5000, 3)
  assert.equal(new Set(Array.from(numbers, keyOf)).size, 5000)
  assert.equal(keyOf(KEYS - 1), 'user:000999:msg:000999')
  for (const value of makeValues(1)) assert.equal(Buffer.byteLength(value), VALUE_BYTES)
})
