// What happens by itself, under the defaults: an idle memory flushes and checkpoints, by timers and not by the next call.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemoryEvents } from '../../src/index.js'
import { openOn, type Simulated, simulated, turns, until } from './simulated.js'

const HOUR_MS = 3_600_000
const BACK = { durability: 'write-back' } as const

/** Ways in which wall time may jump: none of it matters to flushes and checkpoints. */
const JUMPS = [0, -5 * HOUR_MS, 5 * HOUR_MS]

for (const jumpMs of JUMPS) {
  const clockIs = jumpMs === 0 ? 'goes on' : `jumps by ${jumpMs / HOUR_MS} hours`

  test(`an idle memory flushes a write-back after half a second, well within its bound of one, while the clock ${clockIs}`, async () => {
    const { memory, clock, disk } = await simulated()
    const { lsn, reached } = await memory.map('m', BACK).set('k', 1)
    assert.equal(reached, 'tier')

    clock.setWall(clock.wallMs() + jumpMs)
    clock.advance(499)
    await turns(10)
    assert.equal(memory.status().atRisk.writes, 1)
    clock.advance(1)
    await until(() => memory.status().lsn.durable === lsn, 'it is flushed')

    const again = await openOn(disk.crash(Math.random, { kind: 'nothing' }))
    assert.equal(await again.map('m').get('k'), 1)
    await Promise.all([memory.close(), again.close()])
  })

  test(`an idle memory checkpoints after 300 s, while the clock ${clockIs}`, async () => {
    const { memory, clock } = await simulated()
    const first = await memory.map('m').set('a', 1)
    const second = await memory.map('m').set('b', 2)

    clock.setWall(clock.wallMs() + jumpMs)
    clock.advance(299_999)
    await turns(10)
    assert.ok(memory.status().lsn.inStore < first.lsn)
    clock.advance(1)
    await until(() => memory.status().lsn.inStore === second.lsn, 'the store has it')

    // And again: the timer is not one of a kind.
    const third = await memory.map('m').set('c', 3)
    clock.advance(300_000)
    await until(() => memory.status().lsn.inStore === third.lsn, 'the store has that too')
    await memory.close()
  })
}

test('a memory that has nothing to do has no timer', async () => {
  const { memory, clock } = await simulated()
  assert.equal(clock.timers, 0)
  await memory.map('m', BACK).set('k', 1)
  await memory.checkpoint()
  clock.advance(HOUR_MS)
  await turns(10)

  assert.equal(clock.timers, 0)
  await memory.close()
})

test('a checkpoint starts by itself once the store lacks 8,192 entries', async () => {
  const { memory } = await simulated()
  const map = memory.map('m')
  const write = (count: number, from: number) =>
    map.setMany(Array.from({ length: count }, (_, index): [string, number] => [`k${from + index}`, index]))
  await write(8192, 0)
  await turns(10)
  assert.equal(memory.status().lsn.inStore, 0)

  const { lsn } = await write(1, 8192)

  await until(() => memory.status().lsn.inStore === lsn, 'the store has them')
  await memory.close()
})

test('a checkpoint starts by itself once the store lacks an eighth of logBytesMax, at most 64 MiB', async () => {
  const { memory } = await simulated({ logBytesMax: 8 << 20 })
  const map = memory.map('m')
  const pending = () => memory.status().log.bytesPending
  let lsn = 0
  const checkpoints: number[] = []
  memory.on('checkpoint', event => checkpoints.push(event.lsn))
  while (pending() <= (1 << 20) - 60_000) lsn = (await map.set(`k${lsn}`, 'x'.repeat(50_000))).lsn
  await turns(10)
  assert.deepEqual(checkpoints, [])

  while (pending() <= 1 << 20 && checkpoints.length === 0) lsn = (await map.set(`k${lsn}`, 'x'.repeat(50_000))).lsn

  await until(() => memory.status().lsn.inStore === lsn, 'the store has them')
  await memory.close()
})

test('flush and checkpoint events say how many entries and bytes, and how long it took', async () => {
  const bench = await simulated(BACK)
  const { memory } = bench
  const events = listenTo(bench)
  const map = memory.map<string>('m')
  takeTime(bench, 7)
  const before = memory.status().log.bytesPending
  await map.set('a', 'old')
  await map.set('a', 'x'.repeat(5000))
  const { lsn } = await map.set('b', 'y'.repeat(5000))
  await memory.flush()

  // Of a key only the newest value is written.
  assert.equal(events.flush.length, 1)
  const bytes = memory.status().log.bytesPending - before
  assert.deepEqual(events.flush[0], { lsn, entries: 2, bytes, durationMs: 7 })
  assert.ok(bytes > 10_000)

  await map.delete('b')
  await map.set('c', 'z')
  await memory.checkpoint()

  const { entries, durationMs, ...run } = events.checkpoint[0]!
  assert.equal(events.checkpoint.length, 1)
  assert.equal(run.lsn, lsn + 2)
  assert.equal(entries, 3)
  assert.ok(durationMs >= 7, `${durationMs} ms`)
  // Three keys with the name of their map, and the values of "a" and "c" with their heads.
  assert.ok(run.bytes > 5000 + 3 * 4 && run.bytes < 5100 + 3 * 4, `${run.bytes} bytes`)
  await memory.close()
})

test('an idle memory tells its listeners of the flush and the checkpoint that its timers have brought', async () => {
  const bench = await simulated(BACK)
  const { memory, clock } = bench
  const events = listenTo(bench)
  const { lsn } = await memory.map('m').set('k', 1)
  clock.advance(500)
  await until(() => events.flush.length === 1, 'a flush is told')
  clock.advance(300_000)
  await until(() => events.checkpoint.length === 1, 'a checkpoint is told')

  assert.deepEqual([events.flush[0]?.lsn, events.flush[0]?.entries], [lsn, 1])
  assert.deepEqual([events.checkpoint[0]?.lsn, events.checkpoint[0]?.entries], [lsn, 1])
  await memory.close()
})

function listenTo({ memory }: Simulated) {
  const events = { flush: [] as MemoryEvents['flush'][0][], checkpoint: [] as MemoryEvents['checkpoint'][0][] }
  memory.on('flush', event => events.flush.push(event))
  memory.on('checkpoint', event => events.checkpoint.push(event))
  return events
}

/** From now on each sync takes so long. */
function takeTime({ disk, clock }: Simulated, ms: number): void {
  disk.onCall = call => {
    if (call.kind === 'dataSync') clock.advance(ms)
  }
}
