import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemoryError } from '../../src/index.js'
import { openOn, simulated } from './simulated.js'

const SMALL_FRAMES = { frameBytesMax: 64 * 1024 }

test('a loop of large writes that nobody awaits waits for room, and all of it arrives in order', async () => {
  const { memory, disk } = await simulated(SMALL_FRAMES)
  const map = memory.map<string>('m')
  const writes = Array.from({ length: 60 }, (_, index) => map.set(`k${index}`, `${index}`.padEnd(20_000, 'x')))
  assert.ok(memory.status().pending.queuedBytes > 0)

  const results = await Promise.all(writes)

  const lsns = results.map(each => each.lsn)
  assert.deepEqual(
    lsns,
    [...lsns].sort((a, b) => a - b),
  )
  assert.equal(memory.status().pending.queuedBytes, 0)
  const reopened = await openOn(disk.crash(Math.random, { kind: 'nothing' }))
  for (let index = 0; index < 60; index++)
    assert.equal((await reopened.map<string>('m').get(`k${index}`))?.length, 20_000)
})

test('beyond queuedBytesMax a write is refused OVERLOADED, and every accepted one settles', async () => {
  const { memory } = await simulated({ ...SMALL_FRAMES, queuedBytesMax: 100_000 })
  const map = memory.map<string>('m')

  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, (_, index) => map.set(`k${index}`, 'x'.repeat(20_000))),
  )

  const refused = outcomes.filter(each => each.status === 'rejected')
  assert.ok(refused.length > 20 && refused.length < 40, `${refused.length}`)
  for (const { reason } of refused) {
    assert.ok(reason instanceof AgentMemoryError && reason.code === 'OVERLOADED' && reason.next.length > 10)
  }
  for (const [index, outcome] of outcomes.entries()) {
    const found = await map.get(`k${index}`)
    assert.equal(found !== undefined, outcome.status === 'fulfilled', `k${index}`)
  }
  assert.equal(memory.status().pending.queuedBytes, 0)
  await map.set('later', 'fits again')
})

test('calls that wait are accepted in the order in which they were made, whatever they are', async () => {
  const { memory } = await simulated(SMALL_FRAMES)
  const map = memory.map<string>('m')
  const value = 'x'.repeat(20_000)
  // The tier can tell what it is: of a key that has to be read first, the place is that of the read's end.
  await map.set('updated', '')
  const before = Array.from({ length: 10 }, (_, index) => map.set(`before-${index}`, value))
  const update = map.update('updated', () => value)
  const batch = memory.batch(b => {
    b.set(map, 'batch-1', value).set(map, 'batch-2', value)
  })
  const after = Array.from({ length: 10 }, (_, index) => map.set(`after-${index}`, value))

  const results = await Promise.all([...before, update, batch, ...after])

  const lsns = results.map(each => each.lsn)
  assert.deepEqual(
    lsns,
    [...lsns].sort((a, b) => a - b),
  )
})

test('an update is not put off for ever by a stream of writes that fills every frame', async () => {
  const { memory } = await simulated(SMALL_FRAMES)
  const map = memory.map<string>('m')
  let isDone = false
  let written = 0
  const stream = async () => {
    while (!isDone && written < 400) {
      written += 1
      await map.set(`k${written % 20}`, 'x'.repeat(20_000))
    }
  }
  const streams = Array.from({ length: 12 }, stream)

  await map.update('updated', () => 'y'.repeat(20_000))
  isDone = true

  await Promise.all(streams)
  assert.ok(written < 200, `${written} writes came first`)
})

test('what waits is not accepted when the memory is closed, and says so', async () => {
  const { memory, disk } = await simulated(SMALL_FRAMES)
  const map = memory.map<string>('m')
  const writes = Array.from({ length: 10 }, (_, index) => map.set(`k${index}`, 'x'.repeat(20_000)))
  const close = memory.close()

  const outcomes = await Promise.allSettled(writes)

  assert.deepEqual(await close, { inStore: 3, inLog: 0, inDoubt: 0, lost: 0 })
  const reopened = await openOn(disk)
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'rejected') assert.equal((outcome.reason as AgentMemoryError).code, 'CLOSED')
    const found = await reopened.map('m').get(`k${index}`)
    assert.equal(found !== undefined, outcome.status === 'fulfilled')
  }
  assert.equal(outcomes.filter(each => each.status === 'fulfilled').length, 3)
})

test('a value or a batch over the limits is refused, one just below is taken, and nothing changes', async () => {
  const { memory } = await simulated(SMALL_FRAMES)
  const map = memory.map<string>('m')

  await assert.rejects(map.set('k', 'x'.repeat(64 * 1024)), { code: 'VALUE_TOO_LARGE' })
  await assert.rejects(
    map.update('k', () => 'x'.repeat(64 * 1024)),
    { code: 'VALUE_TOO_LARGE' },
  )
  await assert.rejects(
    memory.batch(batch => batch.set(map, 'a', 'x'.repeat(40_000)).set(map, 'b', 'x'.repeat(40_000))),
    { code: 'BATCH_TOO_LARGE' },
  )
  assert.equal(memory.status().lsn.accepted, 0)

  await map.set('k'.repeat(1000), 'x'.repeat(64 * 1024 - 2048 - 5))
  await map.setMany([
    ['a', 'x'.repeat(30_000)],
    ['b', 'x'.repeat(30_000)],
  ])
  assert.equal((await map.get('b'))?.length, 30_000)
})

test('with a log that may hold little, writes wait for the store and all arrive', async () => {
  for (const limits of [{ logBytesMax: 64 * 1024 }, { pendingEntriesMax: 3 }]) {
    const { memory, disk } = await simulated({ ...SMALL_FRAMES, ...limits })
    const map = memory.map<string>('m')

    await Promise.all(Array.from({ length: 60 }, (_, index) => map.set(`k${index}`, 'x'.repeat(3000))))

    const reopened = await openOn(disk.clone())
    for (let index = 0; index < 60; index++) assert.ok(await reopened.map('m').has(`k${index}`))
  }
})
