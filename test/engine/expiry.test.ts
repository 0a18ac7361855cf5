import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeKey, encodeSegment } from '../../src/core/key.js'
import type { AgentMemory, DataStore } from '../../src/index.js'
import { InMemoryStore } from '../../src/stores/in-memory.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { all, contentOf, openOn, simulated, turns } from './simulated.js'

const HOUR_MS = 3_600_000
const START = Date.UTC(2026, 0)

/** A memory whose store the test sees, and what the store has under a key of the map "m". */
async function withStore(clock: ManualClock) {
  const store: DataStore = new InMemoryStore()
  const { memory } = await simulated({ clock, store: { kind: 'seen', open: async () => store } })
  return { memory, store, stored: (key: string) => store.get(encodeSegment('m') + encodeKey(key)) }
}

/** Where an entry is when it expires. */
const PLACES: Record<string, (memory: AgentMemory) => Promise<unknown>> = {
  'in the tier only': async () => {},
  'in the log': memory => memory.flush(),
  'in the store': memory => memory.checkpoint(),
}

for (const [place, moveThere] of Object.entries(PLACES)) {
  for (const tierBytesMax of [0, 1 << 20]) {
    test(`an entry that expires ${place} reads as absent everywhere, with ${tierBytesMax} bytes of tier`, async () => {
      const { memory, clock } = await simulated({ durability: 'write-back', tierBytesMax })
      const map = memory.map<number>('m')
      await map.set('stays', 1)
      await map.set('goes', 2, { ttlMs: 1000 })
      await moveThere(memory)

      clock.advance(999)
      assert.equal(await map.get('goes'), 2)
      assert.deepEqual(await contentOf(map), { goes: 2, stays: 1 })
      clock.advance(1)

      assert.equal(await map.get('goes'), undefined)
      assert.equal(await map.has('goes'), false)
      assert.equal(await map.getEntry('goes'), undefined)
      assert.deepEqual(await map.getMany(['goes', 'stays']), [undefined, 1])
      assert.deepEqual(await contentOf(map), { stays: 1 })
      assert.deepEqual(
        (await all(map, { reverse: true })).map(({ key }) => key),
        ['stays'],
      )
      await assert.rejects(map.set('goes', 3, { expected: 2 }), { code: 'VERSION_CONFLICT', actual: null })
      await map.set('goes', 4, { expected: null })
      assert.equal(await map.get('goes'), 4)
      await memory.close()
    })
  }
}

test('a crash and a checkpoint keep the moment at which an entry expires', async () => {
  const { memory, disk, clock } = await simulated()
  await memory.map('m').set('stored', 1, { ttlMs: HOUR_MS })
  await memory.checkpoint()
  await memory.map('m').set('logged', 2, { ttlMs: HOUR_MS })
  const expiresAt = clock.wallMs() + HOUR_MS
  const after = disk.crash(() => 0.5, { kind: 'nothing' })

  const again = await openOn(after, { clock })
  assert.deepEqual(
    (await all(again.map('m'))).map(({ key, value, expiresAt }) => ({ key, value, expiresAt })),
    [
      { key: 'logged', value: 2, expiresAt },
      { key: 'stored', value: 1, expiresAt },
    ],
  )
  clock.advance(HOUR_MS)
  assert.deepEqual(await contentOf(again.map('m')), {})
  await again.close()
})

test('a write says how long, else its map does, else for ever; null is for ever', async () => {
  const { memory, clock } = await simulated()
  const cache = memory.map<number>('cache', { ttlMs: 50 })
  const now = clock.wallMs()
  await cache.set('map', 1)
  await cache.set('write', 2, { ttlMs: 20 })
  await cache.set('ever', 3, { ttlMs: null })
  await memory.batch(batch => {
    batch.set(cache, 'batch', 4)
    batch.set(cache, 'batch-write', 5, { ttlMs: 30 })
  })
  await cache.setMany([['many', 6]], { ttlMs: 40 })
  await cache.update('update', () => 7)

  const expiry = async (key: string) => (await cache.getEntry(key))?.expiresAt
  assert.equal(await expiry('map'), now + 50)
  assert.equal(await expiry('write'), now + 20)
  assert.equal(await expiry('ever'), undefined)
  assert.equal(await expiry('batch'), now + 50)
  assert.equal(await expiry('batch-write'), now + 30)
  assert.equal(await expiry('many'), now + 40)
  assert.equal(await expiry('update'), now + 50)
  await memory.close()
})

test('a set without ttlMs ends an earlier expiry; an update keeps it, unless it is told another', async () => {
  const { memory, clock } = await simulated()
  const map = memory.map<number>('m')
  const until = clock.wallMs() + 1000
  await map.set('a', 1, { ttlMs: 1000 })
  clock.advance(400)
  await map.update('a', n => n + 1)
  assert.deepEqual([await map.get('a'), (await map.getEntry('a'))?.expiresAt], [2, until])
  await map.update('a', n => n + 1, { ttlMs: 100 })
  assert.equal((await map.getEntry('a'))?.expiresAt, clock.wallMs() + 100)
  await map.set('a', 4)
  clock.advance(HOUR_MS)
  assert.equal(await map.get('a'), 4)

  await map.set('b', 10, { ttlMs: 5 })
  clock.advance(5)
  await map.update('b', n => n + 1, { initial: 0 })
  assert.deepEqual([await map.get('b'), (await map.getEntry('b'))?.expiresAt], [1, undefined])
  await memory.close()
})

