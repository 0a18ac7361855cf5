import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AgentMemory,
  type ConversationMessage,
  type Conversations,
  type Key,
  type MemoryScope,
  UnsettledWriteError,
} from '../../src/index.js'
import { InMemoryStore } from '../../src/stores/in-memory.js'
import { freshFolder, freshMemory, SMALL } from '../api/temporary-folder.js'
import { openOn, simulated, turns } from '../engine/simulated.js'

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

async function messagesOf<M>(conversations: Conversations<M>, id: Key, n?: number): Promise<M[]> {
  return (await conversations.history(id, n)).map(({ message }) => message)
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)

test('a history is the last ten messages, oldest first, or as many as are asked for', async t => {
  const memory = await freshMemory(t)
  const conversations = memory.conversations<number>()
  for (const n of range(0, 25)) await conversations.append('chat', n)

  assert.deepEqual(await messagesOf(conversations, 'chat'), range(15, 25))
  assert.deepEqual(await messagesOf(conversations, 'chat', 3), [22, 23, 24])
  assert.deepEqual(await messagesOf(conversations, 'chat', 100), range(0, 25))
  assert.deepEqual(await messagesOf(conversations, 'chat', 0), [])
  assert.deepEqual(await messagesOf(conversations, 'none'), [])
})

test('a range of a conversation is read by position, in either direction', async t => {
  const memory = await freshMemory(t)
  const conversations = memory.conversations<number>()
  const { messages } = await conversations.append('chat', ...range(0, 10))
  const at = (index: number) => messages[index]!.position
  assert.deepEqual(
    messages.map(({ position }) => position - at(0)),
    range(0, 10),
  )
  const read = async (options: object) =>
    (await collect(conversations.read('chat', options))).map(({ message }) => message)

  assert.deepEqual(await read({}), range(0, 10))
  assert.deepEqual(await read({ from: at(7) }), [7, 8, 9])
  assert.deepEqual(await read({ from: at(3), reverse: true, limit: 2 }), [3, 2])
  assert.deepEqual(await read({ to: at(2) }), [0, 1])
  assert.deepEqual(await read({ reverse: true, to: at(7) }), [9, 8])
})

const MESSAGES: unknown[] = [
  { role: 'user', content: 'Hello', id: 'openai-1' },
  { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { arguments: '{}' } }] },
  { role: 'tool', tool_call_id: 'call_1', name: 'x', content: '{"a":1}' },
  {
    id: 'ui-1',
    role: 'user',
    parts: [{ type: 'text', text: '\u{1f600} \0 __proto__' }],
    metadata: { at: 5, position: 1 },
  },
  { lc: 1, type: 'constructor', id: ['langchain_core', 'messages', 'HumanMessage'], kwargs: { content: 'x' } },
  { id: 7, at: 'yesterday', position: null, message: { message: [] }, isNew: false },
  JSON.parse('{"__proto__": {"a": 1}, "constructor": "x", "": ""}'),
  'only text',
  '',
  ['system', 'text'],
  null,
  42,
  { id: '', empty: {}, list: [], deep: [[[[]]]] },
  { when: new Date(5), bytes: new Uint8Array([1, 2]), big: 10n, not: Number.NaN, missing: undefined },
]

test('any message is kept exactly as it is; its id and time are kept beside it', async () => {
  const folder = await freshFolder()
  let memory = await AgentMemory.open(folder, SMALL)
  const before = structuredClone(MESSAGES)
  const { messages } = await memory.conversations().append('chat', ...MESSAGES)
  assert.deepEqual(MESSAGES, before)
  await memory.close()
  memory = await AgentMemory.open(folder, SMALL)

  const found = await memory.conversations().history('chat', 100)

  assert.deepEqual(
    found.map(({ message }) => message),
    before,
  )
  assert.deepEqual(
    found.map(({ id, position }) => ({ id, position, isNew: true })),
    messages,
  )
  const ids = found.map(({ id }) => id)
  assert.equal(new Set(ids).size, MESSAGES.length)
  assert.deepEqual([ids[0], ids[3]], ['openai-1', 'ui-1'])
  for (const id of [...ids.slice(1, 3), ...ids.slice(4)]) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
  for (const { at } of found) assert.ok(Math.abs(at - Date.now()) < 600_000)
  await memory.close()
})

