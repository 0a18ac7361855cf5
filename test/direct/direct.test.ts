// Direct mode: several nodes, one store, no log. The store decides; each node sees its own writes at once.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'
import { freshFolder } from '../api/temporary-folder.js'
import { until } from '../engine/simulated.js'
import { Nodes } from './nodes.js'

function nodesOf(t: TestContext): Nodes {
  const nodes = new Nodes()
  t.after(() => nodes.close())
  return nodes
}

test('two nodes that increment one key 1,000 times each come to 2,000', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [await nodes.node(), await nodes.node()]
  const increment = async (memory: AgentMemory) => {
    const counters = memory.map<number>('counters')
    for (let round = 0; round < 1000; round++) await counters.update('n', n => n + 1, { initial: 0 })
  }

  await Promise.all([increment(a), increment(b)])

  assert.equal(await a.map('counters').get('n', { fresh: true }), 2000)
  assert.equal(await b.map('counters').get('n', { fresh: true }), 2000)
})

test('64 updates of one key that nobody awaits are 64 updates', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [await nodes.node(), await nodes.node()]
  const all = [a, b].flatMap(memory =>
    Array.from({ length: 64 }, () => memory.map<number>('m').update('n', n => n + 1, { initial: 0 })),
  )
  const results = await Promise.all(all)
  assert.equal(await a.map('m').get('n', { fresh: true }), 128)
  const versions = new Set(results.map(({ lsn }) => lsn))
  assert.equal(versions.size, 128)
  assert.ok(results.every(({ reached }) => reached === 'store'))
})

test('a write is told when the store has it, under the version that the store has given it', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [await nodes.node(), await nodes.node()]
  const first = await a.map('m').set('k', 1)
  assert.equal(first.reached, 'store')
  assert.deepEqual(await b.map('m').getEntry('k'), { key: 'k', value: 1, version: first.lsn })
  const second = await b.map('m').set('k', 2)
  assert.ok(second.lsn > first.lsn)
})

test('a compare-and-set holds across nodes, whatever a node remembers', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [(await nodes.node()).map('m'), (await nodes.node()).map('m')]
  const { lsn } = await a.set('k', 'a')
  const { lsn: newer } = await b.set('k', 'b')
  // The node itself still remembers its own.
  await assert.rejects(a.set('k', 'c', { expected: lsn }), { code: 'VERSION_CONFLICT', expected: lsn, actual: newer })
  await a.set('k', 'c', { expected: newer })
  await assert.rejects(b.set('k', 'd', { expected: null }), { code: 'VERSION_CONFLICT' })
  await assert.rejects(b.delete('k', { expected: newer }), { code: 'VERSION_CONFLICT' })
  await b.delete('k', { expected: (await b.getEntry('k', { fresh: true }))!.version })
  await a.set('k', 'anew', { expected: null })
  assert.equal(await b.get('k', { fresh: true }), 'anew')
})

test('a version is not given again to an entry that was deleted and made anew', async t => {
  const nodes = nodesOf(t)
  const map = (await nodes.node()).map('m')
  const { lsn } = await map.set('k', 1)
  await map.delete('k')
  await map.set('k', 1)
  await assert.rejects(map.set('k', 2, { expected: lsn }), { code: 'VERSION_CONFLICT' })
})

test('a set that was superseded on its way has no version that a compare-and-set could take for the newer one', async t => {
  const nodes = nodesOf(t)
  const map = (await nodes.node()).map('m')
  const [first, second] = await Promise.all([map.set('k', 1), map.set('k', 2)])
  assert.equal(first.lsn, 0)
  await assert.rejects(map.set('k', 3, { expected: first.lsn }), { code: 'VERSION_CONFLICT' })
  await map.set('k', 3, { expected: second.lsn })
})

test('what another node writes is seen after staleMs at the latest, and at once by a fresh read', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [(await nodes.node({ staleMs: 500 })).map('m'), (await nodes.node()).map('m')]
  await a.set('k', 'old')
  await b.set('k', 'new')
  assert.equal(await a.get('k'), 'old')
  assert.equal((await a.getEntry('k', { fresh: true }))!.value, 'new')
  await b.set('k', 'newer')
  nodes.clock.advance(499)
  assert.equal(await a.get('k'), 'new')
  nodes.clock.advance(1)
  assert.equal(await a.get('k'), 'newer')
  await b.delete('k')
  nodes.clock.advance(500)
  assert.equal(await a.get('k'), undefined)
  assert.deepEqual(await a.getMany(['k']), [undefined])
})

