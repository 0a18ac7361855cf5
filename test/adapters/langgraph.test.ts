// What the suites of LangGraph do not ask: order, special writes, bytes, hostile ids, restarts, many threads at once, values
// that are no JSON, errors, and what the adapter does beyond the framework's interface.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages'
import { Annotation, Command, interrupt, MessagesAnnotation, Send, START, StateGraph } from '@langchain/langgraph'
import {
  type Checkpoint,
  type CheckpointMetadata,
  DeltaSnapshot,
  emptyCheckpoint,
  JsonPlusSerializer,
  uuid6,
} from '@langchain/langgraph-checkpoint'
import fc from 'fast-check'
import { HoldfastSaver, type HoldfastSaverOptions } from '../../src/adapters/langgraph/index.js'
import { AgentMemory } from '../../src/index.js'
import { ManualClock, SharedStore } from '../../src/testing/index.js'
import { freshFolder, freshMemory, SMALL } from '../api/temporary-folder.js'

const METADATA: CheckpointMetadata = { source: 'loop', step: 0, parents: {} }

async function freshSaver(t: TestContext, options: HoldfastSaverOptions = {}): Promise<HoldfastSaver> {
  return new HoldfastSaver(await freshMemory(t), options)
}

function at(threadId: string, id?: string, namespace = '') {
  return {
    configurable: { thread_id: threadId, checkpoint_ns: namespace, ...(id !== undefined && { checkpoint_id: id }) },
  }
}

/** A checkpoint whose channels are all new. */
function checkpointOf(values: Record<string, unknown>, version = 1, id = uuid6(0)) {
  const versions = Object.fromEntries(Object.keys(values).map(channel => [channel, version]))
  const checkpoint: Checkpoint = { ...emptyCheckpoint(), id, channel_values: values, channel_versions: versions }
  return { checkpoint, versions }
}

async function put(
  saver: HoldfastSaver,
  config: ReturnType<typeof at>,
  values: Record<string, unknown>,
  version?: number,
) {
  const { checkpoint, versions } = checkpointOf(values, version)
  return (await saver.put(config, checkpoint, METADATA, versions)) as ReturnType<typeof at>
}