test('what cannot be kept as it is is refused by its path in the message, and nothing is appended', async t => {
  const memory = await freshMemory(t)
  const conversations = memory.conversations<unknown>()
  await assert.rejects(conversations.append('chat', 'fine', { tools: [() => {}] }), {
    code: 'VALUE_UNSUPPORTED',
    message: /^value\.tools\[0\] is a function/,
  })
  await assert.rejects(conversations.append('chat', 'fine', undefined), { code: 'VALUE_UNSUPPORTED' })
  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  await assert.rejects(conversations.append('chat', cyclic), { code: 'VALUE_CYCLIC' })
  assert.deepEqual(await conversations.list(), [])
})

test('a message whose id is there already is not appended again: the answer tells the first', async t => {
  for (const tierBytesMax of [0, 1 << 20]) {
    const memory = await freshMemory(t, { tierBytesMax })
    const conversations = memory.conversations<object>()
    const first = await conversations.append('chat', { id: 'm1', text: 'first' })
    await conversations.append('chat', { text: 'between' })
    await memory.checkpoint()

    const again = await conversations.append('chat', { id: 'm1', text: 'second' })
    const byOption = await conversations.appendMany('chat', [{ text: 'third' }], { ids: ['m1'] })
    const mixed = await conversations.append(
      'chat',
      { id: 'm2' },
      { id: 'm1' },
      { id: 'm2', text: 'twin' },
      { id: 'm3' },
    )
    const elsewhere = await conversations.append('other', { id: 'm1' })

    assert.deepEqual(again.messages, [{ ...first.messages[0]!, isNew: false }])
    assert.deepEqual(byOption.messages, again.messages)
    const start = first.messages[0]!.position
    assert.deepEqual(
      mixed.messages.map(({ id, position, isNew }) => [id, position - start, isNew]),
      [
        ['m2', 2, true],
        ['m1', 0, false],
        ['m2', 2, false],
        ['m3', 3, true],
      ],
    )
    assert.equal(elsewhere.messages[0]!.isNew, true)
    assert.deepEqual(await messagesOf(conversations, 'chat'), [
      { id: 'm1', text: 'first' },
      { text: 'between' },
      { id: 'm2' },
      { id: 'm3' },
    ])
    await memory.close()
  }
})

test('64 appends of one id at once append it once, and the order is that of the calls', async () => {
  const { memory, disk } = await simulated()
  await memory.conversations().append('chat', 'before')
  await memory.close()
  const again = await openOn(disk)
  const conversations = again.conversations<object>()
  const results = await Promise.all(range(0, 64).map(n => conversations.append('chat', { id: `m${n % 8}`, n })))
  assert.equal(results.filter(({ messages }) => messages[0]!.isNew).length, 8)
  assert.deepEqual(
    (await messagesOf(conversations, 'chat')).slice(1),
    range(0, 8).map(n => ({ id: `m${n}`, n })),
  )
  await again.close()
})

test('a duplicate answers once the first is as durable as is asked now', async () => {
  const { memory } = await simulated()
  const conversations = memory.conversations<object>()
  const message = { id: 'm1' }
  const { lsn } = await conversations.append('chat', message)
  assert.ok(memory.status().lsn.durable < lsn)
  assert.deepEqual(await conversations.append('chat', message).then(({ lsn, reached }) => ({ lsn, reached })), {
    lsn: lsn - 1,
    reached: 'tier',
  })
  assert.ok(memory.status().lsn.durable < lsn)

  const asAhead = await conversations.appendMany('chat', [message], { durability: 'write-ahead' })
  assert.equal(asAhead.reached, 'log')
  assert.equal(memory.status().lsn.durable, lsn)

  // What comes later is none of its concern.
  const later = await conversations.append('chat', { id: 'm2' })
  await conversations.appendMany('chat', [message], { durability: 'write-ahead' })
  assert.ok(memory.status().lsn.durable < later.lsn)

  const asThrough = await conversations.appendMany('chat', [message], { durability: 'write-through' })
  assert.equal(asThrough.reached, 'store')
  assert.ok(memory.status().lsn.inStore >= lsn)
  await memory.close()
})

test('a duplicate of a message that the store does not get in time says so', async () => {
  const shape = await simulated({ storeDeadlineMs: 1000 })
  const { memory, disk, clock } = shape
  const conversations = memory.conversations<object>()
  await conversations.append('chat', { id: 'm1' })
  disk.faults.add({ at: { kind: 'write', path: /store/ }, error: 'hang' })
  const again = conversations.appendMany('chat', [{ id: 'm1' }], { durability: 'write-through' })
  const outcome = again.catch((error: unknown) => error)
  await turns(20)
  clock.advance(1000)
  const error = await outcome
  assert.ok(error instanceof UnsettledWriteError && error.code === 'STORE_BEHIND')
  disk.releaseHangs()
  await memory.close()
})