test('a node reads its own writes at once, awaited or not', async t => {
  const nodes = nodesOf(t)
  const map = (await nodes.node({ staleMs: 0 })).map<number>('m')
  const writes = []
  for (let n = 0; n < 64; n++) {
    writes.push(map.set('k', n))
    assert.equal(await map.get('k'), n)
  }
  const gone = map.delete('k')
  assert.equal(await map.get('k'), undefined)
  await Promise.all([...writes, gone])
  assert.equal(await map.get('k'), undefined)
})

test('write-back is accepted at once, has no version yet, and is in the store within half of its bound', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [await nodes.node({ durability: 'write-back', maxLoss: { ms: 1000 } }), await nodes.node()]
  const map = a.map('m')
  const result = await map.set('k', 1)
  assert.deepEqual([result.reached, result.lsn], ['tier', 0])
  assert.deepEqual(a.status().atRisk, { writes: 1, bytes: a.status().atRisk.bytes, oldestMs: 0 })
  assert.equal(await map.get('k'), 1)
  assert.equal(await b.map('m').get('k'), undefined)
  nodes.clock.advance(500)
  await until(() => a.status().pending.entries === 0, 'the flush')
  assert.equal(await b.map('m').get('k'), 1)
  assert.equal(a.status().atRisk.writes, 0)

  const later = await map.set('k', 2)
  await later.durable()
  assert.equal(await b.map('m').get('k', { fresh: true }), 2)
})

test('a write-back that its bound does not admit is told when the store has it', async t => {
  const nodes = nodesOf(t)
  const map = (await nodes.node({ durability: 'write-back', maxLoss: { writes: 2 } })).map('m')
  const results = await Promise.all(Array.from({ length: 4 }, (_, n) => map.set(`k${n}`, n)))
  assert.deepEqual(
    results.map(({ reached }) => reached),
    ['tier', 'tier', 'store', 'store'],
  )
})

test('whoever asks for a version, or walks a range, asks for what was accepted to go to the store first', async t => {
  const nodes = nodesOf(t)
  const a = (await nodes.node({ durability: 'write-back' })).map<number>('m')
  await a.set('k', 1)
  const entry = await a.getEntry('k')
  assert.ok(entry!.version > 0)
  await a.set('k', 2, { expected: entry!.version, durability: 'write-back' })
  await a.set('l', 3)
  const seen = []
  for await (const { key, value, version } of a.entries()) seen.push([key, value, version > 0])
  assert.deepEqual(seen, [
    ['k', 2, true],
    ['l', 3, true],
  ])
})

test('a batch is there whole or not at all, also with conditions and functions', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [await nodes.node(), await nodes.node()]
  const map = a.map<number>('m')
  await map.set('x', 1)
  const { lsn: newest } = await b.map('m').set('x', 2)
  await assert.rejects(
    a.batch(batch => batch.set(map, 'y', 1).set(map, 'x', 3, { expected: newest - 1 })),
    { code: 'VERSION_CONFLICT' },
  )
  assert.equal(await map.get('y', { fresh: true }), undefined)
  await a.batch(batch => batch.set(map, 'y', 1).set(map, 'x', 3, { expected: newest }))
  assert.deepEqual(await b.map('m').getMany(['x', 'y']), [2, 1])
  assert.equal(await b.map('m').get('x', { fresh: true }), 3)
})

test('scopes are scopes, and hostile names are data', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [await nodes.node(), await nodes.node()]
  for (const scope of ['acme', 'acme-corp', '__proto__', 'a\0b', 'a:b']) {
    await a.scope(scope).map('m').set(['k', '__proto__'], scope)
  }
  for (const scope of ['acme', 'acme-corp', '__proto__', 'a\0b', 'a:b']) {
    const found = []
    for await (const { key, value } of b.scope(scope).map('m').entries()) found.push([key, value])
    assert.deepEqual(found, [[['k', '__proto__'], scope]])
  }
})

test('what has expired is absent to all nodes, may be made anew, and is removed from the store', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [(await nodes.node()).map('m'), (await nodes.node()).map('m')]
  await a.set('k', 1, { ttlMs: 100 })
  assert.equal(await b.get('k'), 1)
  nodes.clock.advance(100)
  assert.equal(await a.get('k'), undefined)
  assert.equal(await b.get('k'), undefined)
  await b.set('k', 2, { expected: null })
  await a.set('gone', 1, { ttlMs: 100 })
  const store = nodes.shared.direct()
  const stored = async () => (await store.page({ from: '', to: '\xff\xff', reverse: false, limit: 10 })).length
  assert.equal(await stored(), 2)
  for (let round = 0; round < 20; round++) {
    nodes.clock.advance(60_000)
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  }
  assert.equal(await stored(), 1)
})

