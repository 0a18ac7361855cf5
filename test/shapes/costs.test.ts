// What calls on a list cost does not depend on its length: calls of the store, and bytes of the log, are counted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeSegments } from '../../src/core/key.js'
import type { AgentMemory, Page } from '../../src/index.js'
import { LossBudget } from '../../src/policy/loss-budget.js'
import { headText, parseHead } from '../../src/shapes/head.js'
import { InMemoryStore } from '../../src/stores/in-memory.js'
import { decode, encode } from '../../src/values.js'
import { simulated } from '../engine/simulated.js'

const LENGTHS = [10, 10_000, 1_000_000]

interface Cost {
  storeCalls: number
  /** Entries that the store was asked for, or has given. */
  storeEntries: number
  writes: number
  bytes: number
}

/** A store in memory that counts what it is asked to read. */
function countedStore() {
  const counts = { storeCalls: 0, storeEntries: 0 }
  const count = (entries: number) => {
    counts.storeCalls += 1
    counts.storeEntries += entries
  }
  class Counted extends InMemoryStore {
    override get(key: string) {
      count(1)
      return super.get(key)
    }

    override getMany(keys: string[]) {
      count(keys.length)
      return super.getMany(keys)
    }

    override async page(range: Page) {
      const found = await super.page(range)
      count(found.length)
      return found
    }
  }
  return { store: new Counted(), counts }
}

/** A memory with a small tier, so that what was written long ago is in the store only. */
async function countedMemory() {
  const { store, counts } = countedStore()
  // Everything is written back, so that what a call writes is what it puts at risk.
  const { memory } = await simulated({
    store: { kind: 'counted', open: async () => store },
    tierBytesMax: 4 << 20,
    durability: 'write-back',
  })
  const costOf = async (call: () => Promise<unknown>): Promise<Cost> => {
    await memory.flush()
    const before = { ...counts }
    await call()
    const { writes, bytes } = memory.status().atRisk
    const { storeCalls, storeEntries } = counts
    return {
      storeCalls: storeCalls - before.storeCalls,
      storeEntries: storeEntries - before.storeEntries,
      writes,
      bytes,
    }
  }
  return { memory, costOf }
}

/** Makes a list as long as wanted: up to 10,000 by appends, beyond that by a head that says so and its last items. */
async function makeLong(
  memory: AgentMemory,
  headKey: string,
  length: number,
  append: (count: number) => Promise<unknown>,
): Promise<void> {
  await append(10)
  if (length <= 10_000) {
    if (length > 10) await append(length - 10)
  } else {
    const { engine } = memory.map('any')
    const head = parseHead(decode((await engine.reader.get(headKey))!))
    const content = encode(headText({ ...head, next: head.first + length - 10 }), 100)
    const budget = new LossBudget({ ms: 0, writes: 0, bytes: 0 })
    await engine.writer.write([{ key: headKey, content, expected: undefined, budget }], 'write-ahead')
    await append(10)
  }
  await memory.checkpoint()
}

test('an append and a read of the last items cost the same at every length of a sequence', async () => {
  const { memory, costOf } = await countedMemory()
  const at: Record<string, Cost>[] = []
  for (const length of LENGTHS) {
    const name = String(length).padStart(8, '0')
    const sequence = memory.sequence<number>(name)
    const headKey = encodeSegments(['', 'sequence', name, 'heads', '0'])
    await makeLong(memory, headKey, length, count => sequence.append(...Array.from({ length: count }, () => 7)))
    assert.equal(await sequence.length(), length)
    // The first calls read what an eviction may have taken.
    await sequence.append(7)
    await sequence.tail(10)
    at.push({
      append: await costOf(() => sequence.append(7)),
      several: await costOf(() => sequence.append(7, 7, 7)),
      tail: await costOf(async () => assert.equal((await sequence.tail(10)).length, 10)),
    })
  }

  assert.deepEqual([at[0]!.append!.writes, at[0]!.append!.storeCalls, at[0]!.tail!.storeCalls], [2, 0, 0])
  for (const each of at) assert.deepEqual(each, at[0])
  await memory.close()
})

test('an append with keepLast deletes as many as it appends, and rewrites nothing', async () => {
  const { memory, costOf } = await countedMemory()
  const found: Cost[] = []
  for (const keepLast of LENGTHS.slice(0, 2)) {
    const sequence = memory.sequence<number>(`s${String(keepLast).padStart(6, '0')}`, { keepLast })
    await sequence.append(...Array.from({ length: keepLast }, () => 7))
    await memory.checkpoint()
    await sequence.append(7)
    found.push(await costOf(() => sequence.append(7)))
  }
  assert.deepEqual(found[0], found[1])
  assert.deepEqual([found[0]!.writes, found[0]!.storeCalls], [3, 0])
  await memory.close()
})

test('an append and a history cost the same at every length of a conversation', async () => {
  const { memory, costOf } = await countedMemory()
  const conversations = memory.conversations<object>({ keepLast: null })
  const message = { role: 'user', content: 'Hello' }
  const at: Record<string, Cost>[] = []
  for (const length of LENGTHS) {
    const id = String(length).padStart(8, '0')
    const headKey = encodeSegments(['', 'conversations', 'heads', '0', id])
    await makeLong(memory, headKey, length, count =>
      conversations.append(id, ...Array.from({ length: count }, () => message)),
    )
    await conversations.append(id, message)
    await conversations.history(id)
    at.push({
      append: await costOf(() => conversations.append(id, message)),
      named: await costOf(() => conversations.appendMany(id, [message], { ids: ['a name'] })),
      again: await costOf(() => conversations.appendMany(id, [message], { ids: ['a name'] })),
      history: await costOf(async () => assert.equal((await conversations.history(id)).length, 10)),
      page: await costOf(async () => assert.equal((await conversations.list({ prefix: id })).length, 1)),
    })
  }

  const { append, named, again, history, page } = at[0]!
  assert.deepEqual([append!.writes, append!.storeCalls], [3, 0])
  assert.deepEqual([named!.writes, named!.storeCalls], [3, 1])
  assert.deepEqual([again!.writes, again!.storeCalls], [0, 0])
  assert.deepEqual([history!.storeCalls, page!.storeCalls], [0, 1])
  for (const each of at) assert.deepEqual(each, at[0])
  await memory.close()
})

test('a list of conversations reads their heads and no messages', async () => {
  const { memory, costOf } = await countedMemory()
  const conversations = memory.conversations<string>({ keepLast: null })
  for (let id = 0; id < 50; id++) {
    await conversations.append(`id-${id}`, ...Array.from({ length: id * 10 + 1 }, () => 'x'.repeat(100)))
  }
  await memory.checkpoint()

  const all = await costOf(async () => assert.equal((await conversations.list()).length, 50))
  const page = await costOf(async () =>
    assert.equal((await conversations.list({ after: 'id-1', limit: 20 })).length, 20),
  )

  assert.deepEqual(all, { storeCalls: 1, storeEntries: 50, writes: 0, bytes: 0 })
  assert.deepEqual(page, { storeCalls: 1, storeEntries: 20, writes: 0, bytes: 0 })
  await memory.close()
})
