// What the store refuses: its caller is told, nobody else is held up, and nothing of it is there.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AgentMemoryError, UnsettledWriteError } from '../../src/index.js'
import type { DirectStore } from '../../src/stores/direct-store.js'
import { turns, until } from '../engine/simulated.js'
import { Nodes, type Wrap } from './nodes.js'

/** Refuses batches with keys of these names, and loses the answer of the call with a number. */
class Strict {
  readonly bad = new Set<string>(['bad'])
  calls = 0
  loses: { at: number; when: 'before' | 'after' } | undefined
  /** Calls wait for it. */
  gate: Promise<void> = Promise.resolve()

  readonly wrap: Wrap = store => ({ ...store, write: batch => this.#write(store, batch) })

  async #write(store: DirectStore, batch: Parameters<DirectStore['write']>[0]) {
    await this.gate
    const fault = ++this.calls === this.loses?.at ? this.loses.when : undefined
    if (fault === 'before') throw new Error('connection reset')
    const bad = batch.units.flat().find(({ key }) => this.bad.has(key.split('\0').at(-2)!))
    if (bad !== undefined) throw new AgentMemoryError('STORE_REFUSED', { message: 'bad data', next: 'Mend it' })
    const outcomes = await store.write(batch)
    if (fault === 'after') throw new Error('connection reset')
    return outcomes
  }
}

async function strict(t: TestContext) {
  const nodes = new Nodes()
  t.after(() => nodes.close())
  const store = new Strict()
  const [memory, other] = [await nodes.node({}, store.wrap), await nodes.node()]
  return { nodes, store, memory, map: memory.map<number>('m'), other, theirs: other.map<number>('m') }
}

const codes = async (calls: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(calls)).map(each => (each.status === 'fulfilled' ? 'stored' : each.reason.code))

test('of 64 writes at once the one that the store refuses is told so, and all others are stored', async t => {
  const { memory, map, theirs, store } = await strict(t)
  const names = Array.from({ length: 64 }, (_, n) => (n === 40 ? 'bad' : `k${n}`))
  const told: string[] = []
  memory.on('refused', ({ error }) => told.push(error.message))

  const answers = await codes(names.map((name, n) => map.set(name, n)))

  assert.deepEqual(
    answers,
    names.map(name => (name === 'bad' ? 'STORE_REFUSED' : 'stored')),
  )
  assert.deepEqual(
    await theirs.getMany(names),
    names.map((name, n) => (name === 'bad' ? undefined : n)),
  )
  assert.equal(await map.get('bad'), undefined)
  assert.deepEqual([memory.status().store.state, memory.status().state], ['up', 'open'])
  assert.equal(memory.status().pending.entries, 0)
  assert.match(told.join(), /^The data store refuses the write of \["m","bad"\] \(bad data\)\./)
  // One of all, and two of each half on the way down.
  assert.ok(store.calls <= 13, `${store.calls} calls`)
  await map.set('k0', 100)
  assert.equal(await theirs.get('k0', { fresh: true }), 100)
})

test('a refused write leaves what was there, to this node too', async t => {
  const { store, map, theirs } = await strict(t)
  store.bad.clear()
  await map.set('bad', 1)
  store.bad.add('bad')
  const setting = map.set('bad', 2)
  assert.equal(await map.get('bad'), 2, 'accepted, and so visible to this node')
  await assert.rejects(setting, { code: 'STORE_REFUSED' })
  assert.equal(await map.get('bad'), 1)
  await assert.rejects(map.delete('bad'), { code: 'STORE_REFUSED' })
  assert.equal(await map.get('bad'), 1)
  store.bad.clear()
  await map.set('bad', 3)
  assert.equal(await theirs.get('bad'), 3)
})

test('a batch is refused whole, with what shares a key with it, and its neighbours are not', async t => {
  const { memory, map, theirs } = await strict(t)
  const calls = [
    map.set('a', 1),
    memory.batch(batch => batch.set(map, 'x', 1).set(map, 'bad', 1).set(map, 'y', 1)),
    map.set('b', 1),
    memory.batch(batch => batch.set(map, 'y', 2).set(map, 'z', 2)),
    memory.batch(batch => batch.set(map, 'c', 1).set(map, 'd', 1)),
  ]
  assert.deepEqual(await codes(calls), ['stored', 'STORE_REFUSED', 'stored', 'STORE_REFUSED', 'stored'])
  assert.deepEqual(await theirs.getMany(['a', 'b', 'c', 'd']), [1, 1, 1, 1])
  assert.deepEqual(await theirs.getMany(['x', 'y', 'z', 'bad']), [undefined, undefined, undefined, undefined])
})

test('a write that a refused one of its key has superseded on its way is refused with it', async t => {
  const { store, map } = await strict(t)
  store.bad.clear()
  await map.set('first', 0)
  const first = map.set('bad', 1)
  store.bad.add('bad')
  assert.deepEqual(await codes([first, map.set('bad', 2), map.set('fine', 3)]), [
    'STORE_REFUSED',
    'STORE_REFUSED',
    'stored',
  ])
})

test('a write that was accepted while an older one of its key is refused stays', async t => {
  const { store, map, theirs } = await strict(t)
  let open = () => {}
  store.gate = new Promise<void>(resolve => (open = resolve))
  const old = map.set('bad', 1)
  await turns(3)
  const newer = map.set('bad', 2)
  const refused = assert.rejects(old, { code: 'STORE_REFUSED' })
  store.gate = Promise.resolve()
  open()
  await refused
  assert.equal(await map.get('bad'), 2)
  store.bad.clear()
  await newer
  assert.equal(await theirs.get('bad'), 2)
})

test('an update that is refused is told so, and others of the same batch are not', async t => {
  const { memory, map, theirs } = await strict(t)
  await map.set('n', 1)
  const bump = (key: string) => map.update(key, n => n + 1, { initial: 0 })
  const list = memory.sequence<number>('s')

  const calls = [bump('n'), bump('bad'), bump('n'), bump('m'), map.set('blind', 1), list.append(7)]

  assert.deepEqual(await codes(calls), ['stored', 'STORE_REFUSED', 'stored', 'stored', 'stored', 'stored'])
  assert.deepEqual(await theirs.getMany(['n', 'bad', 'm', 'blind']), [3, undefined, 1, 1])
  assert.equal((await list.tail(5)).length, 1)
})

test('a write-back that is refused is an event, and whoever asks for it is told', async t => {
  const { memory, map, theirs } = await strict(t)
  const errors: AgentMemoryError[] = []
  memory.on('refused', ({ error }) => errors.push(error))
  const [bad, fine] = await Promise.all([
    map.set('bad', 1, { durability: 'write-back' }),
    map.set('fine', 1, { durability: 'write-back' }),
  ])
  assert.equal(bad.reached, 'tier')

  await assert.rejects(memory.flush(), { code: 'STORE_REFUSED', message: /"bad"/ })

  assert.equal(errors.length, 1)
  await assert.rejects(bad.durable(), { code: 'STORE_REFUSED' })
  await fine.durable()
  await memory.flush()
  assert.deepEqual(await theirs.getMany(['bad', 'fine']), [undefined, 1])
  assert.equal(memory.status().atRisk.writes, 0)
  const report = await memory.close()
  assert.deepEqual([report.lost, report.inDoubt], [0, 0])
})

test('who was told OUTCOME_UNKNOWN of a write that is refused then learns that it is lost', async t => {
  const { nodes, store, map } = await strict(t)
  let open = () => {}
  store.gate = new Promise<void>(resolve => (open = resolve))
  const calls = [map.set('bad', 1), map.set('fine', 1)]
  const unknown = Promise.all(
    calls.map(async call => {
      const [result] = await Promise.allSettled([call])
      assert.ok(result.status === 'rejected' && result.reason instanceof UnsettledWriteError)
      return result.reason
    }),
  )
  await turns(5)
  nodes.clock.advance(10_000)
  const errors = await unknown
  const fates = Promise.all(errors.map(error => error.settled()))
  store.gate = Promise.resolve()
  open()
  let isOver = false
  void fates.then(() => (isOver = true))
  for (let round = 0; round < 100 && !isOver; round++) {
    nodes.clock.advance(50)
    await turns(3)
  }
  assert.deepEqual(await fates, ['lost', 'kept'])
  assert.deepEqual(await Promise.all(errors.map(error => error.settled())), ['lost', 'kept'], 'and ever after')
})

test('whichever call of taking a batch apart loses its answer, every write counts once', async t => {
  for (const when of ['before', 'after'] as const) {
    for (let at = 1; at <= 8; at++) {
      const { nodes, store, memory, map, theirs } = await strict(t)
      store.loses = { at, when }
      const names = Array.from({ length: 8 }, (_, n) => (n === 5 ? 'bad' : `k${n}`))
      const calls = names.map(name => map.set(name, 1))
      calls.push(map.update('n', n => n + 1, { initial: 0 }))
      const answered = codes(calls)
      let isOver = false
      void answered.then(() => (isOver = true))
      for (let round = 0; round < 300 && !isOver; round++) {
        if (memory.status().store.state === 'down') nodes.clock.advance(50)
        await turns(2)
      }
      assert.deepEqual(
        await answered,
        [...names, 'n'].map(name => (name === 'bad' ? 'STORE_REFUSED' : 'stored')),
        `${when} ${at}`,
      )
      assert.deepEqual(
        await theirs.getMany([...names, 'n']),
        [...names, 'n'].map(name => (name === 'bad' ? undefined : 1)),
      )
    }
  }
})

test('a close in the middle of it says of what was stored that it is, and of the rest that it is not known', async t => {
  const { nodes, store, memory, map, theirs } = await strict(t)
  const names = ['a', 'b', 'bad', 'c']
  // Of all, of a and b, of bad and c: that one does not come back.
  store.loses = { at: 3, when: 'before' }
  const calls = names.map(name => map.set(name, 1))
  const answered = codes(calls)
  await until(() => memory.status().store.state === 'down', 'the loss')
  const closing = memory.close({ deadlineMs: 0 })
  nodes.clock.advance(1)
  await closing
  assert.deepEqual(await answered, ['stored', 'stored', 'OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN'])
  assert.deepEqual(await theirs.getMany(names), [1, 1, undefined, undefined])
})