test('conversations of several nodes are one: nothing is lost, each id once, positions rise also after a delete', async t => {
  const nodes = nodesOf(t)
  const all = [await nodes.node(), await nodes.node(), await nodes.node()]
  const chats = all.map(memory => memory.conversations<{ id: string; n: number }>({ keepLast: null }))
  await Promise.all(
    chats.flatMap((chat, node) =>
      Array.from({ length: 30 }, (_, n) => chat.append('c', { id: `${node}-${n}`, n }, { id: `all-${n}`, n })),
    ),
  )
  nodes.clock.advance(1000)
  const found = []
  for await (const { id, position } of chats[0]!.read('c')) found.push([id, position] as const)
  assert.equal(found.length, 30 * 3 + 30)
  assert.equal(new Set(found.map(([id]) => id)).size, found.length)
  assert.deepEqual(
    found.map(([, position]) => position),
    found.map((_, index) => index),
  )
  for (const node of [0, 1, 2]) {
    const own: string[] = found.map(([id]) => id).filter(id => id.startsWith(`${node}-`))
    assert.deepEqual(
      own,
      Array.from({ length: 30 }, (_, n) => `${node}-${n}`),
      'a node keeps its order',
    )
  }

  await chats[1]!.delete('c')
  assert.deepEqual(await chats[2]!.list(), [])
  const again = await chats[0]!.append('c', { id: '0-0', n: 0 })
  assert.deepEqual(
    again.messages.map(({ position, isNew }) => [position, isNew]),
    [[found.length, true]],
  )
})

test('sequences and preferences work, and a batch may append beside a condition', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [await nodes.node(), await nodes.node()]
  const [left, right] = [a.sequence<number>('s'), b.sequence<number>('s')]
  await Promise.all(Array.from({ length: 20 }, (_, n) => Promise.all([left.append(n), right.append(100 + n)])))
  nodes.clock.advance(1000)
  assert.equal((await a.sequence('s').tail(100)).length, 40)
  const map = a.map('m')
  const { lsn } = await map.set('k', 1)
  await b.map('m').set('k', 2)
  await assert.rejects(
    a.batch(batch => batch.set(map, 'k', 3, { expected: lsn }).append(left, 7)),
    { code: 'VERSION_CONFLICT' },
  )
  await a.batch(batch => batch.set(map, 'l', 3).append(left, 7))
  nodes.clock.advance(1000)
  assert.deepEqual(
    (await right.tail(1)).map(({ position, value }) => [position, value]),
    [[40, 7]],
  )

  await a.preferences().set('u', 'lang', 'zh')
  await b.preferences().set('u', 'tone', 'dry')
  assert.deepEqual(await b.preferences().all('u'), { lang: 'zh', tone: 'dry' })
  await a.preferences().delete('u')
  assert.deepEqual(await b.preferences().all('u'), {})
})

test('whoever follows a list sees what other nodes append', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [(await nodes.node()).sequence<number>('s'), (await nodes.node()).sequence<number>('s')]
  await a.append(1)
  const seen: number[] = []
  const following = (async () => {
    for await (const { value } of b.follow()) {
      seen.push(value)
      if (value === 3) return
    }
  })()
  await until(() => seen.length === 1, 'the first')
  await b.append(2)
  await until(() => seen.length === 2, 'its own')
  await a.append(3)
  nodes.clock.advance(1000)
  await following
  assert.deepEqual(seen, [1, 2, 3])
})

test('what is loaded never overwrites what another node has written meanwhile', async t => {
  const nodes = nodesOf(t)
  const [a, b] = [await nodes.node(), await nodes.node()]
  let answer = (_value: string) => {}
  const load = () => new Promise<string>(resolve => (answer = resolve))
  const map = a.map<string>('m', { load })
  const getting = map.get('k')
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  await b.map('m').set('k', 'written')
  answer('loaded')
  assert.equal(await getting, 'written')
  assert.equal(await b.map('m').get('k', { fresh: true }), 'written')
})

const withStore = (options: AgentMemoryOptions) => AgentMemory.open('shared', { log: 'none', ...options })

