import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WriteResult } from '../../src/index.js'
import { makeSyncsSlow, openOn, settles, simulated, turns, until } from './simulated.js'

const BACK = { durability: 'write-back' } as const

test('of 10,001 writes that nobody awaits, those over the bound are acknowledged from the log', async () => {
  const { memory } = await simulated({ ...BACK })
  const map = memory.map<number>('m')

  const results = await Promise.all(Array.from({ length: 10_001 }, (_, index) => map.set(`k${index % 50}`, index)))

  assert.equal(count(results, 'tier'), 10_000)
  assert.equal(results.at(-1)?.reached, 'log')
  assert.equal(memory.status().atRisk.writes, 0)
})

test('a bound of no writes, no bytes or no milliseconds makes every write-back a write-ahead', async () => {
  for (const maxLoss of [{ writes: 0 }, { bytes: 0 }, { ms: 0 }]) {
    const { memory } = await simulated({ ...BACK, maxLoss })
    const map = memory.map<number>('m')

    const results = await Promise.all([map.set('a', 1), map.set('b', 2), map.delete('a'), map.update('c', () => 3)])

    assert.equal(count(results, 'log'), 4, JSON.stringify(maxLoss))
  }
})

test('the bytes at risk never pass the bound, superseded writes included', async () => {
  const { memory } = await simulated({ ...BACK, maxLoss: { bytes: 2000 } })
  const map = memory.map<string>('m')

  const results = await Promise.all(
    Array.from({ length: 20 }, () => {
      const write = map.set('k', 'x'.repeat(300))
      assert.ok(memory.status().atRisk.bytes <= 2000)
      return write
    }),
  )

  const inTier = count(results, 'tier')
  assert.ok(inTier >= 4 && inTier <= 6, `${inTier}`)
  assert.equal(count(results, 'log'), 20 - inTier)
})

test('one value larger than the bound on bytes is acknowledged from the log', async () => {
  const { memory } = await simulated({ ...BACK, maxLoss: { bytes: 1000 } })

  assert.equal((await memory.map('m').set('k', 'x'.repeat(1001))).reached, 'log')
  assert.equal((await memory.map('m').set('k', 'x')).reached, 'tier')
})

test('a map with a bound of its own leaves that of the memory alone', async () => {
  const { memory } = await simulated({ ...BACK, maxLoss: { writes: 1 } })
  const own = memory.map('own', { maxLoss: { writes: 2 } })
  const shared = memory.map('shared')

  const results = await Promise.all([own.set('a', 1), own.set('b', 1), own.set('c', 1), shared.set('a', 1)])

  assert.deepEqual(
    results.map(each => each.reached),
    ['tier', 'tier', 'log', 'tier'],
  )
})

test('a batch counts each of its writes, and is acknowledged from the log if one of them is over the bound', async () => {
  const { memory } = await simulated({ ...BACK, maxLoss: { writes: 3 } })
  const map = memory.map('m')

  assert.equal(
    (
      await map.setMany([
        ['a', 1],
        ['b', 2],
      ])
    ).reached,
    'tier',
  )
  assert.equal(memory.status().atRisk.writes, 2)
  const second = map.setMany([
    ['c', 1],
    ['d', 2],
  ])
  assert.equal((await second).reached, 'log')
})

test('a write-back is synced by a timer, well before its time is over, though nothing else is written', async () => {
  const { memory, clock, disk } = await simulated({ ...BACK, maxLoss: { ms: 1000 } })
  const result = await memory.map('m').set('k', 1)
  const before = memory.status().log.syncs
  await turns(5)
  assert.equal(memory.status().log.syncs, before)
  assert.equal(memory.status().atRisk.writes, 1)

  clock.advance(999)
  await until(() => memory.status().atRisk.writes === 0, 'the write is synced')

  assert.equal(memory.status().lsn.durable, result.lsn)
  const reopened = await openOn(disk.crash(Math.random, { kind: 'nothing' }))
  assert.equal(await reopened.map('m').get('k'), 1)
})