test('what keepLast trims goes with its id, and nothing else does', async () => {
  const store = new InMemoryStore()
  const { memory } = await simulated({ store: { kind: 'seen', open: async () => store }, tierBytesMax: 0 })
  const conversations = memory.conversations<object>({ keepLast: 3 })
  for (const n of range(0, 10)) await conversations.append('chat', { id: `m${n}` })
  await conversations.append('chat', { text: 'a' }, { text: 'b' })
  await memory.checkpoint()

  const keys = (await store.page({ from: '', to: '\xff', reverse: false, limit: 100 })).map(({ key }) => key)
  assert.equal(keys.length, 1 + 3 + 3)
  assert.deepEqual(
    (await messagesOf(conversations, 'chat')).map(message => Object.values(message)[0]),
    ['m9', 'a', 'b'],
  )
  assert.equal((await conversations.append('chat', { id: 'm9' })).messages[0]!.isNew, false)
  assert.equal((await conversations.append('chat', { id: 'm8' })).messages[0]!.isNew, true)
  // More at once than are kept: those that do not stay are not even written.
  await conversations.append('chat', ...range(20, 30).map(n => ({ id: `m${n}` })))
  await memory.checkpoint()
  assert.equal((await store.page({ from: '', to: '\xff', reverse: false, limit: 100 })).length, 1 + 3 + 3)
  assert.equal((await conversations.append('chat', { id: 'm20' })).messages[0]!.isNew, true)
  await memory.close()
})

test('a deleted conversation leaves nothing behind, and one that comes back gives out no position again', async () => {
  const store = new InMemoryStore()
  const { memory } = await simulated({ store: { kind: 'seen', open: async () => store } })
  const conversations = memory.conversations<object>({ keepLast: null })
  const { messages } = await conversations.append('chat', ...range(0, 1000).map(n => ({ id: `m${n}` })))
  await conversations.append('other', { id: 'x' })
  assert.equal((await conversations.trim('chat', { before: messages[300]!.position })).removed, 300)
  assert.equal((await conversations.history('chat', 5000)).length, 700)

  const deleted = conversations.delete('chat', { durability: 'write-ahead' })
  const after = await conversations.append('chat', { id: 'm999' })

  // It was called first, so what comes behind stays; and that was there still when it was appended.
  assert.equal((await deleted).reached, 'log')
  assert.deepEqual([after.messages[0]!.isNew, after.messages[0]!.position], [false, messages[999]!.position])
  assert.deepEqual(await conversations.list(), ['other'])
  await memory.checkpoint()
  assert.equal((await store.page({ from: '', to: '\xff', reverse: false, limit: 100 })).length, 3)
  const again = await conversations.append('chat', { id: 'm999' })
  assert.equal(again.messages[0]!.isNew, true)
  assert.ok(again.messages[0]!.position > messages[999]!.position)
  assert.equal((await conversations.delete('none')).removed, 0)
  await memory.close()
})

test('after a crash, too, a conversation that was deleted gives out no position again', async () => {
  const { memory, disk } = await simulated()
  const conversations = memory.conversations<number>({ durability: 'write-ahead' })
  const { messages } = await conversations.append('chat', 1, 2, 3)
  await conversations.delete('chat')
  await conversations.appendMany('chat', [4, 5, 6], { durability: 'write-back' })
  const seen = (await conversations.history('chat')).at(-1)!.position
  assert.ok(seen > messages[2]!.position)

  const again = await openOn(disk.crash(() => 0.5, { kind: 'nothing' }))

  const kept = again.conversations<number>({ durability: 'write-ahead' })
  assert.deepEqual(await kept.history('chat'), [])
  assert.ok((await kept.append('chat', 7)).messages[0]!.position > seen)
  await again.close()
})

test('conversations are listed in pages, by whole segments of their ids', async t => {
  const memory = await freshMemory(t)
  const conversations = memory.conversations<number>()
  const ids: Key[] = ['a', ['a', '1'], ['a', '2'], 'a-1', 'b', ['b', ''], '', '\0', '0000000000000001']
  for (const id of ids) await conversations.append(id, 1, 2)
  await memory.checkpoint()
  await conversations.append('c', 1)
  await conversations.append('d', 1)
  await conversations.delete('d')

  const all = await conversations.list()
  assert.equal(all.length, ids.length + 1)
  for (const id of [...ids, 'c'])
    assert.ok(
      all.some(each => JSON.stringify(each) === JSON.stringify(id)),
      `${id}`,
    )
  assert.deepEqual(await conversations.list({ prefix: 'a' }), ['a', ['a', '1'], ['a', '2']])
  assert.deepEqual(await conversations.list({ prefix: 'a', after: 'a', limit: 1 }), [['a', '1']])
  assert.deepEqual(await conversations.list({ limit: 0 }), [])
  const paged: Key[] = []
  for (let page = await conversations.list({ limit: 3 }); page.length > 0; ) {
    paged.push(...page)
    page = await conversations.list({ limit: 3, after: page.at(-1)! })
  }
  assert.deepEqual(paged, all)
  for (const id of ids) assert.deepEqual(await messagesOf(conversations, id), [1, 2], `${id}`)
  const many = memory.scope('many').conversations<number>()
  await Promise.all(range(0, 120).map(n => many.append(`${n}`, n)))
  assert.equal((await many.list()).length, 100)
})

