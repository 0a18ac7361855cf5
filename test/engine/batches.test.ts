// Many entries in one call: one atomic batch if they fit a frame, else batches one after another, never half of one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BatchProgress, IncompleteBatchError, UnsettledWriteError } from '../../src/index.js'
import { crashStates } from '../../src/testing/crash-states.js'
import { seededRandom } from '../../src/testing/random.js'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { contentOf, openOn, simulated } from './simulated.js'

const SMALL_FRAMES = { frameBytesMax: 64 * 1024 }

function* numbered(count: number, bytes = 0): Generator<[string, string]> {
  for (let index = 0; index < count; index++) yield [keyOf(index), 'x'.repeat(bytes)]
}

function keyOf(index: number): string {
  return `k${String(index).padStart(6, '0')}`
}

async function countOf(memory: Awaited<ReturnType<typeof simulated>>['memory']): Promise<number> {
  return Object.keys(await contentOf(memory.map('m'))).length
}

test('entries that fit a frame are one batch, those that do not are batches of 100, each told of', async () => {
  const { memory } = await simulated(SMALL_FRAMES)
  const map = memory.map<string, string>('m')
  const events: unknown[] = []
  memory.on('progress', event => events.push(event))

  const one = await map.setMany(numbered(1000))
  assert.deepEqual([one.entries, one.batches, one.reached], [1000, 1, 'log'])
  assert.deepEqual(events.splice(0), [{ map: 'm', entries: 1000, batches: 1 }])

  const told: BatchProgress[] = []
  const many = await map.setMany(numbered(1050, 300), { onProgress: progress => void told.push(progress) })
  assert.deepEqual([many.entries, many.batches, many.lsn], [1050, 11, memory.status().lsn.accepted])
  assert.deepEqual(
    told,
    Array.from({ length: 11 }, (_, index) => ({ entries: Math.min(1050, 100 * (index + 1)), batches: index + 1 })),
  )
  assert.deepEqual(
    events,
    told.map(progress => ({ map: 'm', ...progress })),
  )
  assert.equal(await countOf(memory), 1050)
  await many.durable()
})

test('a batch that nobody has asked for has as many entries as fit a frame, also if those are large', async () => {
  const { memory } = await simulated(SMALL_FRAMES)
  const map = memory.map<string, string>('m')

  const { batches } = await map.setMany(numbered(10, 30_000))

  assert.equal(batches, 5)
  assert.equal(await countOf(memory), 10)
})

test('batchSize is kept to: batches of it, also where all would fit, and BATCH_TOO_LARGE where one does not', async () => {
  const { memory } = await simulated(SMALL_FRAMES)
  const map = memory.map<string, string>('m')
  for (const [count, batchSize, batches] of [
    [0, 10, 1],
    [10, 10, 1],
    [11, 10, 2],
    [20, 10, 2],
    [5, 1, 5],
  ] as const) {
    const result = await map.setMany(numbered(count), { batchSize })
    assert.deepEqual([result.entries, result.batches], [count, batches], `${count} by ${batchSize}`)
  }
  assert.equal((await map.setMany([])).batches, 1)

  const before = memory.status().lsn.accepted
  await assert.rejects(map.setMany(numbered(10, 30_000), { batchSize: 5 }), { code: 'BATCH_TOO_LARGE' })
  assert.equal(memory.status().lsn.accepted, before)
})

test('whatever a crash keeps of batches, it is a number of whole ones, with all that were told', async t => {
  const { memory, disk } = await simulated(SMALL_FRAMES)
  const map = memory.map<string, string>('m')
  const moments: { disk: SimulatedDisk; told: number }[] = []
  let told = 0
  disk.onCall = () => void moments.push({ disk: disk.clone(), told })
  const onProgress = ({ entries }: BatchProgress) => {
    told = entries
  }
  await map.setMany(numbered(70, 1000), { batchSize: 7, onProgress })
  disk.onCall = undefined

  let states = 0
  for (const [index, moment] of moments.entries()) {
    for (const state of crashStates(moment.disk, { random: seededRandom(index), count: 8 })) {
      const kept = await countOf(await openOn(state.disk))
      const where = `call ${index}, ${JSON.stringify(state.choice)}: ${kept} entries, ${moment.told} told`
      assert.ok(kept % 7 === 0 && kept >= moment.told && kept <= moment.told + 7, where)
      states += 1
    }
  }
  t.diagnostic(`${states} states`)
})

