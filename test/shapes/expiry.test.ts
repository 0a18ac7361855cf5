// Items that expire, and the heads that count them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryStore } from '../../src/stores/in-memory.js'
import { openOn, simulated, turns } from '../engine/simulated.js'

const HOUR_MS = 3_600_000

for (const tierBytesMax of [0, 1 << 20]) {
  test(`items expire from the oldest on, with ${tierBytesMax} bytes of tier`, async () => {
    const { memory, clock } = await simulated({ tierBytesMax })
    const sequence = memory.sequence<number>('s', { ttlMs: 1000 })
    await sequence.append(0, 1)
    await memory.checkpoint()
    clock.advance(400)
    await sequence.append(2, 3)
    assert.deepEqual(await sequence.bounds(), { first: 0, next: 4 })
    clock.advance(600)

    assert.deepEqual(await sequence.bounds(), { first: 2, next: 4 })
    assert.equal(await sequence.length(), 2)
    assert.equal(await sequence.get(1), undefined)
    assert.deepEqual(
      (await sequence.tail()).map(({ value }) => value),
      [2, 3],
    )
    const forward: number[] = []
    for await (const { value } of sequence.read()) forward.push(value)
    const backward: number[] = []
    for await (const { value } of sequence.read({ reverse: true })) backward.push(value)
    assert.deepEqual(
      [forward, backward],
      [
        [2, 3],
        [3, 2],
      ],
    )

    clock.advance(400)
    assert.deepEqual(await sequence.bounds(), { first: 4, next: 4 })
    assert.deepEqual(await sequence.tail(), [])
    assert.deepEqual((await sequence.append(4)).positions, [4])
    assert.deepEqual(
      (await sequence.tail()).map(({ value }) => value),
      [4],
    )
    await memory.close()
  })
}

test('the head of a sequence outlives its items, a reopen and a crash', async () => {
  const { memory, disk, clock } = await simulated()
  await memory.sequence('s', { ttlMs: 1000 }).append(0, 1, 2)
  for (let minute = 0; minute < 3; minute++) {
    await turns(20)
    clock.advance(60_000)
  }
  await turns(20)
  await memory.checkpoint()
  const again = await openOn(
    disk.crash(() => 0.5, { kind: 'nothing' }),
    { clock },
  )

  const sequence = again.sequence<number>('s', { ttlMs: 1000 })
  assert.deepEqual(await sequence.bounds(), { first: 3, next: 3 })
  assert.deepEqual((await sequence.append(3)).positions, [3])
  assert.equal((await sequence.trim({ keepLast: 0 })).reached, 'log')
  assert.deepEqual((await sequence.append(4)).positions, [4])
  await again.close()
})

test('the head of a sequence keeps up with what has expired', async () => {
  const store = new InMemoryStore()
  const { memory, clock } = await simulated({ store: { kind: 'seen', open: async () => store } })
  const sequence = memory.sequence<number>('s', { ttlMs: 1000 })
  for (let round = 0; round < 20; round++) {
    await sequence.append(...Array.from({ length: 200 }, (_, n) => n))
    clock.advance(500)
  }
  await memory.checkpoint()
  const { first, next } = await sequence.bounds()
  assert.deepEqual([first, next], [3800, 4000])
  // What expires before it was read is never looked at again: the head begins not far before the first that is there.
  const removed = (await sequence.trim({ keepLast: 0 })).removed
  assert.ok(removed < 1000, `${removed} positions`)
  await memory.close()
})

test('a conversation goes with its last message, and its positions never come back', async () => {
  const { memory, clock } = await simulated()
  const conversations = memory.conversations<object>({ ttlMs: 1000 })
  const first = await conversations.append('a', { id: 'm1' })
  clock.advance(900)
  await conversations.append('a', { id: 'm2' })
  clock.advance(900)
  assert.deepEqual(
    (await conversations.history('a')).map(({ id }) => id),
    ['m2'],
  )
  assert.deepEqual(await conversations.list(), ['a'])

  clock.advance(100)

  assert.deepEqual(await conversations.list(), [])
  assert.deepEqual(await conversations.history('a'), [])
  const again = await conversations.append('a', { id: 'm1' })
  assert.equal(again.messages[0]!.isNew, true)
  assert.ok(again.messages[0]!.position > first.messages[0]!.position + 1)
  assert.equal((await conversations.history('a')).length, 1)
  await memory.close()
})

test('what expires is removed from the store: items, names and heads of conversations', async () => {
  const clock = (await simulated()).clock
  const store = new InMemoryStore()
  const { memory } = await simulated({ clock, store: { kind: 'seen', open: async () => store } })
  await memory.conversations<object>({ ttlMs: 1000 }).append('a', { id: 'm1' }, { id: 'm2' })
  await memory.sequence('s', { ttlMs: 1000 }).append(0, 1)
  await memory.checkpoint()
  assert.equal((await store.page({ from: '', to: '\xff', reverse: false, limit: 100 })).length, 5 + 3)
  for (let step = 0; step < 10; step++) {
    clock.advance(60_000)
    await turns(20)
  }
  await memory.checkpoint()

  // The head of the sequence stays: its positions go on.
  assert.equal((await store.page({ from: '', to: '\xff', reverse: false, limit: 100 })).length, 1)
  await memory.close()
})

test('a clock set back changes neither the order, nor positions, nor ids', async () => {
  const { memory, disk, clock } = await simulated()
  const conversations = memory.conversations<string>()
  const sequence = memory.sequence<number>('s')
  const start = clock.wallMs()
  await sequence.append(0)
  await conversations.append('a', 'one')
  clock.setWall(start - HOUR_MS)
  await sequence.append(1)
  await conversations.append('a', 'two')
  await memory.close()
  clock.setWall(start - 2 * HOUR_MS)
  const again = await openOn(disk, { clock })
  await again.sequence<number>('s').append(2)
  await again.conversations<string>().append('a', 'three')

  const history = await again.conversations<string>().history('a')
  assert.deepEqual(
    history.map(({ message }) => message),
    ['one', 'two', 'three'],
  )
  // While the memory is open its time does not go back; after that it is what the clock says.
  assert.deepEqual(
    history.map(({ at }) => at - start),
    [0, 0, -2 * HOUR_MS],
  )
  const positions = history.map(({ position }) => position)
  assert.deepEqual(
    positions,
    positions.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(history.map(({ id }) => id)).size, 3)
  assert.deepEqual(await again.sequence('s').tail(), [
    { position: 0, value: 0 },
    { position: 1, value: 1 },
    { position: 2, value: 2 },
  ])
  await again.close()
})