test('a ttlMs that is no time is refused, and nothing is written', async () => {
  const { memory } = await simulated()
  const map = memory.map<number>('m')
  for (const ttlMs of [0, -1, 1.5, Number.NaN, Infinity, '5' as never]) {
    await assert.rejects(map.set('a', 1, { ttlMs }), { code: 'INVALID_OPTION' })
    assert.throws(() => memory.map('other', { ttlMs }), { code: 'INVALID_OPTION' })
  }
  await assert.rejects(map.delete('a', { ttlMs: 5 } as never), { code: 'UNKNOWN_OPTION' })
  assert.equal(await map.has('a'), false)
  await memory.close()
})

test('a clock set back neither brings back what has expired nor lengthens a TTL', async () => {
  const { memory, clock } = await simulated()
  const map = memory.map<number>('m')
  await map.set('gone', 1, { ttlMs: 1000 })
  await map.set('short', 2, { ttlMs: 5000 })
  clock.advance(1000)
  assert.equal(await map.get('gone'), undefined)

  clock.setWall(clock.wallMs() - 3 * HOUR_MS)

  assert.equal(await map.get('gone'), undefined)
  await map.set('new', 3, { ttlMs: 2000 })
  clock.advance(1999)
  assert.deepEqual(await contentOf(map), { new: 3, short: 2 })
  clock.advance(1)
  assert.deepEqual(await contentOf(map), { short: 2 })
  clock.advance(2000)
  assert.deepEqual(await contentOf(map), {})
  await memory.close()
})

test('a clock set forward expires what lasts less long', async () => {
  const { memory, clock } = await simulated()
  const map = memory.map<number>('m')
  await map.set('hour', 1, { ttlMs: HOUR_MS })
  await map.set('day', 2, { ttlMs: 24 * HOUR_MS })

  clock.setWall(clock.wallMs() + 2 * HOUR_MS)

  assert.deepEqual(await contentOf(map), { day: 2 })
  await memory.close()
})

test('an open goes by the wall clock as it is then: ahead, entries have expired; behind, they live longer by as much', async () => {
  for (const [setBy, hours] of [
    ['while it was closed', 2],
    ['while it was open', 2],
    ['while it was closed', -2],
    ['while it was open', -2],
  ] as const) {
    const { memory, clock, disk } = await simulated()
    await memory.map('m').set('hour', 1, { ttlMs: HOUR_MS })
    await memory.map('m').set('day', 2, { ttlMs: 24 * HOUR_MS })
    const setWall = () => clock.setWall(clock.wallMs() + hours * HOUR_MS)
    if (setBy === 'while it was open') {
      setWall()
      await contentOf(memory.map('m'))
    }
    await memory.close()
    if (setBy === 'while it was closed') setWall()

    const again = await openOn(disk, { clock })
    const read = () => contentOf(again.map('m'))
    assert.deepEqual(await read(), hours > 0 ? { day: 2 } : { day: 2, hour: 1 }, `${hours} hours ${setBy}`)
    if (hours < 0) {
      clock.setWall(clock.wallMs() + 3 * HOUR_MS - 1)
      assert.deepEqual(await read(), { day: 2, hour: 1 })
      clock.advance(1)
      assert.deepEqual(await read(), { day: 2 })
    }
    await again.close()
  }
})

test('what has expired when a checkpoint comes by is applied as a delete', async () => {
  const clock = new ManualClock({ wallMs: START })
  const { memory, stored } = await withStore(clock)
  const map = memory.map<number>('m')
  await map.set('a', 1)
  await memory.checkpoint()
  assert.notEqual(await stored('a'), undefined)
  await map.set('a', 2, { ttlMs: 10 })
  clock.advance(10)

  await memory.checkpoint()

  assert.equal(await stored('a'), undefined)
  assert.equal(await map.get('a'), undefined)
  await memory.close()
})

test('what expires in the store is swept from it, whether anybody reads it or not, and nothing else is', async () => {
  const clock = new ManualClock({ wallMs: START })
  const { memory, stored } = await withStore(clock)
  const map = memory.map<number>('m')
  const keys = Array.from({ length: 600 }, (_, n) => `k${n}`)
  await map.setMany(
    keys.map(key => [key, 1]),
    { ttlMs: 1000 },
  )
  await map.set('stays', 1)
  await map.set('later', 1, { ttlMs: HOUR_MS })
  await memory.checkpoint()
  await map.set('k7', 7)

  for (let step = 0; step < 10; step++) {
    clock.advance(60_000)
    await turns(20)
  }
  await memory.checkpoint()

  const left = []
  for (const key of [...keys, 'stays', 'later']) if ((await stored(key)) !== undefined) left.push(key)
  assert.deepEqual(left, ['k7', 'stays', 'later'])
  assert.equal(await map.get('k7'), 7)
  await memory.close()
})

test('a memory in which nothing expires never walks its store', async () => {
  const clock = new ManualClock({ wallMs: START })
  const { memory, store } = await withStore(clock)
  let pages = 0
  const page = store.page.bind(store)
  store.page = range => {
    pages += 1
    return page(range)
  }
  const map = memory.map('m')
  await map.set('a', 1)
  await memory.checkpoint()
  clock.advance(HOUR_MS)
  await turns(20)
  assert.equal(pages, 0)

  await map.set('b', 1, { ttlMs: 1000 })
  clock.advance(HOUR_MS)
  await turns(20)
  assert.equal(pages, 1)
  await memory.close()
})

test('close ends the sweeping', async () => {
  const { memory, clock } = await simulated()
  await memory.map('m').set('a', 1, { ttlMs: 5 })
  await memory.checkpoint()
  clock.advance(60_000)

  await memory.close()

  assert.equal(clock.timers, 0)
})