async function valuesOf(saver: HoldfastSaver, config: ReturnType<typeof at>) {
  return (await saver.getTuple(config))?.checkpoint.channel_values
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** How many entries of the map are of a kind: objects, checkpoints, writes; or how many there are. */
async function entries(memory: AgentMemory, kind?: 'o' | 'c' | 'w'): Promise<number> {
  const keys = (await all(memory.map<unknown, string[]>('langgraph').entries())).map(({ key }) => key)
  return kind === undefined ? keys.length : keys.filter(key => key[1] === kind && key[0]!.length > 1).length
}

test('special writes replace what is there, and of others the first one counts', async t => {
  const saver = await freshSaver(t)
  const config = await put(saver, at('t'), {})
  await saver.putWrites(
    config,
    [
      ['a', 1],
      ['__error__', 'first'],
    ],
    'task',
  )
  await saver.putWrites(
    config,
    [
      ['b', 2],
      ['__error__', 'second'],
      ['c', 3],
    ],
    'task',
  )
  await saver.putWrites(
    config,
    [
      ['__interrupt__', 'i'],
      ['__resume__', 'r'],
      ['__scheduled__', 's'],
    ],
    'task',
  )
  assert.deepEqual((await saver.getTuple(config))?.pendingWrites, [
    ['task', '__resume__', 'r'],
    ['task', '__interrupt__', 'i'],
    ['task', '__scheduled__', 's'],
    ['task', '__error__', 'second'],
    ['task', 'a', 1],
    ['task', 'c', 3],
  ])
})

test('pending writes are in the order of path, task and index, by code point', async t => {
  const saver = await freshSaver(t)
  const config = await put(saver, at('t'), {})
  const paths = ['~b', '', '~\u{10000}', '~\uffff', '~a']
  for (const path of paths)
    for (const task of ['2', '1'])
      await saver.putWrites(
        config,
        [
          ['x', 0],
          ['y', 1],
        ],
        path + task,
        path,
      )
  const order = (await saver.getTuple(config))!.pendingWrites!.map(([task, channel]) => task + channel)
  const expected = ['', '~a', '~b', '~\uffff', '~\u{10000}'].flatMap(path =>
    ['1x', '1y', '2x', '2y'].map(end => path + end),
  )
  assert.deepEqual(order, expected)
})

test('writes may come before their checkpoint', async t => {
  const saver = await freshSaver(t)
  const { checkpoint, versions } = checkpointOf({ a: 1 })
  await saver.putWrites(at('t', checkpoint.id), [['a', 2]], 'task')
  assert.equal(await saver.getTuple(at('t')), undefined)
  await saver.put(at('t'), checkpoint, METADATA, versions)
  assert.deepEqual((await saver.getTuple(at('t')))?.pendingWrites, [['task', 'a', 2]])
})

test('a list is from the newest to the oldest, across namespaces', async t => {
  const saver = await freshSaver(t)
  const ids: string[] = []
  for (const namespace of ['', 'child', '', 'child:1', 'child']) {
    ids.unshift((await put(saver, at('t', undefined, namespace), { a: 1 })).configurable.checkpoint_id!)
  }
  await put(saver, at('u'), { a: 1 })
  const idsIn = async (...args: Parameters<HoldfastSaver['list']>) =>
    (await all(saver.list(...args))).map(tuple => tuple.checkpoint.id)
  assert.deepEqual(await idsIn({ configurable: { thread_id: 't' } }), ids)
  assert.deepEqual(
    await idsIn({ configurable: { thread_id: 't' } }, { before: at('t', ids[1]), limit: 2 }),
    ids.slice(2, 4),
  )
  assert.deepEqual(await idsIn(at('t', undefined, 'child')), [ids[0], ids[3]])
  assert.deepEqual(await idsIn(at('t', ids[3], 'child')), [ids[3]])
  assert.equal((await idsIn({})).length, 6)
})

test('the first call on a new memory may be any', async t => {
  const memory = await freshMemory(t)
  let maps = 0
  const calls: ((saver: HoldfastSaver) => Promise<unknown>)[] = [
    saver => saver.deleteThread('t'),
    saver => saver.getTuple(at('t')),
    saver => all(saver.list({})),
    saver => saver.prune(['t']),
    saver => saver.loadState('t'),
    saver => all(saver.listThreads()),
    saver => saver.getDeltaChannelHistory({ config: at('t'), channels: ['a'] }),
    saver => saver.putWrites(at('t', uuid6(0)), [['a', 1]], 'task'),
    saver => saver.putWrites(at('t', uuid6(0)), [], 'task'),
  ]
  const expected = [undefined, undefined, [], { removed: 0 }, {}, [], { a: { writes: [] } }, undefined, undefined]
  for (const [index, call] of calls.entries()) {
    maps += 1
    assert.deepEqual(await call(new HoldfastSaver(memory, { map: `m${maps}` })), expected[index], String(index))
  }
})

const HOSTILE = [
  '__proto__',
  'constructor',
  'toString',
  'a\0b',
  'a:b',
  'a',
  '',
  '$',
  '\x01',
  '\ud800',
  'ü'.repeat(600),
  'ü'.repeat(601),
]

test('hostile ids, tasks, namespaces and channels are names like any other', async t => {
  const saver = await freshSaver(t)
  for (const name of HOSTILE) {
    const config = await put(saver, at(name, undefined, name), JSON.parse(`{${JSON.stringify(name)}: 1, "b": 2}`))
    await saver.putWrites(config, [[name, 3]], name, name)
  }
  for (const name of HOSTILE) {
    const tuple = (await saver.getTuple(at(name, undefined, name)))!
    assert.deepEqual(Object.entries(tuple.checkpoint.channel_values), [
      [name, 1],
      ['b', 2],
    ])
    assert.deepEqual(Object.keys(tuple.checkpoint.channel_versions).sort(), [name, 'b'].sort())
    assert.deepEqual(tuple.pendingWrites, [[name, name, 3]])
    assert.equal(tuple.config.configurable?.checkpoint_ns, name)
    assert.equal((await all(saver.list({ configurable: { thread_id: name } }))).length, 1, name)
  }
  assert.deepEqual((await all(saver.listThreads())).map(each => each.threadId).sort(), HOSTILE.toSorted())
  for (const name of HOSTILE) await saver.deleteThread(name)
  assert.equal((await all(saver.listThreads())).length, 0)
  assert.equal(({} as Record<string, unknown>).b, undefined)
})

test('what is wrong about a call is told, and nothing is written', async t => {
  const memory = await freshMemory(t)
  const saver = new HoldfastSaver(memory)
  const { checkpoint, versions } = checkpointOf({ a: 1 })
  await assert.rejects(saver.put({}, checkpoint, METADATA, versions), {
    code: 'INVALID_ARGUMENT',
    message: /thread_id/,
  })
  await assert.rejects(saver.putWrites(at('t'), [['a', 1]], 'task'), {
    code: 'INVALID_ARGUMENT',
    message: /checkpoint_id/,
  })
  await assert.rejects(saver.put(at('t'), { ...checkpoint, id: '' }, METADATA, versions), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(saver.copyThread('t', 'u'), { code: 'INVALID_ARGUMENT', message: /no checkpoint/ })
  await assert.rejects(saver.prune(['t'], { keepLatest: 0 }), { code: 'INVALID_OPTION' })
  assert.throws(() => new HoldfastSaver(memory, { mapp: 'x' } as object), { code: 'UNKNOWN_OPTION' })
  assert.throws(() => new HoldfastSaver(memory, { ttlMs: -1 }), { code: 'INVALID_OPTION' })
  assert.throws(() => new HoldfastSaver({} as AgentMemory), { code: 'INVALID_OPTION' })
  assert.equal(await entries(memory), 0)
})

const VALUES: Record<string, unknown> = {
  bigint: 2n ** 70n,
  date: new Date('2026-01-02T03:04:05.678Z'),
  map: new Map<unknown, unknown>([[{ k: 1 }, new Set([1, 'x'.repeat(300)])]]),
  bytes: Buffer.from([0, 255, 128]),
  nested: [{ deep: { bytes: new Uint8Array(400).fill(7), floats: new Float64Array([NaN, -0, 1.5]) } }],
  numbers: [NaN, Infinity, -Infinity, -0],
  undefined: { a: undefined },
  regexp: /a+/giu,
  error: new RangeError('no'),
  markers: { $: 5, x: [{ $: ['i', 'AIMessage', {}] }] },
  nullObject: Object.assign(Object.create(null), { a: 1 }),
  text: 'ä'.repeat(1000),
  half: `\ud800${'x'.repeat(300)}`,
  human: new HumanMessage({ content: [{ type: 'text', text: 'hello' }], id: 'h', name: 'anna' }),
  ai: new AIMessage({ content: '', tool_calls: [{ name: 't', args: { n: 1n }, id: 'c1', type: 'tool_call' }] }),
  tool: new ToolMessage({ content: 'ok', tool_call_id: 'c1', artifact: new Uint8Array([1, 2]), status: 'success' }),
  system: new SystemMessage('be good'),
  send: new Send('node', { a: new Date(5) }),
  command: new Command({ goto: 'x', update: { a: 1 } }),
  snapshot: new DeltaSnapshot([1, { a: 2n }]),
}

test('values come back as they were, from channels and from pending writes, also after a restart', async t => {
  const folder = await freshFolder()
  for (const isSecond of [false, true]) {
    const memory = await AgentMemory.open(folder, { ...SMALL, tierBytesMax: 0 })
    const saver = new HoldfastSaver(memory)
    if (!isSecond) {
      const config = await put(saver, at('t'), VALUES)
      await saver.putWrites(config, Object.entries(VALUES), 'task')
    }
    const { checkpoint, pendingWrites } = (await saver.getTuple(at('t')))!
    assert.deepEqual(Object.keys(checkpoint.channel_values), Object.keys(VALUES))
    const found = Object.fromEntries(pendingWrites!.map(([, channel, value]) => [channel, value]))
    for (const [name, value] of Object.entries(VALUES)) {
      assert.deepEqual(checkpoint.channel_values[name], value, name)
      assert.deepEqual(found[name], value, name)
    }
    assert.ok(checkpoint.channel_values.ai instanceof AIMessage)
    assert.ok(checkpoint.channel_values.send instanceof Send)
    await memory.close()
  }
  t.diagnostic(`${Object.keys(VALUES).length} values`)
})

test('any value that JSON has and more comes back, through changes of it', async t => {
  const saver = await freshSaver(t)
  const value = fc.anything({
    withBigInt: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withNullPrototype: true,
  })
  let threads = 0
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 6 }), async states => {
      threads += 1
      let config = at(`t${threads}`)
      const list: unknown[] = []
      for (const [index, state] of states.entries()) {
        list.push(state)
        config = await put(
          saver,
          config,
          { state, list: [...list], long: [{ id: index, text: 'x'.repeat(60) }, ...list] },
          index,
        )
        const found = await valuesOf(saver, at(`t${threads}`))
        assert.deepEqual(found, { state, list, long: [{ id: index, text: 'x'.repeat(60) }, ...list] })
      }
    }),
    { numRuns: 25 },
  )
})