test('a stream of writes does not put off the sync of the first', async () => {
  const { memory, clock } = await simulated({ ...BACK, maxLoss: { ms: 1000 } })
  const map = memory.map('m')
  let oldest = 0
  for (let index = 0; index < 100; index++) {
    await map.set('k', index)
    clock.advance(100)
    await turns(3)
    oldest = Math.max(oldest, memory.status().atRisk.oldestMs)
  }

  assert.ok(oldest <= 1000, `${oldest} ms`)
})

test('half of a bound of writes or bytes asks for a frame at once', async () => {
  for (const maxLoss of [{ writes: 10 }, { bytes: 1000 }]) {
    const { memory } = await simulated({ ...BACK, maxLoss })
    const map = memory.map('m')
    for (let index = 0; index < 6; index++) assert.equal((await map.set('k', 'x'.repeat(60))).reached, 'tier')

    await until(() => memory.status().atRisk.writes === 0, 'a frame without a timer')
  }
})

test('while a sync hangs past the bound nothing more is acknowledged as write-back, and the overrun is told', async () => {
  const bench = await simulated({ maxLoss: { ms: 1000 } })
  const { memory, clock, disk } = bench
  await makeSyncsSlow(bench)
  const map = memory.map<number>('m', BACK)
  const overruns: number[] = []
  memory.on('overrun', ({ ms }) => overruns.push(ms))
  disk.faults.add({ at: { kind: 'dataSync' }, error: 'hang' })
  assert.equal((await map.set('first', 1)).reached, 'tier')
  clock.advance(500)
  await turns(5)
  assert.equal((await map.set('second', 2)).reached, 'tier')
  assert.equal(memory.status().atRisk.writes, 2)

  clock.advance(600)
  const third = map.set('third', 3)
  const fourth = map.update('fourth', () => 4)

  assert.equal(await settles(third), false)
  assert.equal(await map.get('third'), 3)
  assert.ok(memory.status().atRisk.oldestMs >= 1100)
  disk.releaseHangs()
  assert.equal((await third).reached, 'log')
  assert.equal((await fourth).reached, 'log')
  assert.ok(overruns[0]! > 0 && overruns.at(-1)! >= 100, JSON.stringify(overruns))
  assert.equal((await map.set('fifth', 5)).reached, 'tier')
})

test('I1: nobody who waits for the log is told before the sync of the frame has returned', async () => {
  const bench = await simulated()
  const { memory, disk } = bench
  await makeSyncsSlow(bench)
  const map = memory.map<number>('m')
  disk.faults.add({ at: { kind: 'dataSync' }, error: 'hang' })
  const back = await map.set('back', 0, BACK)

  const waiting = [map.set('ahead', 1), map.set('through', 2, { durability: 'write-through' }), back.durable()]
  const reads = [map.get('ahead', { durable: true }), memory.flush(), memory.checkpoint()]

  for (const [index, each] of [...waiting, ...reads].entries()) assert.equal(await settles(each, 20), false, `${index}`)
  assert.equal(await map.get('ahead'), 1)
  disk.releaseHangs()
  await Promise.all([...waiting, ...reads])
})

test('durable() of a write-back asks for its sync and waits for it', async () => {
  const { memory, disk } = await simulated({ ...BACK })
  const result = await memory.map('m').set('k', 1)
  assert.equal(result.reached, 'tier')

  await result.durable()

  assert.ok(memory.status().lsn.durable >= result.lsn)
  const reopened = await openOn(disk.crash(Math.random, { kind: 'nothing' }))
  assert.equal(await reopened.map('m').get('k'), 1)
})

test('a durable read waits until what it gives is on stable storage', async () => {
  const { memory } = await simulated({ ...BACK })
  const map = memory.map('m')
  const { lsn } = await map.set('k', 1)

  assert.equal(await map.get('k', { durable: true }), 1)

  assert.ok(memory.status().lsn.durable >= lsn)
})

function count(results: readonly WriteResult[], reached: WriteResult['reached']): number {
  return results.filter(each => each.reached === reached).length
}