test('what needs a log is refused, and says so', async t => {
  const nodes = nodesOf(t)
  const memory = await nodes.node()
  const map = memory.map('m')
  await assert.rejects(map.set('k', 1, { durability: 'write-ahead' }), {
    code: 'INVALID_OPTION',
    message: /write-ahead/,
  })
  await assert.rejects(
    map.update('k', () => 1, { durability: 'write-ahead' }),
    { code: 'INVALID_OPTION' },
  )
  await assert.rejects(map.delete('k', { durability: 'write-ahead' }), { code: 'INVALID_OPTION' })
  await assert.rejects(
    memory.batch(batch => batch.set(map, 'k', 1), { durability: 'write-ahead' }),
    { code: 'INVALID_OPTION' },
  )
  await assert.rejects(memory.sequence('s').appendMany([1], { durability: 'write-ahead' }), { code: 'INVALID_OPTION' })
  assert.equal(await map.get('k'), undefined)
  assert.throws(() => memory.map('other', { durability: 'write-ahead' }), { code: 'INVALID_OPTION' })
  assert.throws(() => memory.map('other', { rules: [{ prefix: ['a'], durability: 'write-ahead' }] }), {
    code: 'INVALID_OPTION',
  })
  assert.throws(() => memory.blobs('files'), { code: 'INVALID_OPTION', message: /log/ })
  const store = nodes.shared.opener()
  await assert.rejects(withStore({ store, durability: 'write-ahead' }), { code: 'INVALID_OPTION' })
  const rules = [{ map: 'm', durability: 'write-ahead' }] as const
  await assert.rejects(withStore({ store, rules }), { code: 'INVALID_OPTION' })
  await assert.rejects(withStore({ store, checkpointMs: 1 }), { code: 'INVALID_OPTION' })
  await assert.rejects(withStore({ store, log: 'some' as 'none' }), { code: 'INVALID_OPTION' })
  await assert.rejects(withStore({ store: 'level' }), { code: 'INVALID_OPTION', message: /level/ })
  await assert.rejects(AgentMemory.open(await freshFolder(), { staleMs: 1 }), { code: 'INVALID_OPTION' })
})

test('a data class that means write-ahead by itself means write-through without a log', async t => {
  const nodes = nodesOf(t)
  const memory = await nodes.node()
  assert.equal(memory.durabilityFor('m', 'k').durability, 'write-through')
  assert.equal(memory.durabilityFor('m', 'k', { dataClass: 'unheard-of' }).durability, 'write-through')
  const map = memory.map('m', { dataClass: 'unheard-of' })
  assert.equal((await map.set('k', 1, { dataClass: 'unheard-of' })).reached, 'store')
  assert.equal((await map.set('k', 1)).reached, 'store')
})

test('direct mode is refused while a log is attached, and ends where one is attached later', async t => {
  const nodes = nodesOf(t)
  const store = nodes.shared.opener()
  const node = await nodes.node()
  const map = node.map('m')
  const { lsn } = await map.set('k', 1)
  const owner = await AgentMemory.open(await freshFolder(), { store, onLogLost: 'proceed', segmentBytesMax: 65_536 })
  await assert.rejects(nodes.node(), { code: 'OWNED_ELSEWHERE' })
  await assert.rejects(map.set('k', 2), { code: 'OWNED_ELSEWHERE' })
  await assert.rejects(map.set('k', 3), { code: 'OWNED_ELSEWHERE' })
  assert.equal(node.status().state, 'failed')
  assert.equal(await owner.map('m').get('k'), 1)
  // Versions go on above those that the store has given.
  assert.ok((await owner.map('m').set('k', 2)).lsn > lsn)
  await owner.close()
})

test('a close writes what was accepted, and a call after it is refused', async t => {
  const nodes = nodesOf(t)
  const a = await nodes.node({ durability: 'write-back' })
  const map = a.map<number>('m')
  await map.set('k', 1)
  const update = map.update('n', n => n + 1, { initial: 0 })
  const report = await a.close()
  assert.deepEqual([report.inLog, report.inDoubt, report.lost], [0, 0, 0])
  assert.equal((await update).value, 1)
  await assert.rejects(map.set('k', 2), { code: 'CLOSED' })
  const b = (await nodes.node()).map('m')
  assert.deepEqual(await b.getMany(['k', 'n']), [1, 1])
})

test('values are values, and limits are limits', async t => {
  const nodes = nodesOf(t)
  const memory = await nodes.node({ frameBytesMax: 65_536, queuedBytesMax: 100_000, maxLoss: { bytes: 1000 } })
  const map = memory.map<{ list: number[] }>('m')
  const value = { list: [1] }
  const writing = map.set('k', value)
  value.list.push(2)
  await writing
  const found = (await map.get('k'))!
  assert.deepEqual(found, { list: [1] })
  found.list.push(3)
  assert.deepEqual(await map.get('k'), { list: [1] })
  const big = { list: Array.from({ length: 60_000 }, () => 1) }
  await assert.rejects(map.set('big', { list: [...big.list, ...big.list] }), { code: 'VALUE_TOO_LARGE' })
  const results = await Promise.allSettled(Array.from({ length: 5 }, (_, n) => map.set(`big${n}`, big)))
  const refused = results.filter(each => each.status === 'rejected')
  assert.ok(refused.length > 0 && refused.every(({ reason }) => reason.code === 'OVERLOADED'))
  await memory.flush()
  for (const [n, { status }] of results.entries()) {
    assert.equal((await map.get(`big${n}`, { fresh: true })) !== undefined, status === 'fulfilled')
  }
})