test('what would not come back as it was is refused, by the name of its channel, and changes nothing', async t => {
  const memory = await freshMemory(t)
  const saver = new HoldfastSaver(memory)
  class Own {
    a = 1
  }
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  for (const value of [
    new Own(),
    () => 1,
    Symbol('s'),
    Promise.resolve(1),
    new WeakMap(),
    Object.assign([], { 1: 1 }),
    class {},
    new (class extends Error {})(),
  ]) {
    const refused = { code: 'VALUE_UNSUPPORTED', message: /The channel "state"\.list\[0\]/ }
    await assert.rejects(put(saver, at('t'), { state: { list: [value] } }), refused)
  }
  await assert.rejects(put(saver, at('t'), { state: cycle }), { code: 'VALUE_CYCLIC' })
  assert.equal(await entries(memory), 0)
})

test('what is done to a value after a call, or to what a call has returned, changes nothing', async t => {
  const saver = await freshSaver(t)
  const message = new HumanMessage({ content: 'before', id: '1' })
  const state = { messages: [message], list: [1] }
  const done = put(saver, at('t'), state)
  message.content = 'after'
  state.list.push(2)
  await done
  const found = (await valuesOf(saver, at('t'))) as typeof state
  assert.equal(found.messages[0]!.content, 'before')
  found.messages[0]!.content = 'changed'
  found.list.push(3)
  const again = (await valuesOf(saver, at('t'))) as typeof state
  assert.deepEqual([again.messages[0]!.content, again.list], ['before', [1]])
})

