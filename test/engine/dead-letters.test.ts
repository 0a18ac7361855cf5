import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AgentMemory,
  AgentMemoryError,
  type AgentMemoryOptions,
  type DeadLetter,
  type UnsettledWriteError,
} from '../../src/index.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { newRefusals, type Refusals, refusing } from './refusing-store.js'
import { contentOf, journalStore, openOn, settles, turns, until } from './simulated.js'

class Bench {
  disk = new SimulatedDisk()
  clock = new ManualClock()
  readonly refusals: Refusals
  readonly letters: DeadLetter[] = []
  memory!: AgentMemory

  constructor(...keys: string[]) {
    this.refusals = newRefusals(...keys)
  }

  async open(options: AgentMemoryOptions = {}): Promise<AgentMemory> {
    const store = refusing(journalStore(this.disk), this.refusals)
    this.memory = await openOn(this.disk, { clock: this.clock, store, ...options })
    this.memory.on('deadLetter', letter => this.letters.push(letter))
    return this.memory
  }

  /** What was not synced is gone, and the machine starts again. */
  async cutPower(): Promise<AgentMemory> {
    const after = this.disk.crash(seededRandom(1), { kind: 'nothing' })
    this.disk.powerOff()
    this.disk = after
    return this.open()
  }
}

async function opened(...keys: string[]): Promise<Bench> {
  const bench = new Bench(...keys)
  await bench.open()
  return bench
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'kept'
  } catch (error) {
    assert.ok(error instanceof AgentMemoryError, String(error))
    return error.code
  }
}

function keysOf(letters: readonly DeadLetter[]): string[][] {
  return letters.map(letter => letter.writes.map(({ segments }) => segments.join('/')).sort())
}

test('one record among 10,000 that the store refuses: 9,999 arrive, and one dead letter; mended and replayed, 10,000', async t => {
  const bench = await opened('k4711')
  const { memory } = bench
  const map = memory.map<number>('records')
  for (let from = 0; from < 10_000; from += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, n) => map.set(`k${from + n}`, from + n)))
  }
  await memory.checkpoint()

  const { pending, deadLetters, store } = memory.status()
  assert.deepEqual([pending.entries, deadLetters.count, store.state], [0, 1, 'up'])
  assert.deepEqual(keysOf(memory.deadLetters.list()), [['k4711']])
  assert.equal(bench.letters.length, 1)
  assert.equal(await map.get('k4711'), 4711, 'reads see it')
  await memory.deadLetters.discard(-1)
  const stored = await storedCount(bench)
  t.diagnostic(`10,000 written, ${stored.entries} in the store, ${stored.letters} dead letter`)
  assert.deepEqual(stored, { entries: 9999, letters: 1 })

  bench.refusals.keys.clear()
  const again = await bench.open()
  assert.deepEqual(await again.deadLetters.replay(), { replayed: 1, refused: [] })

  assert.equal(again.status().deadLetters.count, 0)
  const mended = await storedCount(bench)
  t.diagnostic(`mended and replayed: ${mended.entries} in the store, ${mended.letters} dead letters`)
  assert.deepEqual(mended, { entries: 10_000, letters: 0 })
})

/** What is in the store itself, past the engine. Closes the memory. */
async function storedCount(bench: Bench): Promise<{ entries: number; letters: number }> {
  await bench.memory.close()
  const store = await journalStore(bench.disk).open(false)
  const page = await store.page({ from: '', to: '\xff\xff', reverse: false, limit: 100_000 })
  await store.close()
  const letters = page.filter(({ key }) => key.startsWith('\0dead-letters\0')).length
  return { entries: page.length - letters, letters }
}

test('a letter says what was refused, why and when', async () => {
  const { memory, letters } = await opened('bad')
  const { lsn } = await memory.scope('acme').map('notes').set(['x', 'bad'], { text: 'hello' })
  await memory.checkpoint()

  const [letter] = memory.deadLetters.list()
  assert.equal(letter!.id, lsn)
  assert.equal(letter!.reason, 'bad data: bad')
  assert.ok(letter!.parkedAt > 0)
  const { bytes, ...write } = letter!.writes[0]!
  assert.deepEqual(write, {
    lsn,
    map: 'notes',
    segments: ['acme', 'x', 'bad'],
    isDelete: false,
    value: { text: 'hello' },
  })
  assert.ok(bytes!.length > 5)
  assert.deepEqual(letters, [letter])
})