test('a batch that fails stops the call: the error says how many entries are written, and why no more', async () => {
  const { memory } = await simulated(SMALL_FRAMES)
  const map = memory.map<string, string>('m')
  await map.set(keyOf(25), 'taken')

  const error = await map.setMany(numbered(40), { batchSize: 10, expected: null }).catch((reason: unknown) => reason)

  assert.ok(error instanceof IncompleteBatchError)
  assert.deepEqual([error.code, error.entries, error.batches], ['BATCH_INCOMPLETE', 20, 2])
  assert.equal((error.cause as { code?: string }).code, 'VERSION_CONFLICT')
  assert.match(error.message, /20 entries were written in 2 batches/)
  assert.equal(await countOf(memory), 21)
  assert.equal(await map.get(keyOf(25)), 'taken')
  // In the first batch nothing was written, so its error says all.
  await assert.rejects(map.setMany(numbered(5), { batchSize: 10, expected: null }), { code: 'VERSION_CONFLICT' })
})

test('an entry that cannot be kept, a source that fails and a listener that throws stop the call in the same way', async () => {
  const failure = new Error('planned')
  const cases: [string, (map: Awaited<ReturnType<typeof mapOf>>['map']) => Promise<unknown>, unknown, number][] = [
    [
      'a value',
      map =>
        map.setMany(
          [...numbered(30)].map(([key], index) => [key, index === 20 ? () => {} : index] as [string, unknown]),
          { batchSize: 10 },
        ),
      'VALUE_UNSUPPORTED',
      20,
    ],
    [
      'a source',
      map =>
        map.setMany(
          (function* () {
            yield* numbered(29)
            throw failure
          })(),
          { batchSize: 10 },
        ),
      failure,
      20,
    ],
    [
      'a listener',
      map =>
        map.setMany(numbered(30), {
          batchSize: 10,
          onProgress: ({ batches }) => {
            if (batches === 2) throw failure
          },
        }),
      failure,
      20,
    ],
  ]
  for (const [what, call, cause, entries] of cases) {
    const { memory, map } = await mapOf()
    const error = await call(map).catch((reason: unknown) => reason)
    assert.ok(error instanceof IncompleteBatchError, what)
    assert.equal(error.entries, entries, what)
    if (typeof cause === 'string') assert.equal((error.cause as { code?: string }).code, cause)
    else assert.equal(error.cause, cause)
    assert.equal(await countOf(memory), entries, what)
  }
})

test('where all entries are one batch, one that cannot be kept keeps all of them out', async () => {
  const { memory, map } = await mapOf()
  await assert.rejects(map.setMany([...numbered(30), ['bad', () => {}]]), { code: 'VALUE_UNSUPPORTED' })
  assert.equal(await countOf(memory), 0)
})

test('a generator is asked for no more than what is written next, and is closed if the call fails', async () => {
  const { memory } = await simulated(SMALL_FRAMES)
  const map = memory.map<string, string>('m')
  let asked = 0
  let isClosed = false
  const source = function* (): Generator<[string, string]> {
    try {
      for (const entry of numbered(20_000, 200)) {
        asked += 1
        yield entry
      }
    } finally {
      isClosed = true
    }
  }
  const ahead: number[] = []
  const { batches } = await map.setMany(source(), { onProgress: ({ entries }) => void ahead.push(asked - entries) })

  assert.equal(batches, 200)
  // The first few batches come from what it took to know that they do not fit one frame.
  assert.ok(Math.max(...ahead.slice(0, 5)) <= 300, `${ahead.slice(0, 5)}`)
  assert.ok(Math.max(...ahead.slice(5)) <= 1, `${ahead.slice(5, 10)}`)

  isClosed = false
  const stop = () => {
    throw new Error('enough')
  }
  await assert.rejects(map.setMany(source(), { onProgress: stop }), { code: 'BATCH_INCOMPLETE', entries: 100 })
  assert.equal(isClosed, true)
})