test('calls of a thread take effect in their order, though nobody awaits them, from several savers', async t => {
  const memory = await freshMemory(t)
  const savers = [new HoldfastSaver(memory), new HoldfastSaver(memory)]
  const id = uuid6(0)
  const calls = Array.from({ length: 64 }, (_, index) => {
    const { checkpoint, versions } = checkpointOf({ a: index }, index, id)
    return savers[index % 2]!.put(at('t'), checkpoint, METADATA, versions)
  })
  assert.equal((await valuesOf(savers[0]!, at('t')))?.a, 63)
  await Promise.all(calls)
  assert.equal((await all(savers[0]!.list(at('t')))).length, 1)
})

test('64 threads at once, each with writes and checkpoints that nobody awaits', async () => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  const saver = new HoldfastSaver(memory)
  const calls: Promise<unknown>[] = []
  for (let step = 0; step < 4; step++) {
    for (let thread = 0; thread < 64; thread++) {
      const { checkpoint, versions } = checkpointOf(
        { list: Array.from({ length: step }, () => ({ thread, text: 'x'.repeat(300) })) },
        step,
      )
      calls.push(saver.put(at(`t${thread}`), checkpoint, METADATA, versions))
      calls.push(saver.putWrites(at(`t${thread}`, checkpoint.id), [['w', step]], 'task'))
    }
  }
  await Promise.all(calls)
  await memory.close()
  const again = HoldfastSaver.from(folder, { memory: SMALL })
  for (let thread = 0; thread < 64; thread++) {
    const tuple = (await again.getTuple(at(`t${thread}`)))!
    assert.deepEqual(
      tuple.checkpoint.channel_values.list,
      Array.from({ length: 3 }, () => ({ thread, text: 'x'.repeat(300) })),
    )
    assert.deepEqual(tuple.pendingWrites, [['task', 'w', 3]])
  }
  await again.close()
  await assert.rejects(again.getTuple(at('t')), { code: 'CLOSED' })
})

