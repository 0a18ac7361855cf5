// What the base class of LangGraph promises of a store, and what this one adds: order, atomicity, expiry, durability, errors.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type GetOperation as Get,
  InvalidNamespaceError,
  type ListNamespacesOperation as List,
  type PutOperation as Put,
  type SearchOperation as Search,
} from '@langchain/langgraph-checkpoint'
import { HoldfastStore, type HoldfastStoreOptions, type StoreOperation } from '../../src/adapters/langgraph/index.js'
import { AgentMemory } from '../../src/index.js'
import { ManualClock } from '../../src/testing/index.js'
import { freshFolder, freshMemory, SMALL } from '../api/temporary-folder.js'
import { freshStore, indexOf, LetterEmbeddings } from './langgraph-stores.js'

const USER = ['acme', 'user-1']

test('what is put is there, with the moments of its first and of its last put; what is deleted is not', async t => {
  const clock = new ManualClock()
  const store = await freshStore(t, { memory: { clock } })
  assert.equal(await store.get(USER, 'food'), null)
  await store.put(USER, 'food', { likes: 'pizza' })
  const createdAt = new Date(clock.wallMs())
  clock.advance(1000)
  await store.put(USER, 'food', { likes: 'pasta' })
  assert.deepEqual(await store.get(USER, 'food'), {
    value: { likes: 'pasta' },
    key: 'food',
    namespace: USER,
    createdAt,
    updatedAt: new Date(clock.wallMs()),
  })
  await store.delete(USER, 'food')
  await store.delete(USER, 'food')
  assert.equal(await store.get(USER, 'food'), null)
  await store.put(USER, 'food', { likes: 'soup' })
  assert.deepEqual((await store.get(USER, 'food'))?.createdAt, new Date(clock.wallMs()))
})

test('values come back as they were, each time as an object of its own, or are refused', async t => {
  const store = await freshStore(t)
  const value = {
    at: new Date(5),
    big: 2n ** 70n,
    bytes: Buffer.from('x'),
    set: new Set([1]),
    nan: Number.NaN,
    none: undefined,
  }
  await store.put(USER, 'kept', value)
  const [first, second] = [await store.get(USER, 'kept'), await store.get(USER, 'kept')]
  assert.deepEqual(first?.value, value)
  first!.value.at.setTime(0)
  first!.namespace.push('x')
  assert.deepEqual(second?.value.at, new Date(5))
  assert.deepEqual((await store.get(USER, 'kept'))?.namespace, USER)

  class Person {}
  await assert.rejects(store.put(USER, 'kept', { person: new Person() }), { code: 'VALUE_UNSUPPORTED' })
  await assert.rejects(store.put(USER, 'kept', { [Symbol('s')]: 1 }), { code: 'VALUE_UNSUPPORTED' })
  const cyclic: Record<string, unknown> = {}
  cyclic.self = { cyclic }
  await assert.rejects(store.put(USER, 'kept', cyclic), { code: 'VALUE_CYCLIC' })
  assert.deepEqual((await store.get(USER, 'kept'))?.value, value)
})

test('a value is kept as it was at the call, whatever its caller does with it then', async t => {
  const store = await freshStore(t)
  const shared = { list: [1], at: new Date(1), map: new Map([['a', [1]]]) }
  const put = store.put(USER, 'a', { one: shared, two: shared })
  shared.list.push(2)
  shared.at.setTime(2)
  shared.map.get('a')!.push(2)
  await put
  const kept = { list: [1], at: new Date(1), map: new Map([['a', [1]]]) }
  assert.deepEqual((await store.get(USER, 'a'))?.value, { one: kept, two: kept })
})

test('reads of a batch see what was there before its puts, and of two puts of one item the last counts', async t => {
  const store = await freshStore(t)
  await store.put(USER, 'a', { n: 0 })
  const operations: [Get, Put, Put, Get, Search, Put, Put, List] = [
    { namespace: USER, key: 'a' },
    { namespace: USER, key: 'a', value: { n: 1 } },
    { namespace: USER, key: 'b', value: { n: 1 } },
    { namespace: USER, key: 'a' },
    { namespacePrefix: [] },
    { namespace: USER, key: 'b', value: null },
    { namespace: ['other'], key: 'c', value: { n: 3 } },
    { limit: 10, offset: 0 },
  ]
  const results = await store.batch(operations)
  assert.deepEqual(
    [results[0], results[3]].map(item => item?.value),
    [{ n: 0 }, { n: 0 }],
  )
  assert.deepEqual(
    results[4].map(({ key }) => key),
    ['a'],
  )
  assert.deepEqual([results[1], results[2], results[5]], [undefined, undefined, undefined])
  assert.deepEqual(results[7], [USER])
  assert.deepEqual(
    (await store.search([])).map(({ key, value }) => [key, value]),
    [
      ['a', { n: 1 }],
      ['c', { n: 3 }],
    ],
  )
})

