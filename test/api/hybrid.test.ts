import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import { test } from 'node:test'
import { AgentMemory, type AgentMemoryOptions, anySegment } from '../../src/index.js'
import { freshFolder, freshMemory, SMALL } from './temporary-folder.js'

const RULES: AgentMemoryOptions = {
  rules: [
    { map: 'orders', durability: 'write-back' },
    { map: 'orders', prefix: [anySegment, 'payments'], durability: 'write-through' },
    { map: 'orders', prefix: 'test', durability: 'write-back' },
    { map: 'audit', dataClass: 'access_log', durability: 'write-ahead' },
    { dataClass: 'invoice', durability: 'write-through' },
  ],
}

test('a rule of the memory speaks of maps, of keys by whole segments, and of data classes', async t => {
  const memory = await freshMemory(t, RULES)
  const orders = memory.map<number>('orders')
  const audit = memory.map<number>('audit')

  assert.equal((await orders.set('1', 1)).reached, 'tier')
  assert.equal((await orders.set(['u1', 'payments', '7'], 1)).reached, 'store')
  assert.equal((await orders.set(['u1', 'payments-old', '7'], 1)).reached, 'tier')
  // A segment that is named goes before any.
  assert.equal((await orders.set(['test', 'payments', '7'], 1)).reached, 'tier')
  assert.equal((await memory.map('other').set(['u1', 'payments'], 1)).reached, 'log')
  assert.equal((await memory.scope('acme').map('orders').set(['u1', 'payments'], 1)).reached, 'store')
  assert.equal((await orders.set('1', 1, { dataClass: 'invoice' })).reached, 'store')
  assert.equal((await orders.set('1', 1, { dataClass: 'access_log' })).reached, 'tier')
  assert.equal((await audit.set('1', 1, { dataClass: 'access_log' })).reached, 'log')
})

test('the most specific counts: the write, its class, key rules, the map, a rule for the map, the memory', async t => {
  const memory = await freshMemory(t, {
    durability: 'write-through',
    rules: [
      { map: 'ruled', durability: 'write-back' },
      { map: 'own', durability: 'write-back' },
      { map: 'own', prefix: 'a', durability: 'write-back' },
      { map: 'own', prefix: 'b', durability: 'write-through' },
    ],
  })
  const own = memory.map<number>('own', {
    durability: 'write-ahead',
    rules: [{ prefix: 'b', durability: 'write-ahead' }],
  })
  const classed = memory.map<number>('classed', { dataClass: 'view_count' })

  assert.equal((await memory.map('plain').set('k', 1)).reached, 'store')
  assert.equal((await memory.map('ruled').set('k', 1)).reached, 'tier')
  assert.equal((await own.set('k', 1)).reached, 'log')
  assert.equal((await own.set('a', 1)).reached, 'tier')
  assert.equal((await own.set('b', 1)).reached, 'log')
  assert.equal((await own.set('b', 1, { dataClass: 'view_count' })).reached, 'tier')
  assert.equal((await own.set('b', 1, { durability: 'write-through' })).reached, 'store')
  assert.equal((await classed.set('k', 1)).reached, 'tier')
  assert.equal((await classed.set('k', 1, { dataClass: 'user_payment' })).reached, 'store')
})

test('every kind of write takes a data class', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m', { durability: 'write-back' })
  const paid = { dataClass: 'user_payment' }

  assert.equal((await map.set('a', 1, paid)).reached, 'store')
  assert.equal((await map.setMany([['b', 1]], paid)).reached, 'store')
  assert.equal((await map.update('a', n => n + 1, paid)).reached, 'store')
  const { version } = (await map.getEntry('a'))!
  assert.equal((await map.set('a', 3, { ...paid, expected: version })).reached, 'store')
  assert.equal((await map.delete('a', paid)).reached, 'store')
  assert.equal((await memory.batch(b => void b.set(map, 'a', 1).delete(map, 'b'), paid)).reached, 'store')
  assert.equal((await memory.batch(b => void b.set(map, 'a', 1).delete(map, 'b', paid))).reached, 'store')
  assert.equal((await memory.batch(b => void b.set(map, 'a', 1).delete(map, 'b'))).reached, 'tier')
})

test('a batch is as its strongest write says, or as is said of all of it', async t => {
  const memory = await freshMemory(t, RULES)
  const orders = memory.map<number>('orders')
  const audit = memory.map<number>('audit')
  const batch = (options = {}) =>
    memory.batch(b => void b.set(orders, '1', 1, { dataClass: 'invoice' }).set(audit, '1', 1), options)

  assert.equal((await batch()).reached, 'store')
  assert.equal((await batch({ durability: 'write-back' })).reached, 'tier')
  // The class of the batch means something else in the second map.
  assert.equal((await batch({ dataClass: 'access_log' })).reached, 'log')
  assert.equal(
    (await memory.batch(b => void b.set(orders, '1', 1).set(orders, '2', 1, { durability: 'write-ahead' }))).reached,
    'log',
  )
})

test('a compare-and-set that fails is answered at the durability that its class means', async t => {
  const memory = await freshMemory(t, { durability: 'write-back' })
  const map = memory.map<number>('m')
  const { lsn } = await map.set('k', 1)

  await assert.rejects(map.set('k', 2, { expected: null, dataClass: 'user_payment' }), { code: 'VERSION_CONFLICT' })

  assert.ok(memory.status().lsn.inStore >= lsn)
})