test('a checkpoint that is put again leaves those alone that came of it', async () => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  const saver = new HoldfastSaver(memory)
  const list = Array.from({ length: 20 }, (_, index) => ({ index, text: 'x'.repeat(100) }))
  const first = await put(saver, at('t'), { list, other: 'kept' })
  const second = await put(saver, first, { list: [...list, 'more'], other: 'kept' }, 2)
  const { checkpoint, versions } = checkpointOf({ list: ['new'] }, 3, first.configurable.checkpoint_id)
  await saver.put(at('t'), checkpoint, METADATA, versions)
  await memory.close()
  const again = HoldfastSaver.from(folder, { memory: SMALL })
  assert.deepEqual(await valuesOf(again, second), { list: [...list, 'more'], other: 'kept' })
  assert.deepEqual(await valuesOf(again, first), { list: ['new'] })
  await again.close()
})

test('forks have what their own parents had, though versions repeat', async t => {
  const saver = await freshSaver(t)
  const root = await put(saver, at('t'), { a: 'root' }, 1)
  const left = await put(saver, root, { a: 'left' }, 2)
  const right = await put(saver, root, { a: 'right' }, 2)
  for (const [parent, value] of [
    [left, 'left'],
    [right, 'right'],
  ] as const) {
    const { checkpoint } = checkpointOf({ a: 'ignored' }, 2)
    const config = await saver.put(parent, checkpoint, METADATA, {})
    assert.deepEqual((await saver.getTuple(config))?.checkpoint.channel_values, { a: value })
  }
})

test('a serializer of the caller is used for channels and writes, and for nothing else', async t => {
  const memory = await freshMemory(t)
  const saver = new HoldfastSaver(memory, { serde: new JsonPlusSerializer() })
  const config = await put(saver, at('t'), { date: new Date(0), bytes: new Uint8Array([1, 2]) })
  await saver.putWrites(config, [['message', new HumanMessage('hi')]], 'task')
  // A saver without one reads it as well.
  const tuple = (await new HoldfastSaver(memory).getTuple(at('t')))!
  assert.deepEqual(tuple.checkpoint.channel_values, { date: '1970-01-01T00:00:00.000Z', bytes: Buffer.from([1, 2]) })
  assert.equal((tuple.pendingWrites![0]![2] as HumanMessage).content, 'hi')
  assert.deepEqual(tuple.metadata, METADATA)
})

const State = Annotation.Root({
  ...MessagesAnnotation.spec,
  visits: Annotation<string[]>({ reducer: (a, b) => [...a, ...b], default: () => [] }),
})