test('puts take effect in the order of their calls, and a read sees those that were called before it', async t => {
  const store = await freshStore(t)
  const calls: Promise<unknown>[] = []
  for (let n = 0; n < 64; n++) {
    calls.push(n % 7 === 6 ? store.delete(USER, `k${n % 4}`) : store.put(USER, `k${n % 4}`, { n }))
  }
  const found = store.search(USER)
  const got = store.get(USER, 'k3')
  const expected = [
    ['k0', { n: 60 }],
    ['k1', { n: 61 }],
    ['k3', { n: 63 }],
  ]
  await Promise.all(calls)
  assert.deepEqual(
    (await store.search(USER)).map(({ key, value }) => [key, value]),
    expected,
  )
  assert.ok((await found).length > 0)
  assert.notEqual(await got, null)

  void store.put(USER, 'new', { n: 1 })
  assert.deepEqual((await store.get(USER, 'new'))?.value, { n: 1 })
})

test('two stores over one map of one memory are one store', async t => {
  const memory = await freshMemory(t)
  const [one, other] = [new HoldfastStore(memory), new HoldfastStore(memory)]
  const calls = Array.from({ length: 64 }, (_, n) => (n % 2 === 0 ? one : other).put(USER, 'a', { n }))
  await Promise.all(calls)
  assert.deepEqual((await one.get(USER, 'a'))?.value, { n: 63 })
  const apart = new HoldfastStore(memory, { map: 'apart' })
  assert.equal(await apart.get(USER, 'a'), null)
})

test('a batch with anything wrong in it writes nothing', async t => {
  const embeddings = new LetterEmbeddings()
  const store = await freshStore(t, { index: indexOf(embeddings) })
  const good = { namespace: USER, key: 'good', value: { text: 'abc' } }
  const bad: [unknown, object][] = [
    [{ namespace: ['a.b'], key: 'x', value: {} }, { name: 'InvalidNamespaceError' }],
    [{ namespace: ['a:b'], key: 'x' }, { name: 'InvalidNamespaceError' }],
    [{ namespace: ['a\0b'], key: 'x' }, { name: 'InvalidNamespaceError' }],
    [{ namespace: [''], key: 'x' }, { name: 'InvalidNamespaceError' }],
    [{ namespace: [], key: 'x', value: {} }, { name: 'InvalidNamespaceError' }],
    [{ namespace: [7], key: 'x' }, { name: 'InvalidNamespaceError' }],
    [{ namespace: 'abc', key: 'x' }, { name: 'InvalidNamespaceError' }],
    [{ namespacePrefix: ['a.b'] }, { name: 'InvalidNamespaceError' }],
    [{ namespace: USER, key: 7, value: {} }, { code: 'INVALID_ARGUMENT' }],
    [{ namespace: USER, key: '\ud800', value: {} }, { code: 'INVALID_KEY' }],
    [{ namespace: USER, key: 'x'.repeat(1100), value: {} }, { code: 'KEY_TOO_LONG' }],
    [{ namespace: USER, key: 'x', value: undefined }, { code: 'INVALID_ARGUMENT' }],
    [{ namespace: USER, key: 'x', value: 'text' }, { code: 'INVALID_ARGUMENT' }],
    [{ namespace: USER, key: 'x', value: { f: () => 1 } }, { code: 'VALUE_UNSUPPORTED' }],
    [{ namespace: USER, key: 'x', value: {}, index: true }, { code: 'INVALID_ARGUMENT' }],
    [{ namespace: USER, key: 'x', value: {}, index: [1] }, { code: 'INVALID_ARGUMENT' }],
    [{ namespace: USER, key: 'x', value: {}, ttlMs: 0 }, { code: 'INVALID_OPTION' }],
    [{ namespace: USER, key: 'x', value: {}, durability: 'maybe' }, { code: 'INVALID_OPTION' }],
    [{ namespacePrefix: [], limit: -1 }, { code: 'INVALID_ARGUMENT' }],
    [{ namespacePrefix: [], offset: 1.5 }, { code: 'INVALID_ARGUMENT' }],
    [{ namespacePrefix: [], filter: 'x' }, { code: 'INVALID_ARGUMENT' }],
    [{ namespacePrefix: [], query: 5 }, { code: 'INVALID_ARGUMENT' }],
    [{ limit: 1, offset: 0, maxDepth: 0 }, { code: 'INVALID_ARGUMENT' }],
    [{ matchConditions: [{ matchType: 'infix', path: [] }] }, { code: 'INVALID_ARGUMENT' }],
    [{ matchConditions: [{ matchType: 'prefix', path: 'abc' }] }, { code: 'INVALID_ARGUMENT' }],
    [{}, { code: 'INVALID_ARGUMENT' }],
    [null, { code: 'INVALID_ARGUMENT' }],
  ]
  for (const [operation, error] of bad) {
    await assert.rejects(store.batch([good, operation as StoreOperation]), error, JSON.stringify(operation))
  }
  assert.equal(await store.get(USER, 'good'), null)
  assert.deepEqual(await store.listNamespaces(), [])
  await assert.rejects(store.put(['langgraph', 'x'], 'k', {}), InvalidNamespaceError)
  await store.batch([{ namespace: ['langgraph', 'x'], key: 'k', value: {} }])
  assert.equal((await store.search(['langgraph'])).length, 1)
})