test('an id whose continuation looks like a position is apart from the id before it', async t => {
  const memory = await freshMemory(t)
  const conversations = memory.conversations<string>({ ttlMs: 1_000_000, keepLast: null })
  const { messages } = await conversations.append('a', '0', '1', '2', '3')
  const inside = String(messages[1]!.position).padStart(16, '0')
  await conversations.append(['a', inside], 'x', 'y')
  await conversations.appendMany(['a', 'id'], ['z'], { ids: ['id'] })
  await conversations.appendMany('a', ['4'], { ids: ['id'] })

  assert.deepEqual(
    (await collect(conversations.read('a'))).map(({ message }) => message),
    ['0', '1', '2', '3', '4'],
  )
  await conversations.delete('a')
  assert.deepEqual(await messagesOf(conversations, ['a', inside]), ['x', 'y'])
  assert.deepEqual(await messagesOf(conversations, ['a', 'id']), ['z'])
  assert.equal((await conversations.appendMany(['a', 'id'], ['z'], { ids: ['id'] })).messages[0]!.isNew, false)
})

test('scopes have conversations of their own', async t => {
  const memory = await freshMemory(t)
  const places: [string, MemoryScope][] = [
    ['whole', memory],
    ['acme', memory.scope('acme')],
    ['acme-corp', memory.scope('acme-corp')],
    ['acme/chat', memory.scope('acme', 'chat')],
    ['chat', memory.scope('chat')],
  ]
  for (const [place, scope] of places) await scope.conversations<string>().append('chat', place)
  await memory.scope('acme').conversations().delete('chat')
  for (const [place, scope] of places) {
    const expected = place === 'acme' ? [] : [place]
    assert.deepEqual(await messagesOf(scope.conversations<string>(), 'chat'), expected)
    assert.deepEqual(
      await scope.conversations().list(),
      expected.map(() => 'chat'),
      place,
    )
  }
})

test('messages are appended with other writes in one batch', async t => {
  const memory = await freshMemory(t)
  const runs = memory.map<number>('runs')
  const conversations = memory.conversations<object>()
  const append = () =>
    memory.batch(batch => {
      batch.set(runs, 'run-1', 1)
      batch.append(conversations, 'chat', { id: 'm1' }, { id: 'm2' })
      batch.append(conversations, 'other', { id: 'm1' })
    })
  assert.equal((await append()).reached, 'log')
  await append()
  assert.deepEqual(await messagesOf(conversations, 'chat'), [{ id: 'm1' }, { id: 'm2' }])
  assert.equal(await runs.get('run-1'), 1)
})

test('by default: write-back, a bound of 60 s, the last 100, a history of 10', async () => {
  const { memory, disk, clock } = await simulated()
  const conversations = memory.conversations<number>()
  const { reached } = await conversations.append('chat', ...range(0, 100))
  assert.equal(reached, 'tier')
  await conversations.append('chat', 100)
  assert.deepEqual(await messagesOf(conversations, 'chat', 1000), range(1, 101))
  assert.equal((await conversations.history('chat')).length, 10)
  const { syncs } = memory.status().log

  // Half of the bound is left for the disk. What other maps write is synced when it asks for it, and takes all along.
  clock.advance(29_999)
  await turns(20)
  assert.equal(memory.status().atRisk.oldestMs, 29_999)
  assert.equal(memory.status().log.syncs, syncs)
  clock.advance(1)
  await turns(20)
  assert.deepEqual(memory.status().atRisk, { writes: 0, bytes: 0, oldestMs: 0 })
  await conversations.append('chat', 101)
  await memory.map('any').set('k', 1)

  const again = await openOn(
    disk.crash(() => 0.5, { kind: 'nothing' }),
    { clock },
  )
  assert.deepEqual(await messagesOf(again.conversations<number>(), 'chat'), range(92, 102))
  await again.close()
})