function approvalGraph(saver: HoldfastSaver) {
  return new StateGraph(State)
    .addNode('ask', () => {
      const answer = interrupt({ question: 'ok?', at: new Date(7) }) as string
      return { messages: [new AIMessage({ content: `answer: ${answer}`, id: 'a' })] }
    })
    .addNode('visit', state => ({ visits: [state.item] }), { input: Annotation.Root({ item: Annotation<string>() }) })
    .addEdge(START, 'ask')
    .addConditionalEdges('ask', () => ['x', 'y'].map(item => new Send('visit', { item })), ['visit'])
    .compile({ checkpointer: saver })
}

test('a graph that was interrupted goes on after a restart, and its history can be gone back to', async () => {
  const folder = await freshFolder()
  const config = at('t')
  const first = HoldfastSaver.from(folder, { memory: SMALL })
  await approvalGraph(first).invoke({ messages: [new HumanMessage({ content: 'go', id: 'h' })] }, config)
  await first.close()

  const second = HoldfastSaver.from(folder, { memory: SMALL })
  const graph = approvalGraph(second)
  const waiting = await graph.getState(config)
  assert.deepEqual(waiting.tasks[0]!.interrupts[0]!.value, { question: 'ok?', at: new Date(7) })
  const result = await graph.invoke(new Command({ resume: 'yes' }), config)
  assert.deepEqual(
    result.messages.map(message => message.content),
    ['go', 'answer: yes'],
  )
  assert.deepEqual(result.visits.toSorted(), ['x', 'y'])
  const history = await all(graph.getStateHistory(config))
  const before = history.find(state => state.next.includes('ask'))!
  assert.deepEqual(
    (await graph.getState(before.config)).values.messages.map((each: HumanMessage) => each.content),
    ['go'],
  )
  await second.close()
})

test('a thread of many turns takes little more than what is new in each', async t => {
  const memory = await freshMemory(t)
  const saver = new HoldfastSaver(memory, { durability: 'write-back' })
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('model', ({ messages }) => ({ messages: [new AIMessage(`${messages.length} ${'b'.repeat(990)}`)] }))
    .addEdge(START, 'model')
    .compile({ checkpointer: saver })
  for (let turn = 0; turn < 40; turn++) {
    await graph.invoke({ messages: [{ role: 'user', content: `${turn} ${'a'.repeat(990)}` }] }, at('t'))
  }
  let bytes = 0
  for (const { value } of await all(memory.map('langgraph').entries())) bytes += JSON.stringify(value).length
  const content = 40 * 2000
  assert.ok(bytes < 2 * content, `${bytes} bytes of ${content}`)
  // Texts once each, messages once each; those that a write has without their id are small.
  assert.equal(await entries(memory, 'o'), 40 * 4)
  assert.equal(((await valuesOf(saver, at('t')))!.messages as unknown[]).length, 80)
})

test('a deleted thread is gone at once, and its room is given back', async t => {
  const memory = await freshMemory(t)
  const saver = new HoldfastSaver(memory)
  const config = await put(saver, at('t'), { list: [{ text: 'x'.repeat(300) }] })
  await saver.putWrites(config, [['a', 'y'.repeat(300)]], 'task')
  const other = await put(saver, at('u'), { a: 1 })
  const deleted = saver.deleteThread('t')
  const after = put(saver, at('t'), { a: 'new' })
  await Promise.all([deleted, after])
  assert.deepEqual(await valuesOf(saver, at('t')), { a: 'new' })
  assert.equal((await all(saver.list({ configurable: { thread_id: 't' } }))).length, 1)
  assert.deepEqual(await valuesOf(saver, other), { a: 1 })
  await saver.deleteThread('t')
  await saver.deleteThread('u')
  assert.equal(await entries(memory), 0)
})

