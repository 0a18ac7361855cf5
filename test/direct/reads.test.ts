// I6 without a log: an old read never brings an old value back, whichever order the answers come in.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { DirectStore } from '../../src/stores/direct-store.js'
import { turns } from '../engine/simulated.js'
import { Nodes } from './nodes.js'

/** Reads of a node wait, from a moment on, until the test lets them go: each has what the store had when it was asked. */
class SlowReads {
  isSlow = false
  #waiting: (() => void)[] = []

  readonly wrap = (store: DirectStore): DirectStore => ({
    ...store,
    get: async key => this.#late(await store.get(key)),
    getMany: async keys => this.#late(await store.getMany(keys)),
  })

  /** Lets the read go that was asked first, or last. */
  async answer(which: 'first' | 'last'): Promise<void> {
    const go = which === 'first' ? this.#waiting.shift() : this.#waiting.pop()
    assert.ok(go !== undefined, 'a read waits')
    go()
    await turns(2)
  }

  async #late<T>(answer: T): Promise<T> {
    if (this.isSlow) await new Promise<void>(resolve => this.#waiting.push(resolve))
    return answer
  }
}

async function slow(t: TestContext) {
  const nodes = new Nodes()
  t.after(() => nodes.close())
  const reads = new SlowReads()
  const [map, other] = [(await nodes.node({}, reads.wrap)).map('m'), (await nodes.node()).map('m')]
  await other.set('k', 'old')
  reads.isSlow = true
  return { nodes, reads, map, other }
}

test('a read that comes late, behind a write of this node, does not bring the old value back', async t => {
  for (const write of ['set', 'update', 'delete'] as const) {
    const { reads, map } = await slow(t)
    const getting = map.get('k')
    await turns(2)
    if (write === 'set') await map.set('k', 'new')
    else if (write === 'delete') await map.delete('k')
    else {
      reads.isSlow = false
      await map.update('k', () => 'new')
    }
    await reads.answer('first')
    // It began before the write, so that it may have seen what was there.
    assert.equal(await getting, 'old')
    reads.isSlow = false
    assert.equal(await map.get('k'), write === 'delete' ? undefined : 'new')
  }
})

test('of two reads the newer value stays, whichever answer comes last', async t => {
  const { reads, map, other } = await slow(t)
  const first = map.getEntry('k', { fresh: true })
  await turns(2)
  await other.set('k', 'new')
  const second = map.getEntry('k', { fresh: true })
  await turns(2)
  await reads.answer('last')
  await reads.answer('last')
  assert.deepEqual([(await first)!.value, (await second)!.value], ['old', 'new'])
  assert.equal(await map.get('k'), 'new')
})

test('the age of a value is counted from when it was asked for', async t => {
  const { nodes, reads, map, other } = await slow(t)
  const getting = map.get('k')
  await turns(2)
  await other.set('k', 'new')
  nodes.clock.advance(999)
  await reads.answer('first')
  assert.equal(await getting, 'old')
  reads.isSlow = false
  assert.equal(await map.get('k'), 'old')
  nodes.clock.advance(1)
  assert.equal(await map.get('k'), 'new')
})

test('64 reads of a key that nobody awaits ask once', async t => {
  const nodes = new Nodes()
  t.after(() => nodes.close())
  let asked = 0
  const map = (
    await nodes.node({}, store => ({
      ...store,
      get: key => {
        asked += 1
        return store.get(key)
      },
    }))
  ).map('m')
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 64 }, () => map.get('k')))), new Set([undefined]))
  assert.equal(asked, 1)
})
