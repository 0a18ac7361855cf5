import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory } from '../../src/index.js'
import { freshFolder, freshMemory, SMALL } from './temporary-folder.js'

test('after a close every call says CLOSED, and closing again gives the same report', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m')
  const scope = memory.scope('acme')
  const { lsn } = await map.set('k', 1)
  const [first, second] = await Promise.all([memory.close(), memory.close()])

  assert.deepEqual(first, { inStore: lsn, inLog: 0, inDoubt: 0, lost: 0 })
  assert.deepEqual(second, first)
  assert.deepEqual(await memory.close(), first)
  const calls: (() => Promise<unknown>)[] = [
    () => map.get('k'),
    () => map.getMany(['k']),
    () => map.getEntry('k'),
    () => map.has('k'),
    () => map.set('k', 2),
    () => map.set('k', 2, { expected: lsn }),
    () => map.setMany([['k', 2]]),
    () => map.delete('k'),
    () => map.update('k', n => n),
    () => map.entries().next(),
    () => memory.batch(b => void b.set(map, 'k', 2)),
    () => scope.batch(() => {}),
    () => memory.flush(),
    () => memory.checkpoint(),
    () => memory.reopen(),
  ]
  for (const call of calls) await assert.rejects(call(), { code: 'CLOSED' }, String(call))
  assert.throws(() => memory.map('m'), { code: 'CLOSED' })
  assert.throws(() => scope.map('m'), { code: 'CLOSED' })
  assert.equal(memory.status().state, 'closed')
})

test('calls that are under way when the memory is closed are answered or say CLOSED', async t => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  const map = memory.map<number>('m')
  const calls = Array.from({ length: 50 }, (_, index) =>
    map.set(`k${index}`, index, index % 2 ? { durability: 'write-through' } : undefined),
  )
  const reads = [map.get('k1'), map.get('cold'), map.entries().next()]

  const outcomes = Promise.allSettled([...calls, ...reads])

  await memory.close()

  for (const [index, outcome] of (await outcomes).entries()) {
    if (index < calls.length) assert.equal(outcome.status, 'fulfilled', `write ${index}`)
    else if (outcome.status === 'rejected') assert.equal((outcome.reason as { code?: string }).code, 'CLOSED')
  }
  const again = await AgentMemory.open(folder, SMALL)
  t.after(() => again.close())
  assert.equal(await again.map('m').get('k49'), 49)
})

test('a memory is closed by the end of its block', async t => {
  const memory = await freshMemory(t)
  await memory[Symbol.asyncDispose]()

  assert.equal(memory.status().state, 'closed')
  await memory[Symbol.asyncDispose]()
})

test('a second open in one process shares the memory, and the last close closes it', async () => {
  const folder = await freshFolder()
  const first = await AgentMemory.open(folder, SMALL)
  const second = await AgentMemory.open(`${folder}/../memory/`, SMALL)
  await first.map('m').set('k', 1, { durability: 'write-back' })
  assert.equal(await second.map('m').get('k'), 1)

  await first.close()

  assert.throws(() => first.map('m'), { code: 'CLOSED' })
  await second.map('m').set('l', 2)
  assert.equal(second.status().state, 'open')
  await second.close()
  assert.equal(second.status().state, 'closed')
})

test('closing one handle twice does not close the memory under the other', async t => {
  const folder = await freshFolder()
  const first = await AgentMemory.open(folder, SMALL)
  const second = await AgentMemory.open(folder, SMALL)
  t.after(() => second.close())
  await first.close()
  await first.close()

  assert.equal(second.status().state, 'open')
  await second.map('m').set('k', 1)
})

test('two opens at the same moment share one memory', async () => {
  const folder = await freshFolder()

  const [first, second] = await Promise.all([AgentMemory.open(folder, SMALL), AgentMemory.open(folder, SMALL)])

  await first.map('m').set('k', 1)
  assert.equal(await second.map('m').get('k'), 1)
  await Promise.all([first.close(), second.close()])
  assert.equal(first.status().state, 'closed')
})

test('other options for a memory that is open are OPTIONS_DIFFER, and it goes on', async t => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  t.after(() => memory.close())

  for (const options of [{}, { ...SMALL, durability: 'write-back' }, { ...SMALL, store: 'in-memory' }] as const) {
    await assert.rejects(AgentMemory.open(folder, options), { code: 'OPTIONS_DIFFER' })
  }
  await memory.map('m').set('k', 1)
})

test('an open that comes while the memory is being closed gets it once it is closed', async t => {
  const folder = await freshFolder()
  const first = await AgentMemory.open(folder, SMALL)
  await first.map('m').set('k', 1)
  const closing = first.close()
  // The close is under way, not only asked for.
  await new Promise(setImmediate)

  const second = await AgentMemory.open(folder, SMALL)

  t.after(() => second.close())
  await closing
  assert.equal(await second.map('m').get('k'), 1)
  await second.map('m').set('k', 2)
})

test('an open that failed can be tried again', async () => {
  const folder = await freshFolder()
  const { writeFile, rm } = await import('node:fs/promises')
  await writeFile(folder, 'a file')
  await assert.rejects(AgentMemory.open(folder, SMALL), { code: 'NOT_A_MEMORY' })
  await rm(folder)

  const memory = await AgentMemory.open(folder, SMALL)

  await memory.close()
})
