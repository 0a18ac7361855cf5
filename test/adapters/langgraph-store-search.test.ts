// Searches with a query: by vectors of the user's embeddings, and by words where there are none.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastStore } from '../../src/adapters/langgraph/index.js'
import { ManualClock } from '../../src/testing/index.js'
import { freshFolder, freshMemory } from '../api/temporary-folder.js'
import { Nodes } from '../direct/nodes.js'
import { DIMS, freshStore, indexOf, LetterEmbeddings, PLACES } from './langgraph-stores.js'

const NS = ['docs']

test('vectors: the nearest first, by the best of an item, behind them what has none; filters and pages hold', async t => {
  const store = await freshStore(t, { index: indexOf(new LetterEmbeddings(), { fields: ['title', 'parts[*].text'] }) })
  await store.put(NS, 'far', { title: 'bbbb' })
  await store.put(NS, 'near', { title: 'bb', parts: [{ text: 'aab' }, { text: 'aaaa' }] })
  await store.put(NS, 'middle', { title: 'ab' })
  await store.put(NS, 'other path', { title: 'bbbb', note: 'aaa' }, ['note'])
  await store.put(NS, 'not indexed', { title: 'aaaa' }, false)
  await store.put(NS, 'no text', { n: 1 })
  const found = await store.search(NS, { query: 'a' })
  assert.deepEqual(
    found.map(({ key, score }) => [key, score?.toFixed(3)]),
    [
      ['near', '1.000'],
      ['other path', '1.000'],
      ['middle', '0.707'],
      ['far', '0.000'],
      ['no text', undefined],
      ['not indexed', undefined],
    ],
  )
  const keys = async (options: object) => (await store.search(NS, { query: 'a', ...options })).map(({ key }) => key)
  assert.deepEqual(await keys({ limit: 2, offset: 3 }), ['far', 'no text'])
  assert.deepEqual(await keys({ filter: { title: 'bbbb' } }), ['other path', 'far'])
  assert.deepEqual(await keys({ filter: { n: 1 } }), ['no text'])
  assert.deepEqual(await store.search(['doc'], { query: 'a' }), [])
})

test('vectors go with their item: replaced, removed, and never those of what was there before', async t => {
  const embeddings = new LetterEmbeddings()
  const memory = await freshMemory(t)
  const store = new HoldfastStore(memory, { index: indexOf(embeddings) })
  const vectors = async () => {
    const keys: string[] = []
    for await (const { key } of memory.map('langgraph-store.vectors').entries()) keys.push((key as string[]).at(-1)!)
    return keys.join('')
  }
  await store.batch(['a', 'b', 'c', 'd'].map(key => ({ namespace: NS, key, value: { text: key } })))
  assert.equal(await vectors(), 'abcd')
  assert.equal(embeddings.asked.length, 1)
  await store.put(NS, 'a', { text: 'a' }, false)
  await store.delete(NS, 'b')
  // A store without embeddings changes items as well.
  const plain = new HoldfastStore(memory)
  await plain.put(NS, 'c', { text: 'new' })
  assert.equal(await vectors(), 'd')
  await plain.delete(NS, 'd')
  assert.equal(await vectors(), '')
  const found = await store.search(NS, { query: 'a' })
  assert.deepEqual(
    found.map(({ key, score }) => [key, score]),
    [
      ['a', undefined],
      ['c', undefined],
    ],
  )
})

test('embeddings that are not what they should be are an error before anything is written', async t => {
  const embeddings = new LetterEmbeddings()
  const store = await freshStore(t, { index: indexOf(embeddings) })
  const put = () => store.put(NS, 'a', { text: 'a' })
  embeddings.dims = DIMS + 1
  await assert.rejects(put(), /9 dimensions, and index.dims is 8/)
  await assert.rejects(store.search(NS, { query: 'a' }), /9 dimensions, and index.dims is 8/)
  embeddings.dims = DIMS
  const broken: [string, unknown][] = [
    ['no vectors', async () => undefined],
    ['too few', async () => []],
    ['no numbers', async () => [new Array(DIMS).fill(Number.NaN)]],
    ['an error', async () => Promise.reject(new Error('the provider is down'))],
  ]
  for (const [, embedDocuments] of broken) {
    Object.assign(embeddings, { embedDocuments })
    await assert.rejects(put())
  }
  assert.deepEqual(await store.search(NS), [])
  const other = new LetterEmbeddings()
  Object.assign(embeddings, { embedDocuments: (texts: string[]) => other.embedDocuments(texts) })
  await put()
  assert.equal((await store.search(NS, { query: 'a' })).length, 1)
})

test('vectors of other dimensions are an error, and no wrong order', async t => {
  const memory = await freshMemory(t)
  await new HoldfastStore(memory, { index: indexOf(new LetterEmbeddings()) }).put(NS, 'a', { text: 'a' })
  const embeddings = new LetterEmbeddings()
  embeddings.dims = 4
  const store = new HoldfastStore(memory, { index: indexOf(embeddings, { dims: 4 }) })
  await assert.rejects(store.search(NS, { query: 'a' }), /8 dimensions, and index.dims is 4/)
})

test('embeddings that take long keep the order of puts of an item, and hold up nobody else', async t => {
  const embeddings = new LetterEmbeddings()
  const store = await freshStore(t, { index: indexOf(embeddings) })
  assert.equal(await store.get(NS, 'a'), null)
  let open = () => {}
  embeddings.gate = new Promise<void>(resolve => {
    open = resolve
  })
  const slow = store.put(NS, 'a', { text: 'slow' })
  embeddings.gate = Promise.resolve()
  const quick = store.put(NS, 'a', { text: 'quick' })
  await store.put(NS, 'b', { text: 'b' })
  assert.deepEqual(
    (await store.search(NS)).map(({ key }) => key),
    ['b'],
  )
  assert.equal(await store.get(NS, 'a'), null)
  open()
  await Promise.all([slow, quick])
  assert.equal((await store.get(NS, 'a'))?.value.text, 'quick')
  assert.equal((await store.search(NS, { query: 'quick' }))[0]?.key, 'a')
})