test('a batch that fits no frame writes nothing', async t => {
  const store = await freshStore(t, { memory: { frameBytesMax: 64 * 1024 } })
  const operations = Array.from({ length: 3 }, (_, n) => ({
    namespace: USER,
    key: `${n}`,
    value: { text: 'x'.repeat(40_000) },
  }))
  await assert.rejects(store.batch(operations), { code: 'BATCH_TOO_LARGE' })
  assert.deepEqual(await store.search([]), [])
})

test('names that are special elsewhere are names like any other', async t => {
  const store = await freshStore(t)
  const names = ['__proto__', 'constructor', '*', '\u0001', '\u{10ffff}', ' ', 'a', 'a\u0001', '-']
  const keys = [...names, '', '\0', '\0\0', 'a\0b', '.', ':', 'x'.repeat(900)]
  for (const name of names) for (const key of keys) await store.put([name, name], key, { [key]: name, name })
  assert.equal((await store.search([], { limit: 1000 })).length, names.length * keys.length)
  for (const name of names) {
    for (const key of keys) {
      const item = await store.get([name, name], key)
      assert.deepEqual([item?.key, item?.namespace], [key, [name, name]])
      assert.equal(Object.getOwnPropertyDescriptor(item?.value, key)?.value, name)
    }
    assert.equal((await store.search([name], { limit: 1000 })).length, keys.length)
    assert.deepEqual(
      await store.listNamespaces({ prefix: [name], maxDepth: 1 }),
      name === '*' ? names.toSorted(byPoint).map(each => [each]) : [[name]],
    )
  }
  assert.equal(({} as Record<string, unknown>).name, undefined)
  assert.deepEqual(await store.search([], { filter: { toString: { $exists: true } } }), [])
})

test('filters: equality and operators on fields, all of which have to hold', async t => {
  const store = await freshStore(t)
  const values = [{ n: 1, tag: 'a' }, { n: 2, tag: 'b', list: [1, 2] }, { n: 10, tag: null }, { text: 'no number' }]
  for (const [at, value] of values.entries()) await store.put(['f'], `${at}`, value)
  const cases: [Record<string, unknown>, string][] = [
    [{}, '0123'],
    [{ n: 2 }, '1'],
    [{ n: { $eq: 2 } }, '1'],
    [{ n: { $ne: 2 } }, '023'],
    [{ n: { $gt: 1 } }, '12'],
    [{ n: { $gte: 2, $lt: 10 } }, '1'],
    [{ n: { $lte: '2' } }, '01'],
    [{ n: { $in: [1, 10] }, tag: 'a' }, '0'],
    [{ n: { $nin: [1, 10] } }, '13'],
    [{ tag: { $exists: true } }, '012'],
    [{ tag: { $exists: false } }, '3'],
    [{ tag: null }, '2'],
    [{ list: [1, 2] }, '1'],
    [{ list: { a: 1 } }, ''],
    [{ n: {} }, '0123'],
    [{ missing: undefined }, '0123'],
  ]
  for (const [filter, expected] of cases) {
    const found = await store.search(['f'], { filter })
    assert.equal(found.map(({ key }) => key).join(''), expected, JSON.stringify(filter))
  }
  await assert.rejects(store.search(['f'], { filter: { n: { $regex: 'x' } } }), /\$regex/)
  await assert.rejects(store.search(['f'], { filter: { n: { $gt: 1, lt: 2 } } }), /\$gt/)
  await assert.rejects(store.search(['f'], { filter: { n: { $in: 1 } } }), { code: 'INVALID_ARGUMENT' })
})