test('a write-through that is refused rejects STORE_REFUSED, and its neighbours in the frame do not', async () => {
  const { memory } = await opened('bad')
  const map = memory.map<number>('runs', { durability: 'write-through' })
  const results = await Promise.all([codeOf(map.set('a', 1)), codeOf(map.set('bad', 2)), codeOf(map.set('b', 3))])

  assert.deepEqual(results, ['kept', 'STORE_REFUSED', 'kept'])
  // Superseded before the frame by another write of the key: neither is in the store.
  const [first, second] = [codeOf(map.set('bad', 4)), map.set('bad', 5, { durability: 'write-ahead' })]
  assert.equal(await first, 'STORE_REFUSED')
  assert.equal((await second).reached, 'log')
  assert.equal(await map.get('bad'), 5)
  assert.equal(memory.deadLetters.list().length, 1)
})

for (const isRefused of [false, true]) {
  test(`a write-through that was late and is ${isRefused ? 'refused' : 'kept'} says so, though a later one of its key is refused`, async () => {
    const bench = await opened()
    const map = bench.memory.map<number>('runs', { durability: 'write-through' })
    bench.refusals.fault = { at: bench.refusals.applied + 1, when: 'before' }
    const late = map.set('k', 1).catch((error: unknown) => error)
    await until(() => bench.memory.status().store.state === 'down', 'the fault')
    bench.clock.advance(10_000)
    const behind = (await late) as UnsettledWriteError
    assert.equal(behind.code, 'STORE_BEHIND')
    if (isRefused) bench.refusals.keys.add('k')
    for (let round = 0; round < 60 && bench.memory.status().store.state === 'down'; round++) {
      bench.clock.advance(500)
      await turns(5)
    }
    await bench.memory.checkpoint()

    bench.refusals.keys.add('k')
    assert.equal(await codeOf(map.set('k', 2)), 'STORE_REFUSED')

    assert.equal(await codeOf(behind.settled()), isRefused ? 'STORE_REFUSED' : 'kept')
  })
}

test('a batch is parked whole, and the writes around it are not', async () => {
  const { memory } = await opened('bad')
  const map = memory.map<number>('runs')
  const around = [map.set('a', 1), map.set('b', 2)]
  const batch = memory.batch(b => {
    b.set(map, 'x', 3)
    b.set(map, 'bad', 4)
    b.delete(map, 'y')
  })
  await Promise.all([...around, batch, map.set('c', 5)])
  await memory.checkpoint()

  assert.deepEqual(keysOf(memory.deadLetters.list()), [['bad', 'x', 'y']])
  assert.deepEqual(await contentOf(map), { a: 1, b: 2, c: 5, x: 3, bad: 4 })
  const [{ id }] = memory.deadLetters.list() as [DeadLetter]
  assert.equal(await memory.deadLetters.discard(id), true)
  assert.deepEqual(await contentOf(map), { a: 1, b: 2, c: 5 }, 'all of it is gone')
  assert.equal(await memory.deadLetters.discard(id), false)
})

test('a write that supersedes a key of a batch before its frame is parked with it', async () => {
  const { memory } = await opened('bad')
  const map = memory.map<number>('runs')
  await map.set('x', 0)
  await memory.checkpoint()
  const batch = memory.batch(b => {
    b.set(map, 'bad', 1)
    b.set(map, 'y', 1)
  })
  const superseding = map.set('bad', 2)
  const other = memory.batch(b => {
    b.set(map, 'x', 3)
    b.set(map, 'y', 3)
  })
  await Promise.all([batch, superseding, other])
  await memory.checkpoint()

  const [letter] = memory.deadLetters.list()
  assert.deepEqual(keysOf([letter!]), [['bad', 'x', 'y']])
  await memory.deadLetters.discard(letter!.id)
  assert.deepEqual(await contentOf(map), { x: 0 }, 'neither batch is there by half')
})

