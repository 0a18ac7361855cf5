import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory } from '../../src/index.js'
import { freshFolder, freshMemory, SMALL } from './temporary-folder.js'

test('each durability is acknowledged at its own milestone', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m')

  assert.equal((await map.set('a', 1, { durability: 'write-back' })).reached, 'tier')
  assert.equal((await map.set('a', 2, { durability: 'write-ahead' })).reached, 'log')
  assert.equal((await map.set('a', 3, { durability: 'write-through' })).reached, 'store')
  assert.equal((await map.set('a', 4)).reached, 'log')
  assert.equal(await map.get('a'), 4)
})

test('the most specific durability counts: of the write, a key rule, the map, the memory', async t => {
  const memory = await freshMemory(t, { durability: 'write-through' })
  const plain = memory.map<number>('plain')
  const map = memory.map<number>('m', {
    durability: 'write-back',
    rules: [
      { prefix: 'orders', durability: 'write-ahead' },
      { prefix: ['orders', 'paid'], durability: 'write-through' },
    ],
  })

  assert.equal((await plain.set('k', 1)).reached, 'store')
  assert.equal((await map.set('k', 1)).reached, 'tier')
  assert.equal((await map.set(['orders', '1'], 1)).reached, 'log')
  assert.equal((await map.update(['orders', 'paid', '1'], () => 1)).reached, 'store')
  assert.equal((await map.delete(['orders', 'paid', '1'], { durability: 'write-back' })).reached, 'tier')
  assert.equal((await map.set('orders-old', 1)).reached, 'tier')
  const scoped = memory.scope('acme').map<number>('m')
  assert.equal((await scoped.set(['orders', '1'], 1)).reached, 'log')
})

test('a batch is as durable as the strongest of its writes, unless it says otherwise', async t => {
  const memory = await freshMemory(t)
  const back = memory.map<number>('back', { durability: 'write-back' })
  const through = memory.map<number>('through', { durability: 'write-through' })

  const batch = (options = {}) => memory.batch(b => void b.set(back, 'k', 1).set(through, 'k', 1), options)

  assert.equal((await memory.batch(b => void b.set(back, 'k', 1))).reached, 'tier')
  assert.equal((await batch()).reached, 'store')
  assert.equal((await batch({ durability: 'write-back' })).reached, 'tier')
  assert.equal(
    (
      await back.setMany([
        ['a', 1],
        ['b', 2],
      ])
    ).reached,
    'tier',
  )
  assert.equal((await back.setMany([['a', 1]], { durability: 'write-ahead' })).reached, 'log')
  await memory.batch(() => {})
})

test('flush and checkpoint say up to where they have come, and status agrees', async t => {
  const memory = await freshMemory(t, { durability: 'write-back' })
  const { lsn } = await memory.map('m').set('k', 1)
  assert.deepEqual(memory.status().pending, { entries: 1, dirty: 1, queuedBytes: 0 })

  assert.equal(await memory.flush(), lsn)
  assert.equal(memory.status().lsn.durable, lsn)
  assert.equal(memory.status().lsn.inStore, 0)

  assert.equal(await memory.checkpoint(), lsn)
  assert.equal(memory.status().lsn.inStore, lsn)
  assert.equal(memory.status().pending.entries, 0)
  assert.equal(memory.status().store.kind, 'level')
})

test('a write-back is on disk by a timer of its own, though nothing more is asked of the memory', async t => {
  const memory = await freshMemory(t, { durability: 'write-back', maxLoss: { ms: 20 } })
  const flushed = new Promise<number>(resolve => memory.on('flush', ({ lsn }) => resolve(lsn)))

  const { lsn, reached } = await memory.map('m').set('k', 1)

  assert.equal(reached, 'tier')
  assert.equal(await flushed, lsn)
})

test('everything is there after a close, and LSNs go on without a gap', async t => {
  const folder = await freshFolder()
  const first = await AgentMemory.open(folder, SMALL)
  const map = first.map<number>('m', { durability: 'write-back' })
  let last = 0
  for (let index = 0; index < 100; index++) last = (await map.set(`k${index % 40}`, index)).lsn
  await map.delete('k7')
  const report = await first.close()

  assert.deepEqual(report, { inStore: last + 1, inLog: 0, inDoubt: 0, lost: 0 })
  const second = await AgentMemory.open(folder, SMALL)
  t.after(() => second.close())
  const { recovery } = second.status()
  assert.equal(recovery.cleanClose, true)
  assert.equal(recovery.created, false)
  assert.equal(recovery.records, 0)
  const found = second.map<number>('m')
  assert.equal(await found.get('k7'), undefined)
  assert.equal(await found.get('k39'), 79)
  assert.equal((await found.set('k', 0)).lsn, last + 2)
})

test('a close with no time leaves what is in the log there, and says how much', async t => {
  const folder = await freshFolder()
  const first = await AgentMemory.open(folder, SMALL)
  await first.map('m').setMany([
    ['a', 1],
    ['b', 2],
  ])

  const report = await first.close({ deadlineMs: 0 })

  assert.equal(report.lost + report.inDoubt, 0)
  assert.ok(report.inLog === 2 || report.inStore === 2)
  const second = await AgentMemory.open(folder, SMALL)
  t.after(() => second.close())
  assert.deepEqual(await second.map('m').getMany(['a', 'b']), [1, 2])
})