test('durabilityFor says what counts, and why', async t => {
  const memory = await freshMemory(t, RULES)
  const orders = memory.map<number>('orders')
  const because = (decision: { source: string; reason: string }) => `${decision.source}: ${decision.reason}`

  const paid = memory.durabilityFor(orders, ['u1', 'payments', '7'])
  assert.deepEqual(paid, {
    durability: 'write-through',
    source: 'memory-rule',
    rule: { map: 'orders', prefix: [anySegment, 'payments'], durability: 'write-through' },
    reason: 'The rule of the memory for the map "orders", keys that start with [any, "payments"] says write-through',
  })
  assert.equal(
    because(memory.durabilityFor('orders', '1')),
    'memory-rule: The rule of the memory for the map "orders" says write-back',
  )
  assert.equal(
    because(memory.durabilityFor('orders', '1', { dataClass: 'user_payment' })),
    'data-class: The data class "user_payment" of the write means write-through',
  )
  assert.equal(
    because(memory.durabilityFor('orders', '1', { dataClass: 'unheard_of' })),
    'data-class: The data class "unheard_of" of the write is not known, which means write-ahead',
  )
  assert.equal(
    because(memory.durabilityFor('new', '1')),
    'memory: Nothing more specific speaks of it, and the memory says write-ahead',
  )
  // To be asked about is not to be opened.
  memory.map('new', { durability: 'write-back', rules: [{ prefix: 'x', durability: 'write-through' }] })
  assert.equal(because(memory.durabilityFor('new', '1')), 'map: The map "new" says write-back')
  assert.equal(
    because(memory.durabilityFor('new', ['x', 'y'])),
    'map-rule: The rule of the map for keys that start with ["x"] says write-through',
  )
  memory.map('views', { dataClass: 'view_count' })
  assert.equal(
    because(memory.durabilityFor('views', 'home')),
    'data-class: The data class "view_count" of the map means write-back',
  )
  assert.throws(() => memory.durabilityFor('', 'k'), { code: 'INVALID_NAME' })
  assert.throws(() => memory.durabilityFor('m', []), { code: 'INVALID_KEY' })
  assert.throws(() => memory.durabilityFor('m', 'k', { class: 'x' } as never), { code: 'UNKNOWN_OPTION' })
  assert.throws(() => memory.durabilityFor('m', 'k', { dataClass: '' }), { code: 'INVALID_OPTION' })
})

test('rules that contradict each other are refused before anything is made', async () => {
  const folder = await freshFolder()
  const rules = [
    { map: 'm', prefix: 'a', durability: 'write-back' },
    { map: 'm', prefix: ['a'], durability: 'write-ahead' },
  ] as const

  await assert.rejects(AgentMemory.open(folder, { rules }), { code: 'INVALID_OPTION' })
  await assert.rejects(access(folder), { code: 'ENOENT' })
})

test('a durability and a data class at one place are one too many', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m')
  const both = { durability: 'write-back', dataClass: 'user_payment' } as const

  await assert.rejects(map.set('k', 1, both), { code: 'INVALID_OPTION' })
  await assert.rejects(map.delete('k', both), { code: 'INVALID_OPTION' })
  await assert.rejects(
    map.update('k', () => 1, both),
    { code: 'INVALID_OPTION' },
  )
  await assert.rejects(map.setMany([['k', 1]], both), { code: 'INVALID_OPTION' })
  await assert.rejects(
    memory.batch(() => {}, both),
    { code: 'INVALID_OPTION' },
  )
  await assert.rejects(
    memory.batch(b => void b.set(map, 'k', 1, both)),
    { code: 'INVALID_OPTION' },
  )
  assert.throws(() => memory.map('other', both), { code: 'INVALID_OPTION' })
  await assert.rejects(map.set('k', 1, { dataClass: 7 as never }), { code: 'INVALID_OPTION' })
  await assert.rejects(
    memory.batch(() => {}, { expected: 1 } as never),
    { code: 'UNKNOWN_OPTION' },
  )
  assert.equal(await map.has('k'), false)
})

test('a memory or a map is shared by those who give the same rules, in any order, and refused to others', async t => {
  const folder = await freshFolder()
  const rules = RULES.rules!
  const first = await AgentMemory.open(folder, { ...SMALL, rules })
  t.after(() => first.close())
  const second = await AgentMemory.open(folder, { ...SMALL, rules: [...rules].reverse() })
  t.after(() => second.close())
  await assert.rejects(AgentMemory.open(folder, { ...SMALL, rules: rules.slice(1) }), { code: 'OPTIONS_DIFFER' })

  const own = [
    { prefix: 'a', durability: 'write-back' },
    { prefix: [anySegment, 'b'], durability: 'write-through' },
  ] as const
  first.map('m', { rules: own })
  second.map('m', { rules: [...own].reverse() })
  assert.throws(() => second.map('m', { rules: own.slice(1) }), { code: 'OPTIONS_DIFFER' })
  assert.throws(() => second.map('m', { rules: own, dataClass: 'mine' }), { code: 'OPTIONS_DIFFER' })
})

test('a class that rules of the memory explain means the same in preferences, blobs and batches of appends', async t => {
  const memory = await freshMemory(t, { rules: [{ dataClass: 'invoice', durability: 'write-through' }] })
  const preferences = memory.preferences<number>({ durability: 'write-back' })
  const events = memory.sequence<number>('events', { durability: 'write-back' })
  const blobs = memory.blobs('files', { durability: 'write-back' })

  assert.equal((await preferences.set('u1', 'k', 1)).reached, 'tier')
  assert.equal((await preferences.set('u1', 'k', 1, { dataClass: 'invoice' })).reached, 'store')
  assert.equal((await memory.batch(batch => batch.append(events, 1))).reached, 'tier')
  assert.equal((await memory.batch(batch => batch.append(events, 1), { dataClass: 'invoice' })).reached, 'store')
  assert.equal((await blobs.delete('k', { dataClass: 'invoice' })).reached, 'store')
})