test('reads, scans and conditions see a parked version until it is superseded, over reopens', async () => {
  const bench = await opened()
  const map = bench.memory.map<number>('runs')
  await map.set('a', 1)
  await map.set('k', 1)
  await bench.memory.checkpoint()
  bench.refusals.keys.add('k')
  const { lsn } = await map.set('k', 2)
  await bench.memory.checkpoint()

  for (const memory of [bench.memory, await bench.cutPower(), await bench.cutPower()]) {
    const runs = memory.map<number>('runs')
    assert.deepEqual(await contentOf(runs), { a: 1, k: 2 })
    assert.equal(await runs.get('k'), 2)
    assert.equal((await runs.getEntry('k'))?.version, lsn)
    assert.deepEqual(keysOf(memory.deadLetters.list()), [['k']])
    assert.equal(memory.status().deadLetters.count, 1)
  }
  const runs = bench.memory.map<number>('runs')
  await runs.update('k', n => n + 1)
  assert.equal(await runs.get('k'), 3)
  bench.refusals.keys.clear()
  await bench.memory.checkpoint()

  assert.deepEqual(bench.memory.deadLetters.list(), [], 'what supersedes it takes its letter away')
  const after = await bench.cutPower()
  assert.deepEqual(after.deadLetters.list(), [])
  assert.deepEqual(await contentOf(after.map('runs')), { a: 1, k: 3 })
})

test('a delete of a parked key, and a parked delete', async () => {
  const bench = await opened()
  const map = bench.memory.map<number>('runs')
  await map.set('deleted', 1)
  await bench.memory.checkpoint()
  bench.refusals.keys.add('set').add('deleted')
  await map.set('set', 1)
  await map.delete('deleted')
  await bench.memory.checkpoint()
  assert.deepEqual(keysOf(bench.memory.deadLetters.list()), [['set'], ['deleted']])
  assert.equal(bench.memory.deadLetters.list()[1]!.writes[0]!.isDelete, true)
  assert.deepEqual(await contentOf((await bench.cutPower()).map('runs')), { set: 1 })

  bench.refusals.keys.clear()
  await bench.memory.map('runs').delete('set')
  await bench.memory.checkpoint()
  assert.deepEqual(keysOf(bench.memory.deadLetters.list()), [['deleted']])
  const report = await (await bench.cutPower()).deadLetters.replay()

  assert.equal(report.replayed, 1)
  assert.deepEqual(await contentOf((await bench.cutPower()).map('runs')), {})
})

test('a newer version that is refused too takes the place of the older letter', async () => {
  const bench = await opened('k')
  const map = bench.memory.map<number>('runs')
  for (const n of [1, 2, 3]) {
    await map.set('k', n)
    await bench.memory.checkpoint()
  }
  assert.deepEqual(
    bench.memory.deadLetters.list().map(({ writes }) => writes.map(({ value }) => value)),
    [[3]],
  )
  assert.equal(bench.letters.length, 3)
  assert.deepEqual(keysOf((await bench.cutPower()).deadLetters.list()), [['k']])
})

test('what has expired in a letter reads as absent, and is replayed as a delete', async () => {
  const bench = await opened('k')
  const map = bench.memory.map<number>('runs')
  await map.set('k', 1, { ttlMs: 1000 })
  await bench.memory.checkpoint()
  assert.equal(await map.get('k'), 1)
  bench.clock.advance(2000)
  assert.equal(await map.get('k'), undefined)
  assert.equal(bench.memory.deadLetters.list().length, 1)

  bench.refusals.keys.clear()
  assert.equal((await bench.memory.deadLetters.replay()).replayed, 1)
  assert.equal((await storedCount(bench)).entries, 0)
})

