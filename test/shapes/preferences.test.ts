import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryStore } from '../../src/stores/in-memory.js'
import { freshMemory } from '../api/temporary-folder.js'
import { openOn, simulated } from '../engine/simulated.js'

test('a preference is in the data store when its promise resolves, and read from there when memory does not hold it', async () => {
  const { memory, disk } = await simulated({ tierBytesMax: 0 })
  const preferences = memory.preferences<string>()
  const { reached, lsn } = await preferences.set('u1', 'language', 'zh-CN')
  assert.equal(reached, 'store')
  assert.ok(memory.status().lsn.inStore >= lsn)
  assert.equal(await preferences.get('u1', 'language'), 'zh-CN')
  assert.equal(await preferences.get('u1', 'theme'), undefined)
  assert.equal(await preferences.get('u2', 'language'), undefined)

  const again = await openOn(disk.crash(() => 0.5, { kind: 'nothing' }))
  assert.equal(await again.preferences().get('u1', 'language'), 'zh-CN')
  await again.close()
})

test('all of a user is an object of keys and values, and hostile names are data', async t => {
  const memory = await freshMemory(t)
  const preferences = memory.preferences<unknown>({ durability: 'write-ahead' })
  const names = ['__proto__', 'constructor', '', '\0', 'a\0b', ':', '../x', '0', '1', 'entries', '\u{1f600}']
  for (const user of names) {
    for (const name of names) await preferences.set(user, name, `${user} ${name}`)
  }
  for (const user of names) {
    const all = await preferences.all(user)
    assert.deepEqual(Object.keys(all).sort(), [...names].sort())
    for (const name of names) {
      assert.equal(Object.getOwnPropertyDescriptor(all, name)?.value, `${user} ${name}`)
      assert.equal(await preferences.get(user, name), `${user} ${name}`)
    }
  }
  assert.deepEqual(await preferences.all('nobody'), {})
  await preferences.set('u', 'options', { when: new Date(5), list: [1] })
  const read = (await preferences.get('u', 'options')) as { list: number[] }
  read.list.push(2)
  assert.deepEqual(await preferences.all('u'), { options: { when: new Date(5), list: [1] } })
})

test('one key of a user is deleted, or all of them, and no other user loses any', async t => {
  const memory = await freshMemory(t)
  const preferences = memory.preferences<number>()
  for (const user of ['u', 'u-1', 'v']) {
    for (const key of ['a', 'b', 'c']) await preferences.set(user, key, 1, { durability: 'write-ahead' })
  }
  assert.equal((await preferences.delete('u', 'b')).reached, 'store')
  assert.deepEqual(await preferences.all('u'), { a: 1, c: 1 })
  assert.equal((await preferences.delete('u')).reached, 'store')
  assert.equal((await preferences.delete('v', { durability: 'write-ahead' })).reached, 'log')
  assert.equal((await preferences.delete('nobody', { durability: 'write-back' })).reached, 'tier')
  assert.deepEqual([await preferences.all('u'), await preferences.all('v')], [{}, {}])
  assert.deepEqual(await preferences.all('u-1'), { a: 1, b: 1, c: 1 })
})

test('all of a user go in atomic batches, and what is set after the call stays', async () => {
  const store = new InMemoryStore()
  const { memory } = await simulated({ store: { kind: 'seen', open: async () => store } })
  const preferences = memory.preferences<number>({ durability: 'write-back' })
  const keys = Array.from({ length: 1500 }, (_, n) => `k${String(n).padStart(4, '0')}`)
  for (const key of keys) await preferences.set('u', key, 1)
  await memory.checkpoint()
  const frames: number[] = []
  memory.on('flush', ({ entries }) => frames.push(entries))

  const deleted = preferences.delete('u', { durability: 'write-ahead' })
  const set = preferences.set('u', 'k0007', 7)
  await preferences.set('u', 'new', 8)
  await Promise.all([deleted, set])

  assert.deepEqual(await preferences.all('u'), { k0007: 7, new: 8 })
  assert.ok(
    frames.some(entries => entries >= 1023),
    `${frames}`,
  )
  await memory.close()
})

test('scopes have preferences of their own', async t => {
  const memory = await freshMemory(t)
  const places = { whole: memory, u: memory.scope('u'), 'u/u': memory.scope('u', 'u'), other: memory.scope('u-1') }
  for (const [place, scope] of Object.entries(places)) await scope.preferences<string>().set('u', 'u', place)
  await places.u.preferences().delete('u')
  for (const [place, scope] of Object.entries(places)) {
    assert.deepEqual(await scope.preferences().all('u'), place === 'u' ? {} : { u: place })
  }
  const maps = []
  for await (const { key } of memory.map('preferences').entries()) maps.push(key)
  assert.deepEqual(maps, [])
})

test('preferences take the options of a map, and writes those of a write', async () => {
  const { memory, clock } = await simulated()
  const preferences = memory.preferences<number>({ durability: 'write-ahead', ttlMs: 1000 })
  assert.equal((await preferences.set('u', 'a', 1)).reached, 'log')
  await preferences.set('u', 'b', 2, { ttlMs: null, durability: 'write-back' })
  await assert.rejects(preferences.set('u', 'a', 2, { expected: null }), { code: 'VERSION_CONFLICT' })
  clock.advance(1000)
  assert.deepEqual(await preferences.all('u'), { b: 2 })
  assert.throws(() => memory.preferences({ durability: 'write-back' }), {
    code: 'OPTIONS_DIFFER',
    message: /preferences/,
  })
  assert.throws(() => memory.preferences({ keepLast: 5 } as never), { code: 'UNKNOWN_OPTION' })
  assert.throws(() => memory.preferences({ rules: [] } as never), { code: 'UNKNOWN_OPTION' })
  await memory.close()
})

test('wrong calls are refused by name', async t => {
  const memory = await freshMemory(t)
  const preferences = memory.preferences<unknown>()
  for (const wrong of [5, null, undefined, ['u'], '\ud800'] as never[]) {
    await assert.rejects(preferences.set(wrong, 'k', 1), { code: 'INVALID_KEY' })
    await assert.rejects(preferences.set('u', wrong, 1), { code: 'INVALID_KEY' })
    await assert.rejects(preferences.get(wrong, 'k'), { code: 'INVALID_KEY' })
    await assert.rejects(preferences.all(wrong), { code: 'INVALID_KEY' })
    await assert.rejects(preferences.delete(wrong), { code: 'INVALID_KEY' })
  }
  await preferences.set('u', 'k', 1)
  for (const wrong of [5, undefined, ['k'], null] as never[]) {
    await assert.rejects(preferences.delete('u', wrong), { code: 'INVALID_KEY' })
  }
  await assert.rejects(preferences.delete('u', { keys: 'k' } as never), { code: 'UNKNOWN_OPTION' })
  assert.deepEqual(await preferences.all('u'), { k: 1 })
  await assert.rejects(
    preferences.set('u', 'k', () => {}),
    { code: 'VALUE_UNSUPPORTED' },
  )
  await memory.close()
  await assert.rejects(preferences.all('u'), { code: 'CLOSED' })
  await assert.rejects(preferences.delete('u'), { code: 'CLOSED' })
})