test('namespaces: prefixes and suffixes of whole labels, wildcards, depth, pages', async t => {
  const store = await freshStore(t)
  const namespaces = ['a', 'a/b', 'a/b/v1', 'a/b/v2', 'a/c/v1', 'ab', 'ab/v1', 'b/x/v1', 'b/y/v2'].map(path =>
    path.split('/'),
  )
  for (const namespace of namespaces) for (let n = 0; n < 20; n++) await store.put(namespace, `k${n}`, { n })
  const list = async (options: Parameters<HoldfastStore['listNamespaces']>[0]) =>
    (await store.listNamespaces(options)).map(path => path.join('/')).join(' ')
  assert.equal(await list({}), 'a a/b a/b/v1 a/b/v2 a/c/v1 ab ab/v1 b/x/v1 b/y/v2')
  assert.equal(await list({ prefix: ['a'] }), 'a a/b a/b/v1 a/b/v2 a/c/v1')
  assert.equal(await list({ suffix: ['v1'] }), 'a/b/v1 a/c/v1 ab/v1 b/x/v1')
  assert.equal(await list({ prefix: ['*', 'b'] }), 'a/b a/b/v1 a/b/v2')
  assert.equal(await list({ prefix: ['a', '*', 'v1'] }), 'a/b/v1 a/c/v1')
  assert.equal(await list({ suffix: ['b', '*'] }), 'a/b/v1 a/b/v2')
  assert.equal(await list({ prefix: ['b'], suffix: ['*', 'v2'] }), 'b/y/v2')
  assert.equal(await list({ maxDepth: 1 }), 'a ab b')
  assert.equal(await list({ maxDepth: 2 }), 'a a/b a/c ab ab/v1 b/x b/y')
  assert.equal(await list({ maxDepth: 2, suffix: ['v1'] }), 'a/b a/c ab/v1 b/x')
  assert.equal(await list({ limit: 2, offset: 3 }), 'a/b/v2 a/c/v1')
  assert.equal(await list({ limit: 0 }), '')
  for (let n = 0; n < 20; n++) await store.delete(['a', 'b'], `k${n}`)
  assert.equal(await list({ prefix: ['a', 'b'] }), 'a/b/v1 a/b/v2')
})

test('an item is gone when its time is over, for every operation, and reads may put that off', async t => {
  const clock = new ManualClock()
  const index = indexOf(new LetterEmbeddings())
  const memory = await freshMemory(t, { clock })
  for (const [map, options] of Object.entries({ words: {}, vectors: { index } })) {
    const store = new HoldfastStore(memory, { ...options, map, ttlMs: 1000 })
    await store.put(['short'], 'a', { text: 'pizza' })
    await store.put(['long'], 'b', { text: 'pizza' }, undefined, { ttlMs: 5000 })
    await store.put(['ever'], 'c', { text: 'pizza' }, undefined, { ttlMs: null })
    const keys = async (query?: string) =>
      (await store.search([], query ? { query } : {}))
        .map(({ key }) => key)
        .sort()
        .join('')
    assert.deepEqual([await keys(), await keys('pizza')], ['abc', 'abc'])
    clock.advance(1000)
    assert.equal(await store.get(['short'], 'a'), null)
    assert.deepEqual([await keys(), await keys('pizza')], ['bc', 'bc'])
    assert.deepEqual(await store.listNamespaces(), [['ever'], ['long']])
    clock.advance(4000)
    assert.deepEqual([await keys(), await keys('pizza')], ['c', 'c'])

    const reading = new HoldfastStore(memory, { ...options, map, refreshOnRead: true })
    await reading.put(['r'], 'd', { text: 'soup' }, undefined, { ttlMs: 1000 })
    const before = await reading.get(['r'], 'd')
    for (const read of [
      () => reading.get(['r'], 'd'),
      () => reading.search(['r']),
      () => reading.search(['r'], { query: 'soup' }),
    ]) {
      clock.advance(900)
      assert.ok(await read())
    }
    clock.advance(900)
    assert.deepEqual(await reading.get(['r'], 'd'), before)
    clock.advance(1000)
    assert.equal(await reading.get(['r'], 'd'), null)
  }
})

