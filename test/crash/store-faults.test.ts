import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { turns } from '../../prove/lab-clock.js'
import { type AgentMemory, UnsettledWriteError } from '../../src/index.js'
import { allOf, failureOf, Laboratory, noUnhandledRejection, outcome } from './laboratory.js'

afterEach(noUnhandledRejection)

const DOWN = new Error('the store is down')

test('a store that fails once goes down, comes up by itself, and has everything then', async () => {
  const { lab, memory, events } = await openedLaboratory()
  const runs = memory.map<number, string>('runs')
  await runs.set('a', 1)

  lab.storeFault = DOWN
  const through = runs.set('b', 2, { durability: 'write-through' })
  await turns(5)
  assert.equal(memory.status().store.state, 'down')
  lab.storeFault = undefined
  const result = await lab.until(through)

  assert.equal(result.reached, 'store')
  assert.deepEqual(events, ['storeDown', 'storeUp'])
  assert.equal(memory.status().store.state, 'up')
  assert.equal(memory.status().pending.entries, 0)
  assert.deepEqual(await allOf(await lab.powerCut().open()), { a: 1, b: 2 })
})

test('a store that cannot flush is down, a checkpoint says so, and nothing is lost', async () => {
  const { lab, memory, events } = await openedLaboratory()
  await memory.map('runs').set('a', 1)
  lab.flushFault = DOWN

  assert.equal(await outcome(lab.until(memory.checkpoint())), 'STORE_DOWN')
  assert.equal(memory.status().store.state, 'down')
  lab.clock.advance(10_000)
  await turns(5)
  assert.equal(memory.status().store.state, 'down')
  lab.flushFault = undefined
  await lab.until(storeIsUp(memory))
  await lab.until(memory.checkpoint())

  assert.deepEqual(events, ['storeDown', 'storeUp'])
  assert.deepEqual(await allOf(await lab.powerCut().open()), { a: 1 })
})

test('while the store is down, write-ahead and write-back go on, and write-through is told that the store is behind', async () => {
  const { lab, memory } = await openedLaboratory()
  const runs = memory.map<number, string>('runs')
  lab.storeFault = DOWN
  const through = outcomeAndError(runs.set('through', 1, { durability: 'write-through' }))
  await turns(5)

  assert.equal((await runs.set('ahead', 2)).reached, 'log')
  assert.equal((await runs.set('back', 3, { durability: 'write-back' })).reached, 'tier')
  assert.equal((await runs.update('ahead', n => n + 1)).value, 3)
  assert.equal(await outcome(memory.checkpoint()), 'STORE_DOWN')
  const { error } = await lab.until(through)
  assert.ok(error instanceof UnsettledWriteError && error.code === 'STORE_BEHIND' && error.reached === 'log')
  let fate: string | undefined
  const settled = error.settled().then(each => {
    fate = each
  })
  lab.clock.advance(20_000)
  await turns(5)
  assert.equal(fate, undefined)

  lab.storeFault = undefined
  await lab.until(settled)

  assert.equal(fate, 'kept')
  await lab.until(memory.checkpoint())
  assert.equal(memory.status().pending.entries, 0)
  assert.deepEqual(await allOf(await lab.powerCut().open()), { through: 1, ahead: 3, back: 3 })
})

test('a read of what only the store has says STORE_DOWN and never "absent"', async () => {
  const { lab, memory } = await openedLaboratory({ tierBytesMax: 0 })
  const runs = memory.map<number, string>('runs')
  await runs.set('cold', 1, { durability: 'write-through' })
  await runs.set('other', 2, { durability: 'write-through' })
  await goDown(lab, memory)

  for (const read of [
    runs.get('cold'),
    runs.has('absent'),
    runs.getMany(['cold', 'hot']),
    runs.getEntry('cold'),
    runs.update('cold', n => n + 1),
    runs.set('cold', 3, { expected: null }),
    allOf(memory),
  ]) {
    assert.equal(await outcome(read), 'STORE_DOWN')
  }
  assert.equal(await runs.get('hot'), 0)

  lab.storeFault = undefined
  await lab.until(storeIsUp(memory))
  assert.equal(await runs.get('cold'), 1)
  assert.equal(await runs.has('absent'), false)
  assert.equal((await runs.update('cold', n => n + 1)).value, 2)
})

for (const limit of ['pendingEntriesMax', 'logBytesMax'] as const) {
  test(`when the store is down and ${limit} is reached, writes are refused LOG_FULL until it is up`, async () => {
    const { lab, memory } = await openedLaboratory(
      limit === 'pendingEntriesMax' ? { pendingEntriesMax: 20 } : { logBytesMax: 64 * 1024 },
    )
    const runs = memory.map<number, string>('runs')
    lab.storeFault = DOWN
    const acknowledged: Record<string, number> = {}
    let refusal = 'kept'
    for (let n = 0; n < 100 && refusal === 'kept'; n++) {
      refusal = await outcome(runs.set(`k${n}`, n))
      if (refusal === 'kept') acknowledged[`k${n}`] = n
      await turns(2)
    }

    assert.equal(refusal, 'LOG_FULL')
    assert.ok(Object.keys(acknowledged).length >= 10)
    assert.equal(await outcome(runs.set('back', 1, { durability: 'write-back' })), 'LOG_FULL')
    assert.equal(await runs.get('k0'), 0)
    assert.equal(memory.status().state, 'open')

    lab.storeFault = undefined
    await lab.until(storeIsUp(memory))
    await lab.until(memory.checkpoint())
    await runs.set('after', 1)
    assert.deepEqual(await allOf(await lab.powerCut().open()), { ...acknowledged, after: 1 })
  })
}

test('a store that is down when the memory is closed gets everything at the next open', async () => {
  const { lab, memory } = await openedLaboratory()
  const runs = memory.map<number, string>('runs')
  await runs.set('a', 1)
  await goDown(lab, memory)

  const report = await lab.until(memory.close())

  assert.equal(report.inLog, 2)
  assert.equal(report.lost + report.inDoubt, 0)
  assert.equal(await failureOf(lab.open()), DOWN)
  lab.storeFault = undefined
  const after = await lab.open()
  await lab.until(after.checkpoint())
  assert.deepEqual(await allOf(after), { a: 1, hot: 0 })
  assert.equal(after.status().pending.entries, 0)
})

async function openedLaboratory(options: Parameters<Laboratory['open']>[0] = {}) {
  const lab = new Laboratory()
  const memory = await lab.open({ storeDeadlineMs: 2000, ...options })
  const events: string[] = []
  memory.on('storeDown', () => events.push('storeDown'))
  memory.on('storeUp', () => events.push('storeUp'))
  await turns(3)
  return { lab, memory, events }
}

/** The store fails a commit, of an entry that is then in the log only. */
async function goDown(lab: Laboratory, memory: AgentMemory): Promise<void> {
  lab.storeFault = DOWN
  await memory.map('runs').set('hot', 0)
  assert.equal(await outcome(memory.checkpoint()), 'STORE_DOWN')
  assert.equal(memory.status().store.state, 'down')
}

async function outcomeAndError(promise: Promise<unknown>): Promise<{ error: unknown }> {
  return { error: await failureOf(promise) }
}

async function storeIsUp(memory: AgentMemory): Promise<void> {
  while (memory.status().store.state === 'down') await turns(1)
}