test('the other bounds are those of the memory, and each can be said', async () => {
  const { memory } = await simulated({ maxLoss: { writes: 8 } })
  const conversations = memory.conversations<number>()
  assert.equal((await conversations.append('chat', 0, 1)).reached, 'tier')
  assert.equal((await conversations.append('chat', 2, 3)).reached, 'log')
  assert.throws(() => memory.conversations({ durability: 'write-ahead' }), {
    code: 'OPTIONS_DIFFER',
    message: /conversations were opened before/,
  })
  await memory.close()
  for (const [options, reached] of [
    [{ durability: 'write-ahead' }, 'log'],
    [{ durability: 'write-through' }, 'store'],
    [{ maxLoss: { writes: 2 } }, 'log'],
    [{ maxLoss: { bytes: 10 } }, 'log'],
    [{ maxLoss: { ms: 0 } }, 'log'],
    [{ maxLoss: { writes: 3 }, keepLast: null }, 'tier'],
  ] as const) {
    const { memory } = await simulated()
    assert.equal((await memory.conversations(options).append('chat', 0)).reached, reached, JSON.stringify(options))
    await memory.close()
  }
})

test('wrong calls are refused by name, and change nothing', async t => {
  const memory = await freshMemory(t)
  const conversations = memory.conversations<unknown>()
  await conversations.append('chat', 'a')
  for (const id of [5, null, undefined, [], [5], '\ud800']) {
    await assert.rejects(conversations.append(id as never, 'b'), { code: 'INVALID_KEY' })
    await assert.rejects(conversations.history(id as never), { code: 'INVALID_KEY' })
    await assert.rejects(conversations.delete(id as never), { code: 'INVALID_KEY' })
  }
  for (const given of [5, 'abc', null, { role: 'user' }]) {
    await assert.rejects(conversations.appendMany('chat', given as never), { code: 'INVALID_ARGUMENT' })
  }
  for (const ids of [['m1'], ['m1', ''], ['m1', 5], 'm1', null]) {
    await assert.rejects(conversations.appendMany('chat', ['b', 'c'], { ids } as never), { code: 'INVALID_OPTION' })
  }
  await assert.rejects(conversations.append('chat', { id: 'm'.repeat(1100) }), { code: 'KEY_TOO_LONG' })
  await assert.rejects(conversations.append('c'.repeat(1100), 'b'), { code: 'KEY_TOO_LONG' })
  await assert.rejects(conversations.append('chat', { id: '\ud800' }), { code: 'INVALID_KEY' })
  await assert.rejects(conversations.history('chat', 1.5), { code: 'INVALID_OPTION' })
  await assert.rejects(conversations.list({ page: 2 } as never), { code: 'UNKNOWN_OPTION' })
  await assert.rejects(conversations.list({ limit: -1 }), { code: 'INVALID_OPTION' })
  assert.throws(() => memory.conversations({ keepLast: 0 }), { code: 'INVALID_OPTION' })
  assert.throws(() => memory.conversations({ maxLoss: 5 } as never), { code: 'INVALID_OPTION' })
  assert.throws(() => memory.conversations({ history: 5 } as never), { code: 'UNKNOWN_OPTION' })
  const found: ConversationMessage<unknown>[] = await conversations.history('chat')
  assert.deepEqual(
    found.map(({ message }) => message),
    ['a'],
  )
  await memory.close()
  await assert.rejects(conversations.append('chat', 'b'), { code: 'CLOSED' })
  await assert.rejects(conversations.history('chat'), { code: 'CLOSED' })
  await assert.rejects(conversations.list(), { code: 'CLOSED' })
})

test('while the store is down, conversations that memory holds go on; those that must be read say STORE_DOWN', async () => {
  const store = new InMemoryStore()
  let isDown = false
  const failing = new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        if (isDown && name !== 'close') throw new Error('down')
        return value.apply(target, args)
      }
    },
  })
  const { memory } = await simulated({ store: { kind: 'failing', open: async () => failing } })
  const conversations = memory.conversations<object>()
  await conversations.append('chat', { id: 'm1' })
  isDown = true
  await assert.rejects(memory.map('any').get('cold'), { code: 'STORE_DOWN' })

  await conversations.append('chat', { text: 'no id of its own' })
  assert.equal((await conversations.append('chat', { id: 'm1' })).messages[0]!.isNew, false)
  assert.equal((await conversations.history('chat')).length, 2)
  await assert.rejects(conversations.append('chat', { id: 'm2' }), { code: 'STORE_DOWN' })
  await assert.rejects(conversations.append('cold', { text: 'x' }), { code: 'STORE_DOWN' })
  assert.equal((await conversations.history('chat')).length, 2)
  await memory.close({ deadlineMs: 0 })
})
