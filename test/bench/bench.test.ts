import assert from 'node:assert/strict'
import { test } from 'node:test'
import { documentOf } from '../../bench/document.js'
import { type ComparedLine, type Line, lineOf } from '../../bench/line.js'
import { CASES, parseOptions } from '../../bench/options.js'
import { windowsOf } from '../../bench/plots.js'
import { sharesOf } from '../../bench/profile.js'
import { cellsOf, HEAD } from '../../bench/report.js'
import { compare, compareToLimit, median, percentile } from '../../bench/statistics.js'
import { countCalls } from '../../bench/syncs.js'
import { KEYS, keyOf, makeValues, putAll, shuffledNumbers, VALUE_BYTES, zipfSource } from '../../bench/workload.js'

const MACHINE = { node: 'v20.0.0', system: 'linux x64', cores: 2, folderKind: 'ext4', minutes: 9.5 }

test('without options all cases run with five pairs and a million keys', () => {
  assert.deepEqual(parseOptions([]), {
    cases: [...CASES],
    json: false,
    quick: false,
    pairs: 5,
    keys: 1_000_000,
    input: undefined,
    write: false,
    help: false,
  })
  assert.equal(parseOptions(['--full']).keys, 10_000_000)
  assert.equal(parseOptions(['--full', '--keys', '50000']).keys, 50_000)
})

test('cases may be repeated and are known in any case', () => {
  assert.deepEqual(parseOptions(['--case', 'p2', '--case', 'Memory', '--case', 'P2']).cases, ['P2', 'memory'])
})

test('options that make no sense are refused by name', () => {
  assert.throws(() => parseOptions(['--case', 'P99']), /P99/)
  assert.throws(() => parseOptions(['--pairs', '0']), /--pairs/)
  assert.throws(() => parseOptions(['--keys', 'many']), /--keys/)
  assert.throws(() => parseOptions(['--fast']), /--fast/)
  assert.throws(() => parseOptions(['--quick', '--full']), /exclude/)
  assert.throws(() => parseOptions(['--write', '--case', 'P1']), /--write/)
})

test('a comparison takes the median of the ratios of its pairs, not the ratio of its medians', () => {
  const pairs = [
    { ours: 10, theirs: 1 },
    { ours: 30, theirs: 10 },
    { ours: 40, theirs: 5 },
  ]
  assert.deepEqual(compare(pairs), { ours: 30, theirs: 5, ratio: 8, min: 3, max: 10, pairs: 3 })
})

test('the median of an even number of values is between the two in the middle, a percentile is one of the values', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(percentile([1, 2, 3, 4], 50), 2)
  assert.equal(percentile([1, 2, 3, 4], 99.9), 4)
})

test('a goal is met from its number on: upwards, downwards, or around 1', () => {
  const isMet = (better: 'higher' | 'lower' | 'flat', goal: number | null, ours: number) => {
    const line = lineOf({ case: 'P1', what: '', peer: '', unit: '', better, goal }, compareToLimit([ours], 100))
    return line.isMet
  }
  assert.deepEqual([isMet('higher', 3, 300), isMet('higher', 3, 299)], [true, false])
  assert.deepEqual([isMet('lower', 1.3, 130), isMet('lower', 1.3, 131)], [true, false])
  assert.deepEqual([isMet('flat', 0.25, 75), isMet('flat', 0.25, 125), isMet('flat', 0.25, 74)], [true, true, false])
  assert.equal(isMet('higher', null, 300), null)
})

test('a comparison with nothing has no ratio', () => {
  const head = { case: 'P3', what: 'kept', peer: 'cacheable', unit: 'writes', better: 'higher', goal: null } as const
  const { ratio, min, max } = lineOf(head, compare([{ ours: 1000, theirs: 0 }]))
  assert.deepEqual([ratio, min, max], [null, null, null])
})

test('sync calls are counted that began in the time that counts, finished or not, of every thread', () => {
  const trace = `100 1700000000.500000 fsync(3) = 0
100 1700000001.000001 fdatasync(4 <unfinished ...>
101 1700000001.100000 msync(0x7f, 4096, MS_SYNC) = 0
100 1700000001.200000 <... fdatasync resumed>) = 0
101 1700000001.300000 fsync(5) = -1 EIO (Input/output error)
102 1700000002.500000 fdatasync(4) = 0
101 1700000002.600000 +++ exited with 0 +++
`
  assert.equal(countCalls(trace, 1_700_000_001, 1_700_000_002), 3)
  assert.equal(countCalls(trace, 1_700_000_000, 1_700_000_003), 5)
})