test('a batch that is in doubt is told by the cause, which settles', async () => {
  const { memory, disk } = await simulated(SMALL_FRAMES)
  const map = memory.map<string, string>('m')
  disk.faults.add({ at: { kind: 'dataSync', path: /\/log\//, nth: 3 }, error: 'EIO' })

  const error = await map.setMany(numbered(40), { batchSize: 10 }).catch((reason: unknown) => reason)

  assert.ok(error instanceof IncompleteBatchError && error.entries === 20)
  assert.ok(error.cause instanceof UnsettledWriteError && error.cause.code === 'IN_DOUBT')
  await memory.reopen()
  assert.equal(await error.cause.settled(), 'kept')
  assert.equal(await countOf(memory), 30)
})

test('a ttl counts from when its batch is written, and a durability holds for each batch', async () => {
  const { memory, clock } = await simulated(SMALL_FRAMES)
  const map = memory.map<string, string>('m')
  const onProgress = () => clock.advance(10)
  await map.setMany(numbered(3), { batchSize: 1, ttlMs: 25, onProgress })
  assert.deepEqual(Object.keys(await contentOf(map)), [keyOf(1), keyOf(2)])

  assert.equal((await map.setMany(numbered(3), { batchSize: 1, durability: 'write-through' })).reached, 'store')
  assert.equal((await map.setMany(numbered(3), { batchSize: 1, durability: 'write-back' })).reached, 'tier')
})

test('deleteMany removes keys in the same way', async () => {
  const { memory } = await simulated(SMALL_FRAMES)
  const map = memory.map<string, string>('m')
  await map.setMany(numbered(3000))
  const keys = function* (from: number, to: number) {
    for (let index = from; index < to; index++) yield keyOf(index)
  }

  const one = await map.deleteMany(keys(0, 10))
  const many = await map.deleteMany(keys(0, 2500))
  const asked = await map.deleteMany(keys(2500, 2530), { batchSize: 10, durability: 'write-through' })

  assert.deepEqual([one.entries, one.batches], [10, 1])
  assert.deepEqual([many.entries, many.batches], [2500, 25])
  assert.deepEqual([asked.entries, asked.batches, asked.reached], [30, 3, 'store'])
  assert.equal(await countOf(memory), 470)
  await assert.rejects(map.deleteMany(keys(2990, 3000), { batchSize: 5, expected: null }), { code: 'VERSION_CONFLICT' })
})

test('each wrong call rejects with a code, and changes nothing', async () => {
  const { memory, map } = await mapOf()
  const calls: [string, string, () => Promise<unknown>][] = [
    ['no batch', 'INVALID_OPTION', () => map.setMany(numbered(1), { batchSize: 0 })],
    ['half a batch', 'INVALID_OPTION', () => map.setMany(numbered(1), { batchSize: 1.5 })],
    ['endless batches', 'INVALID_OPTION', () => map.setMany(numbered(1), { batchSize: Number.POSITIVE_INFINITY })],
    ['a listener that is none', 'INVALID_OPTION', () => map.setMany(numbered(1), { onProgress: 1 as never })],
    ['an unknown option', 'UNKNOWN_OPTION', () => map.setMany(numbered(1), { batch: 1 } as never)],
    ['an expiry of a delete', 'UNKNOWN_OPTION', () => map.deleteMany(['a'], { ttlMs: 1 } as never)],
    ['null options', 'INVALID_OPTION', () => map.setMany(numbered(1), null as never)],
    ['nothing', 'INVALID_ARGUMENT', () => map.setMany(undefined as never)],
    ['an object', 'INVALID_ARGUMENT', () => map.setMany({ a: 1 } as never)],
    ['an asynchronous generator', 'INVALID_ARGUMENT', () => map.setMany((async function* () {})() as never)],
    ['keys that are none', 'INVALID_ARGUMENT', () => map.deleteMany(5 as never)],
    ['a key that is none', 'INVALID_KEY', () => map.deleteMany([5] as never)],
  ]
  for (const [what, code, call] of calls) {
    await assert.rejects(call, (error: { code?: string }) => error.code === code, what)
  }
  assert.equal(memory.status().lsn.accepted, 0)
})

async function mapOf() {
  const { memory } = await simulated(SMALL_FRAMES)
  return { memory, map: memory.map<unknown, string>('m') }
}