test('a batch that shows an item and writes it waits for nobody', async t => {
  const store = await freshStore(t, { ttlMs: 1000, refreshOnRead: true })
  await store.put(USER, 'a', { n: 1 })
  await store.batch([
    { namespace: USER, key: 'a' },
    { namespace: USER, key: 'a', value: { n: 2 } },
  ])
  assert.deepEqual((await store.get(USER, 'a'))?.value, { n: 2 })
})

test('a put is as durable as it says, else as the store, and a batch as its strongest', async t => {
  const memory = await freshMemory(t, { checkpointMs: 2 ** 31 - 1 })
  const store = new HoldfastStore(memory, { durability: 'write-back' })
  await store.put(USER, 'a', { n: 1 })
  await store.delete(USER, 'b')
  assert.equal(memory.status().atRisk.writes, 2)
  await store.put(USER, 'a', { n: 2 }, undefined, { durability: 'write-ahead' })
  assert.deepEqual([memory.status().atRisk.writes, memory.status().lsn.inStore], [0, 0])
  await store.batch([
    { namespace: USER, key: 'a', value: { n: 3 } },
    { namespace: USER, key: 'b', value: { n: 3 }, durability: 'write-through' },
  ])
  assert.equal(memory.status().lsn.inStore, memory.status().lsn.accepted)
})

test('what was put is there in the next life of its folder', async () => {
  const folder = await freshFolder()
  const index = indexOf(new LetterEmbeddings(), { fields: ['text'] })
  const first = HoldfastStore.from(folder, { memory: SMALL, index })
  await first.put(USER, 'a', { text: 'pizza' })
  const before = await first.get(USER, 'a')
  await first.close()
  await first.close()
  await assert.rejects(first.get(USER, 'a'), { code: 'CLOSED' })

  await using second = HoldfastStore.from(folder, { memory: SMALL, index })
  assert.deepEqual(await second.get(USER, 'a'), before)
  assert.equal((await second.search(USER, { query: 'pizza' }))[0]?.score?.toFixed(4), '1.0000')
})

test('a memory that cannot be opened is asked for again at the next call; a store that was closed before opens none', async () => {
  let tries = 0
  const folder = await freshFolder()
  const store = new HoldfastStore(async () => {
    tries += 1
    if (tries === 1) throw new Error('not now')
    return AgentMemory.open(folder, SMALL)
  })
  await assert.rejects(store.get(USER, 'a'), /not now/)
  await Promise.all([store.put(USER, 'a', {}), store.put(USER, 'b', {})])
  assert.equal(tries, 2)
  await store.close()

  const unused = HoldfastStore.from(await freshFolder())
  await unused.close()
  await assert.rejects(unused.get(USER, 'a'), { code: 'CLOSED' })
})

test('options that mean nothing are refused at once', () => {
  const open = () => Promise.reject(new Error('not asked'))
  const wrong: [object, string][] = [
    [{ durabilty: 'write-back' }, 'UNKNOWN_OPTION'],
    [{ durability: 'fast' }, 'INVALID_OPTION'],
    [{ ttlMs: 0 }, 'INVALID_OPTION'],
    [{ ttlMs: null }, 'INVALID_OPTION'],
    [{ refreshOnRead: 1 }, 'INVALID_OPTION'],
    [{ index: { dims: 0, embeddings: new LetterEmbeddings() } }, 'INVALID_OPTION'],
    [{ index: { dims: 2 } }, 'INVALID_OPTION'],
    [{ index: { dims: 2, embeddings: new LetterEmbeddings(), fields: 'a' } }, 'INVALID_OPTION'],
    [{ index: { dims: 2, embeddings: new LetterEmbeddings(), field: ['a'] } }, 'UNKNOWN_OPTION'],
  ]
  for (const [options, code] of wrong)
    assert.throws(() => new HoldfastStore(open, options as HoldfastStoreOptions), { code }, JSON.stringify(options))
})

function byPoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