test('keys are all different and values are of the stated size', () => {
  const numbers = shuffledNumbers(5000, 3)
  assert.equal(new Set(Array.from(numbers, keyOf)).size, 5000)
  assert.equal(keyOf(KEYS - 1), 'user:000999:msg:000999')
  assert.equal(keyOf(9_999_999), 'user:009999:msg:000999')
  for (const value of makeValues(1)) assert.equal(Buffer.byteLength(value), VALUE_BYTES)
})

test('every number is put once, by as many writers at a time as there are', async () => {
  const put: string[] = []
  let writing = 0
  let most = 0
  await putAll(shuffledNumbers(100, 1), ['v'], 7, async key => {
    writing += 1
    most = Math.max(most, writing)
    await undefined
    put.push(key)
    writing -= 1
  })
  assert.deepEqual(
    put.sort(),
    Array.from({ length: 100 }, (_, number) => keyOf(number)),
  )
  assert.equal(most, 7)
})

test('of Zipf numbers the first is drawn as often as its share says', () => {
  const counts = new Array<number>(10).fill(0)
  const next = zipfSource(10, 1, 5)
  for (let draw = 0; draw < 20_000; draw++) counts[next()]! += 1
  const harmonic = Array.from({ length: 10 }, (_, n) => 1 / (n + 1)).reduce((sum, share) => sum + share)
  for (const [n, count] of counts.entries()) {
    const expected = 20_000 / (n + 1) / harmonic
    assert.ok(Math.abs(count - expected) < expected * 0.15, `${n}: ${count} draws instead of ${expected}`)
  }
})

test('the rate of a window is that of its writes, and what is left at the end is too short for one', () => {
  const progress: [number, number][] = [
    [0, 0],
    [0.5, 100],
    [1, 300],
    [1.001, 310],
  ]
  assert.deepEqual(windowsOf(progress), [
    [100, 200],
    [300, 400],
  ])
})

test('the document says which goals are missed and what was not run, and shows only plots that there are', () => {
  const rate = { case: 'P1', what: 'durable writes', unit: 'writes/s', better: 'higher' } as const
  const lines: Line[] = [
    lineOf({ ...rate, peer: 'lmdb', goal: 3 }, compare([{ ours: 400, theirs: 100 }])),
    lineOf({ ...rate, peer: 'leveldb', goal: 30 }, compare([{ ours: 400, theirs: 20 }])),
    { case: 'P1', peer: 'redis', notRun: 'no redis-server on PATH' },
  ]
  const options = { quick: true, keys: 1000, pairs: 1, input: undefined }

  const text = documentOf(lines, options, MACHINE, new Set(['p1']))

  assert.match(text, /1 of 2 goals are met/)
  assert.match(text, /Not met:\n\n- P1, durable writes, against leveldb: ratio 20, goal ≥ 30\n/)
  assert.match(text, /not judged: P1 redis\./)
  assert.match(text, /not to be quoted/)
  assert.match(text, /\(benchmarks\/p1\.svg\)/)
  assert.doesNotMatch(text, /P2|p2\.svg/)
  assert.doesNotMatch(documentOf(lines, { ...options, quick: false }, MACHINE, new Set()), /quoted|\.svg/)
})

test('every line of a table has a cell for each column', () => {
  const head = { case: 'P1', what: 'writes', peer: 'lmdb', unit: 'writes/s', better: 'higher', goal: 3 } as const
  const lines: ComparedLine[] = [
    lineOf(head, compareToLimit([1], 2), { syncsPerWrite: { ours: 0.5, theirs: null, how: 'strace' } }),
    { case: 'P1', peer: 'redis', notRun: 'no redis-server on PATH' },
  ]
  for (const line of lines) assert.equal(cellsOf(line).length, HEAD.length)
  assert.equal(cellsOf(lines[0]!).at(-1), '0.5, not counted')
})

test('a profile counts a sample for the part of its function, and a native one for that of its caller', () => {
  const node = (id: number, functionName: string, url: string, children: number[] = []) => {
    return { id, callFrame: { functionName, url }, children }
  }
  const shares = sharesOf({
    nodes: [
      node(1, '(root)', '', [2, 5, 6, 7]),
      node(2, 'encode', 'file:///x/dist/src/values.js', [3]),
      node(3, 'latin1Slice', '', [4]),
      node(4, 'fdatasync', ''),
      node(5, '(idle)', ''),
      node(6, '(garbage collector)', ''),
      node(7, 'put', 'file:///x/node_modules/classic-level/index.js'),
    ],
    samples: [2, 3, 4, 5, 6, 7],
    timeDeltas: [100, 100, 300, 200, 100, 200],
  })

  assert.deepEqual(
    Object.entries(shares).filter(([, share]) => share > 0),
    [
      ['waits', 20],
      ['write and sync calls', 30],
      ['codec', 20],
      ['LevelDB calls', 20],
      ['garbage collector', 10],
    ],
  )
})
