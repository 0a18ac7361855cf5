// A reply that is lost: the node asks what came of its batch before it sends anything else, and nothing happens twice.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type AgentMemory, UnsettledWriteError } from '../../src/index.js'
import type { DirectStore } from '../../src/stores/direct-store.js'
import { turns, until } from '../engine/simulated.js'
import { Nodes, type Wrap } from './nodes.js'

/** What goes wrong with a node's store. */
class Faults {
  /** Of the next write: it is applied and its reply lost, or lost before it is applied, or held back until `late`. */
  next: 'lost-after' | 'lost-before' | 'hangs' | undefined
  isDown = false
  writes = 0
  /** Carries out what was held back. */
  late: (() => Promise<unknown>) | undefined

  readonly wrap: Wrap = store => {
    const guarded =
      <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) =>
      async (...args: Args): Promise<T> => {
        if (this.isDown) throw new Error('connection refused')
        return call.apply(store, args)
      }
    return {
      capabilities: store.capabilities,
      attach: guarded(store.attach),
      get: guarded(store.get),
      getMany: guarded(store.getMany),
      page: guarded(store.page),
      settle: guarded(store.settle),
      forget: guarded(store.forget),
      close: () => store.close(),
      write: guarded(batch => this.#write(store, batch)),
    }
  }

  async #write(store: DirectStore, batch: Parameters<DirectStore['write']>[0]) {
    this.writes += 1
    const fault = this.next
    this.next = undefined
    if (fault === 'hangs') {
      this.late = () => store.write(batch)
      return new Promise<never>(() => {})
    }
    if (fault === 'lost-before') throw new Error('connection reset')
    const outcomes = await store.write(batch)
    if (fault === 'lost-after') throw new Error('connection reset')
    return outcomes
  }
}

async function faulty(
  t: TestContext,
): Promise<{ nodes: Nodes; faults: Faults; memory: AgentMemory; other: AgentMemory }> {
  const nodes = new Nodes()
  t.after(() => nodes.close())
  const faults = new Faults()
  return { nodes, faults, memory: await nodes.node({}, faults.wrap), other: await nodes.node() }
}

/** Lets the node come back: its waits between attempts are timers. */
async function recover(nodes: Nodes, memory: AgentMemory): Promise<void> {
  for (let round = 0; round < 100 && memory.status().store.state === 'down'; round++) {
    nodes.clock.advance(50)
    await turns(3)
  }
  assert.equal(memory.status().store.state, 'up')
}

const isDown = (memory: AgentMemory) => until(() => memory.status().store.state === 'down', 'the store to be down')

for (const fault of ['lost-after', 'lost-before'] as const) {
  test(`an increment whose reply is ${fault} counts once`, async t => {
    const { nodes, faults, memory, other } = await faulty(t)
    const counters = memory.map<number>('counters')
    await counters.set('n', 1)
    faults.next = fault
    const update = counters.update('n', n => n + 1)
    await isDown(memory)
    // Meanwhile others go on.
    await other.map<number>('counters').update('n', n => n + 10)
    await recover(nodes, memory)
    const { value, lsn } = await update
    assert.equal(await other.map('counters').get('n', { fresh: true }), 12)
    assert.equal(value, fault === 'lost-after' ? 2 : 12)
    assert.ok(lsn > 0)
  })

  test(`a blind write whose reply is ${fault} never overwrites what came after it`, async t => {
    const { nodes, faults, memory, other } = await faulty(t)
    const map = memory.map('m')
    faults.next = fault
    const set = map.set('k', 'mine')
    await isDown(memory)
    const { lsn: theirs } = await other.map('m').set('k', 'theirs')
    await recover(nodes, memory)
    const { lsn } = await set
    const entry = await other.map('m').getEntry('k', { fresh: true })
    // It took effect once: before theirs if it had been applied, else now.
    if (fault === 'lost-after') assert.deepEqual([entry!.value, entry!.version, lsn < theirs], ['theirs', theirs, true])
    else assert.deepEqual([entry!.value, entry!.version], ['mine', lsn])
    nodes.clock.advance(1000)
    assert.equal(await map.get('k'), entry!.value)
  })
}

test('a call that hangs and arrives late, after it was settled, has no effect', async t => {
  const { nodes, faults, memory, other } = await faulty(t)
  const map = memory.map('m')
  faults.next = 'hangs'
  const set = map.set('k', 'mine')
  await until(() => faults.late !== undefined, 'the call')
  // The caller is told at its own deadline, a moment before the link gives the call up.
  const refused = assert.rejects(set, { code: 'OUTCOME_UNKNOWN' })
  nodes.clock.advance(10_000)
  await refused
  await isDown(memory)
  await recover(nodes, memory)
  await memory.flush()
  await other.map('m').set('k', 'theirs')
  await assert.rejects(faults.late!())
  assert.equal(await other.map('m').get('k', { fresh: true }), 'theirs')
})