test('pruning keeps the newest of each namespace whole, and frees what only the others had', async t => {
  const memory = await freshMemory(t)
  const saver = new HoldfastSaver(memory)
  let config = at('t')
  const list: unknown[] = []
  for (let step = 0; step < 10; step++) {
    list.push({ step, text: `${step}`.repeat(300) })
    config = await put(
      saver,
      config,
      { list: step < 9 ? [...list] : list.slice(-2), once: `${step}`.repeat(400) },
      step,
    )
    await saver.putWrites(config, [['w', { step, text: `w${step}`.repeat(200) }]], 'task')
  }
  // A namespace of a task, which goes with its checkpoint, and one that stays.
  const parents = { '': (await all(saver.list(at('t')))).at(-1)!.checkpoint.id }
  const { checkpoint, versions } = checkpointOf({ a: 1 })
  await saver.put(at('t', undefined, 'sub:task'), checkpoint, { ...METADATA, parents }, versions)
  await put(saver, at('t', undefined, 'sub'), { b: 2 })
  const before = await saver.getTuple(at('t'))
  assert.deepEqual(await saver.prune(['t', 'absent'], { keepLatest: 1 }), { removed: 10 })
  assert.deepEqual(await saver.getTuple(at('t')), before)
  assert.equal((await all(saver.list(at('t')))).length, 1)
  assert.equal(await saver.getTuple(at('t', undefined, 'sub:task')), undefined)
  assert.deepEqual(await valuesOf(saver, at('t', undefined, 'sub')), { b: 2 })
  // The texts of two items, of `once`, and of the write.
  assert.equal(await entries(memory, 'o'), 4)
  assert.deepEqual(await saver.prune(['t']), { removed: 0 })
  const next = await put(saver, config, { list: [], once: 'x' }, 11)
  assert.deepEqual(await valuesOf(saver, next), { list: [], once: 'x' })
})

test('pruning by age removes what is older, and keeps what delta channels are made from', async t => {
  const clock = new ManualClock()
  const memory = await freshMemory(t, { clock })
  const saver = new HoldfastSaver(memory)
  let config = at('t')
  for (let step = 0; step < 6; step++) {
    const { checkpoint, versions } = checkpointOf(step === 2 ? { messages: new DeltaSnapshot([2]) } : {}, step)
    checkpoint.ts = new Date(memory.map('langgraph').engine.now() - (6 - step) * 1000).toISOString()
    const metadata = {
      ...METADATA,
      ...(step > 2 && { counters_since_delta_snapshot: { messages: [1, 1] as [number, number] } }),
    }
    config = (await saver.put(config, checkpoint, metadata, versions)) as ReturnType<typeof at>
    await saver.putWrites(config, [['messages', [step]]], 'task')
  }
  const before = await saver.getDeltaChannelHistory({ config, channels: ['messages'] })
  assert.deepEqual(
    before.messages!.writes.map(([, , value]) => value),
    [[2], [3], [4]],
  )
  assert.deepEqual(await saver.prune(['t'], { olderThanMs: 1500 }), { removed: 2 })
  assert.deepEqual(await saver.getDeltaChannelHistory({ config, channels: ['messages'] }), before)
  assert.equal((await all(saver.list(at('t')))).length, 4)
})

test('a copy of a thread is a thread of its own', async t => {
  const memory = await freshMemory(t)
  const saver = new HoldfastSaver(memory)
  const first = await put(saver, at('from'), { list: [{ text: 'x'.repeat(300) }] })
  const second = await put(saver, first, { list: [{ text: 'x'.repeat(300) }, 2] }, 2)
  await saver.putWrites(second, [['a', 1]], 'task')
  await saver.copyThread('from', 'to')
  const original = (await saver.getTuple(at('from')))!
  await saver.deleteThread('from')
  const copied = (await saver.getTuple(at('to')))!
  assert.deepEqual([copied.checkpoint, copied.pendingWrites], [original.checkpoint, original.pendingWrites])
  assert.equal((await all(saver.list(at('to')))).length, 2)
  await assert.rejects(saver.copyThread('to', 'to'), { code: 'INVALID_ARGUMENT', message: /already/ })
  assert.equal(await entries(memory, 'c'), 2)
})