test('a replay gives one letter by its id, and what is refused still stays', async () => {
  const bench = await opened('a', 'b', 'c')
  const map = bench.memory.map<number>('runs')
  for (const key of ['a', 'b', 'c']) await map.set(key, 1)
  await bench.memory.checkpoint()
  const ids = bench.memory.deadLetters.list().map(({ id }) => id)
  bench.refusals.keys = new Set(['b'])

  assert.deepEqual(await bench.memory.deadLetters.replay(ids[0]), { replayed: 1, refused: [] })
  const report = await bench.memory.deadLetters.replay()
  assert.deepEqual([report.replayed, keysOf(report.refused)], [1, [['b']]])
  assert.deepEqual(await bench.memory.deadLetters.replay(12345), { replayed: 0, refused: [] })
  assert.deepEqual(await contentOf(map), { a: 1, b: 1, c: 1 })
})

test('a store that refuses even the letters is given nothing more; the log keeps all, and it goes on once mended', async () => {
  const bench = await opened('bad')
  bench.refusals.letters = true
  const { memory } = bench
  const map = memory.map<number>('runs')
  await map.set('bad', 1)
  await map.set('good', 2)

  assert.equal(await codeOf(memory.checkpoint()), 'STORE_REFUSED')
  assert.match(memory.status().deadLetters.error ?? '', /STORE_REFUSED|cannot be kept/)
  assert.deepEqual(await contentOf(map), { bad: 1, good: 2 })
  assert.deepEqual(memory.deadLetters.list(), [])
  const after = await bench.cutPower()
  assert.deepEqual(await contentOf(after.map('runs')), { bad: 1, good: 2 })

  bench.refusals.letters = false
  bench.clock.advance(5000)
  await until(() => after.status().deadLetters.count === 1 && after.status().pending.entries === 0, 'it is parked')
  assert.equal(after.status().deadLetters.error, undefined)
})

test('more than 1,000 refused writes are not parked: they wait in the log until letters go', async () => {
  const bench = await opened()
  const { memory } = bench
  const map = memory.map<number>('runs')
  for (let n = 0; n < 1001; n++) bench.refusals.keys.add(`k${n}`)
  await Promise.all(Array.from({ length: 1000 }, (_, n) => map.set(`k${n}`, n)))
  await memory.checkpoint()
  assert.equal(memory.status().deadLetters.count, 1000)
  await map.set('k1000', 1000)

  assert.equal(await codeOf(memory.checkpoint()), 'STORE_REFUSED')
  assert.equal(memory.status().pending.entries, 1)
  assert.equal(await settles(map.set('k1000', 1001, { durability: 'write-through' })), false)
  assert.equal(await memory.deadLetters.discard(memory.deadLetters.list()[0]!.id), true)

  await memory.checkpoint()
  assert.equal(memory.status().deadLetters.count, 1000)
  assert.equal(memory.status().pending.entries, 0)
  assert.equal(await map.get('k0'), undefined)
  assert.equal(await map.get('k1000'), 1001)
})

test('while writes go on, replays and discards take their turns between runs', async () => {
  const bench = await opened('bad')
  const map = bench.memory.map<number>('runs', { durability: 'write-through' })
  await codeOf(map.set('bad', 0))
  const writes = Array.from({ length: 64 }, async (_, n) => {
    for (let round = 0; round < 5; round++) await map.set(`k${n}`, round)
  })
  await turns(2)
  const replay = bench.memory.deadLetters.replay()
  bench.refusals.keys.clear()
  await Promise.all([...writes, replay])
  await bench.memory.deadLetters.replay()

  const content = await contentOf((await bench.cutPower()).map<number>('runs'))
  assert.equal(content.bad, 0)
  assert.equal(Object.keys(content).length, 65)
})

test('after close, replay and discard reject CLOSED', async () => {
  const { memory } = await opened('bad')
  await memory.map('runs').set('bad', 1)
  const { inStore, lost } = await memory.close()
  assert.ok(inStore > 0 && lost === 0)
  assert.equal(await codeOf(memory.deadLetters.replay()), 'CLOSED')
  assert.equal(await codeOf(memory.deadLetters.discard(1)), 'CLOSED')
})
