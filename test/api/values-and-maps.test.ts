import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MapEntry, MemoryMap } from '../../src/index.js'
import { freshMemory } from './temporary-folder.js'

test('every call of a map does what it says, on entries that are held and on entries of the store', async t => {
  for (const tierBytesMax of [1 << 20, 0]) {
    const memory = await freshMemory(t, { tierBytesMax })
    const map = memory.map<number>('m')
    const { lsn } = await map.set('a', 1)
    await map.setMany([
      ['b', 2],
      ['c', 3],
    ])
    await memory.checkpoint()

    assert.equal(await map.get('a'), 1)
    assert.equal(await map.get('none'), undefined)
    assert.deepEqual(await map.getMany(['c', 'none', 'a', 'c']), [3, undefined, 1, 3])
    assert.deepEqual(await map.getEntry('a'), { key: 'a', value: 1, version: lsn })
    assert.equal(await map.getEntry('none'), undefined)
    assert.equal(await map.has('b'), true)
    assert.equal(await map.has('none'), false)
    assert.equal((await map.update('a', n => n + 1)).value, 2)
    await map.delete('b')
    await map.delete('none')
    assert.deepEqual(await entriesOf(map), [
      ['a', 2],
      ['c', 3],
    ])
    await memory.close()
  }
})

test('what is done to an object after set or get changes nothing in the memory', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<{ list: number[]; bytes: Uint8Array; when: Date }>('m')
  const given = { list: [1], bytes: new Uint8Array([1, 2]), when: new Date(5) }
  const written = map.set('k', given)
  given.list.push(2)
  given.bytes[0] = 99
  given.when.setTime(0)
  await written
  const expected = { list: [1], bytes: new Uint8Array([1, 2]), when: new Date(5) }

  const read = (await map.get('k'))!
  assert.deepEqual(read, expected)
  read.list.push(3)
  read.bytes[1] = 98
  assert.deepEqual(await map.get('k'), expected)

  await memory.checkpoint()
  assert.deepEqual(await map.get('k'), expected)
  const updated = await map.update('k', value => value)
  updated.value.list.push(4)
  assert.deepEqual(await map.get('k'), expected)
})

test('hostile names are data', async t => {
  const memory = await freshMemory(t)
  const names = [
    '__proto__',
    'constructor',
    '../x',
    '/etc/passwd',
    ':',
    '\0',
    'a\0b',
    '',
    '\u{1f600}',
    '\u00e9',
    'e\u0301',
    '%00',
  ]
  for (const name of names.filter(each => each !== '')) await memory.map<string>(name).set('k', `map ${name}`)
  const map = memory.map<string>('m')
  for (const name of names) await map.set(name, name)
  await memory.checkpoint()

  for (const name of names) assert.equal(await map.get(name), name)
  assert.equal((await entriesOf(map)).length, names.length)
  for (const name of names.filter(each => each !== '')) {
    assert.deepEqual(await entriesOf(memory.map<string>(name)), [['k', `map ${name}`]])
  }
})

test('maps, scopes and keys that begin alike are apart', async t => {
  const memory = await freshMemory(t)
  for (const [map, scope, key] of [
    ['m', ['acme'], 'k'],
    ['m', ['acme-corp'], 'k'],
    ['m', ['acme', 'u1'], 'k'],
    ['m-2', ['acme'], 'k'],
  ] as const) {
    await memory
      .scope(...scope)
      .map<string>(map)
      .set(key, `${map} ${scope.join('/')}`)
  }

  assert.equal(await memory.scope('acme').map('m').get('k'), 'm acme')
  assert.equal(await memory.scope('acme').scope('u1').map('m').get('k'), 'm acme/u1')
  assert.equal(await memory.scope('acme-corp').map('m').get('k'), 'm acme-corp')
  assert.equal(await memory.map('m').get('k'), undefined)
  assert.equal(await memory.map('m').get(['acme', 'k']), 'm acme')
  await memory.scope('acme').batch(b => void b.delete(memory.scope('acme').map('m'), 'k'))
  assert.equal(await memory.scope('acme-corp').map('m').has('k'), true)
  assert.equal(await memory.scope('acme').map('m').has('k'), false)
})

test('a key of 1,024 bytes with map and scope is taken, one more is refused', async t => {
  const memory = await freshMemory(t)
  const map = memory.scope('scope').map<number>('map')
  const room = 1024 - 'map\0'.length - 'scope\0'.length - 1

  await map.set('k'.repeat(room), 1)
  await assert.rejects(map.set('k'.repeat(room + 1), 1), { code: 'KEY_TOO_LONG' })
  await assert.rejects(map.get('k'.repeat(room + 1)), { code: 'KEY_TOO_LONG' })
  await memory.checkpoint()

  assert.equal((await entriesOf(map)).length, 1)
  assert.equal(await map.get('k'.repeat(room)), 1)
})

test('a scan gives keys that get and set take as they are', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m')
  await map.set('one', 1)
  await map.set(['one', ''], 2)
  await map.set(['', ''], 3)
  const found: MapEntry<number>[] = []
  for await (const entry of map.entries()) found.push(entry)

  assert.deepEqual(
    found.map(each => each.key),
    [['', ''], 'one', ['one', '']],
  )
  for (const { key, value, version } of found) assert.deepEqual(await map.getEntry(key), { key, value, version })
})

async function entriesOf<V>(map: MemoryMap<V>): Promise<[unknown, V][]> {
  const found: [unknown, V][] = []
  for await (const { key, value } of map.entries()) found.push([key, value])
  return found
}