test('threads that are not written for their time are gone, and what they had goes', async () => {
  const clock = new ManualClock()
  const folder = await freshFolder()
  const open = () => AgentMemory.open(folder, { ...SMALL, clock })
  let memory = await open()
  let saver = new HoldfastSaver(memory, { ttlMs: 1000 })
  await put(saver, at('old'), { a: 'x'.repeat(300) })
  clock.advance(600)
  const kept = await put(saver, at('kept'), { a: 1 })
  await put(saver, at('old'), { a: 2 }, 2)
  clock.advance(600)
  await put(saver, kept, { a: 3 }, 2)
  assert.deepEqual(await valuesOf(saver, at('old')), { a: 2 })
  clock.advance(600)
  assert.equal(await saver.getTuple(at('old')), undefined)
  assert.deepEqual(
    (await all(saver.listThreads())).map(each => each.threadId),
    ['kept'],
  )
  await put(saver, at('old'), { a: 4 })
  assert.equal((await all(saver.list(at('old')))).length, 1)
  await memory.close()
  memory = await open()
  saver = new HoldfastSaver(memory, { ttlMs: 1000 })
  assert.deepEqual(await valuesOf(saver, at('kept')), { a: 3 })
  await saver.close()
  assert.equal(await entries(memory, 'c'), 3)
  await memory.close()
})

test('what a crash has left of a deleted thread is cleared on the next first use', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<unknown, string[]>('langgraph')
  // As it is when a process ends between the two steps of a delete.
  await memory.batch(batch => {
    batch.set(map, ['x', 'gone'], [0])
    for (let index = 0; index < 10; index++) batch.set(map, ['gone', 'o', `${index}`], 'x')
  })
  const saver = new HoldfastSaver(memory)
  await put(saver, at('t'), { a: 1 })
  await saver.close()
  const keys = (await all(map.entries())).map(({ key }) => key[0])
  assert.ok(!keys.includes('gone') && !keys.includes('x'))
})

test('states without a graph are kept, newest first', async t => {
  const saver = await freshSaver(t)
  assert.deepEqual(await saver.loadState('t'), {})
  await Promise.all(Array.from({ length: 64 }, (_, index) => saver.saveState('t', { index, at: new Date(index) })))
  assert.deepEqual(await saver.loadState('t'), { index: 63, at: new Date(63) })
  await saver.saveState('t', { other: 1n })
  assert.deepEqual(await saver.loadState('t'), { other: 1n })
  const [thread] = await all(saver.listThreads())
  assert.equal(thread!.threadId, 't')
})

test('nodes that share a store without a log write one thread together', async t => {
  const shared = new SharedStore()
  const savers: HoldfastSaver[] = []
  for (const name of ['a', 'b']) {
    const memory = await AgentMemory.open(name, { log: 'none', store: shared.opener() })
    t.after(() => memory.close())
    savers.push(new HoldfastSaver(memory))
  }
  const text = 'x'.repeat(300)
  const configs = await Promise.all(
    Array.from({ length: 16 }, (_, index) => put(savers[index % 2]!, at('t'), { list: [{ index, text }] })),
  )
  for (const saver of savers) {
    assert.equal((await all(saver.list(at('t')))).length, 16)
    for (const [index, config] of configs.entries()) {
      assert.deepEqual(await valuesOf(saver, config), { list: [{ index, text }] })
    }
  }
  await Promise.all(savers.map((saver, index) => saver.putWrites(configs[0]!, [['a', index]], 'task')))
  const [first, second] = await Promise.all(
    savers.map(async saver => (await saver.getTuple(configs[0]!))!.pendingWrites),
  )
  assert.equal(first!.length, 1)
  assert.deepEqual(first, second)
  await savers[0]!.deleteThread('t')
  assert.equal(await savers[1]!.getTuple(at('t')), undefined)
})