test('words: the best first, in names and values; kept up with what is written and deleted', async t => {
  const store = await freshStore(t)
  await store.put(NS, 'a', { favorite_food: 'pizza with cheese', tags: ['italian'] })
  await store.put(NS, 'b', { text: 'The pizza, the pizzeria, the PIZZA!' })
  await store.put(NS, 'c', { text: 'noodle soup', n: 42 })
  await store.put(NS, 'd', { title: '用户喜欢吃辣的火锅' })
  await store.put(NS, 'e', { text: 'pizza' }, false)
  await store.put(NS, 'f', { text: 'pizza', title: 'hidden' }, ['title'])
  const keys = async (query: string, options: object = {}) =>
    (await store.search(NS, { query, ...options })).map(({ key }) => key).join('')
  assert.equal(await keys('pizza'), 'ba')
  assert.equal(await keys('favorite food?'), 'a')
  assert.equal(await keys('ital'), 'a')
  assert.equal(await keys('42'), 'c')
  assert.equal(await keys('火锅'), 'd')
  assert.equal(await keys('hidden'), 'f')
  assert.equal(await keys('sushi'), '')
  assert.equal(await keys('pizza', { filter: { tags: { $exists: true } } }), 'a')
  assert.equal(await keys('pizza', { limit: 1, offset: 1 }), 'a')
  assert.ok((await store.search(NS, { query: 'pizza' })).every(({ score }) => score! > 0))

  await store.put(NS, 'c', { text: 'sushi' })
  await store.delete(NS, 'b')
  await store.put(['docs', 'below'], 'g', { text: 'sushi rice' })
  await store.put(['docs-2'], 'h', { text: 'sushi' })
  assert.equal(await keys('pizza'), 'a')
  assert.equal(await keys('noodle'), '')
  assert.equal(await keys('sushi'), 'cg')
  assert.equal((await store.search([], { query: 'sushi' })).length, 3)
  const calls = Array.from({ length: 64 }, (_, n) => store.put(NS, 'x', { text: `word${n}` }))
  const [found] = await Promise.all([store.search(NS, { query: 'word63' }), ...calls])
  assert.deepEqual([found.length, await keys('word63'), await keys('word62')], [1, 'x', ''])
})

test('words: what has expired is not found, and what hostile text says is only text', async t => {
  const clock = new ManualClock()
  const store = await freshStore(t, { memory: { clock } })
  await store.put(NS, 'a', { text: 'pizza' }, undefined, { ttlMs: 100 })
  await store.put(NS, '__proto__', { __proto__: null, constructor: 'pizza __proto__' })
  const keys = async (query: string) => (await store.search(NS, { query })).map(({ key }) => key)
  assert.deepEqual((await keys('pizza')).sort(), ['__proto__', 'a'])
  clock.advance(100)
  assert.deepEqual(await keys('pizza'), ['__proto__'])
  assert.deepEqual(await keys('__proto__'), ['__proto__'])
  assert.deepEqual(await keys('*'), [])
  assert.deepEqual(await keys(' '), [])
  await store.put(NS, 'a', { text: 'pizza' })
  assert.equal((await keys('pizza')).length, 2)
})

test('without a log, nodes see what others have put, by words as well, and an item keeps its first moment', async () => {
  const nodes = new Nodes()
  try {
    const index = indexOf(new LetterEmbeddings())
    const memories = [await nodes.node(), await nodes.node()]
    const [one, two] = memories.map(memory => new HoldfastStore(memory))
    await one!.put(NS, 'a', { text: 'pizza' })
    const createdAt = (await one!.get(NS, 'a'))!.createdAt
    assert.equal((await two!.search(NS, { query: 'pizza' })).length, 1)
    nodes.clock.advance(5000)
    await two!.put(NS, 'a', { text: 'sushi' })
    await Promise.all(Array.from({ length: 32 }, (_, n) => (n % 2 === 0 ? one! : two!).put(NS, 'b', { n })))
    nodes.clock.advance(5000)
    for (const store of [one!, two!]) {
      assert.deepEqual(
        (await store.search(NS, { query: 'sushi' })).map(({ key, createdAt }) => [key, createdAt]),
        [['a', createdAt]],
      )
      assert.deepEqual(await store.search(NS, { query: 'pizza' }), [])
    }
    const [first, second] = memories.map(memory => new HoldfastStore(memory, { map: 'v', index }))
    await first!.put(NS, 'a', { text: 'pizza' })
    await second!.put(NS, 'a', { text: 'pizza' }, false)
    assert.equal((await first!.search(NS, { query: 'pizza' }))[0]?.score, undefined)
  } finally {
    await nodes.close()
  }
})

test('vectors are found after a checkpoint, and after a reopen, over every store', async () => {
  for (const locate of Object.values(PLACES)) {
    const { location, memory } = locate(await freshFolder())
    const options = { memory, index: indexOf(new LetterEmbeddings()), durability: 'write-through' as const }
    const first = HoldfastStore.from(location, options)
    await first.batch(['aa', 'ab', 'bb'].map(key => ({ namespace: NS, key, value: { key } })))
    const before = await first.search(NS, { query: 'a' })
    await first.close()
    await using second = HoldfastStore.from(location, options)
    assert.deepEqual(await second.search(NS, { query: 'a' }), before)
  }
})