test('who is told OUTCOME_UNKNOWN can ask what came of it, and is told when the store has said it', async t => {
  const { nodes, faults, memory, other } = await faulty(t)
  const map = memory.map<number>('m')
  await map.set('n', 1)
  const unknown = async (write: Promise<unknown>) => {
    const [result] = await Promise.allSettled([write])
    assert.ok(result.status === 'rejected' && result.reason instanceof UnsettledWriteError)
    assert.equal(result.reason.code, 'OUTCOME_UNKNOWN')
    return result.reason.settled()
  }
  faults.next = 'lost-after'
  const update = unknown(map.update('n', n => n + 1))
  await until(() => faults.writes === 2, 'the update to be sent')
  faults.isDown = true
  await isDown(memory)
  await other.map('m').set('n', 100)
  nodes.clock.advance(10_000)
  await turns(10)
  // What is not sent yet is refused, and was not accepted.
  await assert.rejects(map.set('k', 1), { code: 'STORE_DOWN' })
  await assert.rejects(
    map.update('k', () => 1),
    { code: 'STORE_DOWN' },
  )
  await assert.rejects(map.get('absent'), { code: 'STORE_DOWN' })
  faults.isDown = false
  await recover(nodes, memory)
  assert.equal(await update, 'kept')
  assert.equal(await map.get('n', { fresh: true }), 100)

  faults.next = 'lost-before'
  const second = unknown(map.update('n', n => n + 1))
  await isDown(memory)
  faults.isDown = true
  await other.map('m').set('n', 200)
  nodes.clock.advance(10_000)
  await turns(10)
  faults.isDown = false
  await recover(nodes, memory)
  // It is sent once more, and comes too late: nobody waits for it any more, so it is not planned anew.
  assert.equal(await second, 'lost')
  assert.equal(await map.get('n', { fresh: true }), 200)
})

test('write-back goes on while the store is down, within its bound, and is there once', async t => {
  const { nodes, faults, memory, other } = await faulty(t)
  const map = memory.map<number>('m', { durability: 'write-back', maxLoss: { ms: 1000, writes: 10 } })
  const overruns: number[] = []
  memory.on('overrun', ({ ms }) => overruns.push(ms))
  faults.isDown = true
  await map.set('a', 1)
  nodes.clock.advance(500)
  await isDown(memory)
  await map.set('a', 2)
  await map.set('b', 3)
  assert.equal(await map.get('a'), 2)
  nodes.clock.advance(501)
  assert.ok(overruns.length > 0)
  // Over its bound it is not taken any more: nothing else could keep it.
  await assert.rejects(map.set('c', 4), { code: 'STORE_DOWN' })
  faults.isDown = false
  await recover(nodes, memory)
  await memory.flush()
  assert.deepEqual(await other.map('m').getMany(['a', 'b', 'c']), [2, 3, undefined])
})

test('a close while the store is down says what is lost, and whoever waits is told', async t => {
  const { nodes, faults, memory, other } = await faulty(t)
  const map = memory.map<number>('m')
  await map.set('n', 1)
  faults.next = 'lost-after'
  const sent = map.set('n', 2)
  const settled = assert.rejects(
    sent.catch(error => error.settled()),
    { code: 'CLOSED' },
  )
  const refused = assert.rejects(sent, { code: 'OUTCOME_UNKNOWN' })
  await isDown(memory)
  faults.isDown = true
  await map.set('back', 1, { durability: 'write-back' })
  const closing = memory.close({ deadlineMs: 100 })
  nodes.clock.advance(100)
  const report = await closing
  assert.deepEqual([report.inDoubt, report.lost], [1, 1])
  await refused
  await settled
  assert.deepEqual(await other.map('m').getMany(['n', 'back']), [2, undefined])
})

test('another store that answers under the same name is not written to', async t => {
  const nodes = new Nodes()
  const others = new Nodes()
  t.after(() => Promise.all([nodes.close(), others.close()]))
  await others.node()
  const faults = new Faults()
  let isOther = false
  const memory = await nodes.node({}, store => faults.wrap(isOther ? others.shared.direct() : store))
  const map = memory.map('m')
  isOther = true
  faults.next = 'lost-before'
  const set = map.set('k', 1)
  const refused = assert.rejects(set, { code: 'OUTCOME_UNKNOWN' })
  await isDown(memory)
  for (let round = 0; round < 20 && memory.status().state === 'open'; round++) {
    nodes.clock.advance(100)
    await turns(3)
  }
  await refused
  assert.equal(memory.status().state, 'failed')
  await assert.rejects(map.set('k', 2), { code: 'WRONG_STORE' })
})
