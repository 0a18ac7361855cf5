// What the suite of Keyv does not ask: namespaces that look alike, the order of calls, expiry in the memory itself, and
// errors. With Keyv 5 and with Keyv 6, whose ways to a store differ.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyvHoldfast } from '../../src/adapters/keyv/index.js'
import { AgentMemory } from '../../src/index.js'
import { ManualClock } from '../../src/testing/index.js'
import { freshFolder, freshMemory, SMALL } from '../api/temporary-folder.js'
import { urlOutside } from './outside.js'

/** What the tests use of Keyv, of which both versions have the same. */
interface Keyv {
  get(key: string): Promise<unknown>
  set(key: string, value: unknown, ttl?: number): Promise<boolean>
  setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<boolean[]>
  getMany(keys: string[]): Promise<unknown[]>
  has(key: string): Promise<boolean>
  delete(key: string): Promise<boolean>
  clear(): Promise<void>
  iterator(): AsyncIterable<[string, unknown]>
  on(event: 'error', listener: (error: { code: string }) => void): void
}
type KeyvClass = new (options: { store: KeyvHoldfast; namespace?: string | undefined }) => Keyv

const versions: Record<string, KeyvClass> = {
  'Keyv 5': (await import(urlOutside('keyv'))).Keyv,
  'Keyv 6': (await import(urlOutside('keyv6'))).Keyv,
}

for (const [version, Keyv] of Object.entries(versions)) {
  test(`${version}: what it has set it gets, has, iterates over and deletes`, async t => {
    const keyv = new Keyv({ store: new KeyvHoldfast(await freshMemory(t)), namespace: 'a' })
    assert.equal(await keyv.set('x', { y: 1 }), true)
    assert.deepEqual(
      await keyv.setMany([
        { key: 'p', value: 1 },
        { key: 'q', value: [2] },
      ]),
      [true, true],
    )
    assert.deepEqual(await keyv.getMany(['p', 'q', 'r']), [1, [2], undefined])
    assert.equal(await keyv.has('x'), true)
    const entries: [string, unknown][] = []
    for await (const entry of keyv.iterator()) entries.push(entry)
    assert.deepEqual(entries, [
      ['p', 1],
      ['q', [2]],
      ['x', { y: 1 }],
    ])
    assert.equal(await keyv.delete('x'), true)
    assert.equal(await keyv.delete('x'), false)
    assert.equal(await keyv.has('x'), false)
  })

  test(`${version}: a clear removes the entries of its namespace and of no other, however alike their names are`, async t => {
    const memory = await freshMemory(t)
    const namespaces = ['a', 'a:', 'a::b', 'a:b', 'ab', 'A', 'a\0', undefined]
    const all = namespaces.map(namespace => new Keyv({ store: new KeyvHoldfast(memory), namespace }))
    const keys = ['k', 'b:k', ':b:k', 'a:k']
    for (const [index, keyv] of all.entries()) for (const key of keys) await keyv.set(key, `${index} ${key}`)

    for (const [cleared, keyv] of all.entries()) {
      await keyv.clear()
      for (const [index, other] of all.entries()) {
        const expected = index <= cleared ? keys.map(() => undefined) : keys.map(key => `${index} ${key}`)
        assert.deepEqual(await other.getMany(keys), expected, `${namespaces[index]} after ${namespaces[cleared]}`)
      }
    }
  })

  test(`${version}: the memory itself lets an entry go when its TTL is over, and keeps one without`, async t => {
    const clock = new ManualClock()
    const memory = await freshMemory(t, { clock })
    const keyv = new Keyv({ store: new KeyvHoldfast(memory), namespace: 'a' })
    await keyv.set('short', 1, 1000)
    await keyv.set('long', 2)
    await keyv.setMany([{ key: 'many', value: 3, ttl: 1000 }])
    assert.equal((await keysOf(memory)).length, 3)
    clock.advance(1000)
    // Keyv 5 writes the namespace before the key as well.
    assert.deepEqual(await keysOf(memory), [['a', version === 'Keyv 5' ? 'a:long' : 'long']])
  })

  test(`${version}: a read that fails is heard as an error, and is not just "absent"`, async () => {
    const memory = await AgentMemory.open(await freshFolder(), SMALL)
    const keyv = new Keyv({ store: new KeyvHoldfast(memory) })
    const codes: string[] = []
    keyv.on('error', error => codes.push(error.code))
    await keyv.set('a', 1)
    await memory.close()

    await keyv.get('a')
    assert.ok(codes.includes('CLOSED'), codes.join())
    codes.length = 0
    assert.equal(await keyv.set('a', 2), false)
    assert.deepEqual(codes, ['CLOSED'])
  })
}

test('writes take effect in the order of their calls, a delete as well', async t => {
  const store = new KeyvHoldfast(await freshMemory(t))
  await store.set('a', 1)
  const calls = [store.delete('a'), store.set('a', 2), store.deleteMany(['a', 'b']), store.set('a', 3)]
  assert.deepEqual(await Promise.all(calls), [true, true, false, true])
  assert.equal(await store.get('a'), 3)
})

test('a TTL need not be whole, may be over already, and may be without end', async t => {
  const clock = new ManualClock()
  const store = new KeyvHoldfast(await freshMemory(t, { clock }))
  await store.set('fraction', 1, 0.25)
  await store.set('over', 2, -5)
  for (const [key, ttl] of Object.entries({ none: undefined, zero: 0, endless: Infinity })) await store.set(key, 3, ttl)
  clock.advance(1)
  const keys = ['fraction', 'over', 'none', 'zero', 'endless']
  assert.deepEqual(await store.hasMany(keys), [false, false, true, true, true])
})

test('a disconnect leaves nothing at risk, and the memory open', async t => {
  const memory = await freshMemory(t)
  const store = new KeyvHoldfast(memory, { durability: 'write-back' })
  await store.set('a', 1)
  assert.equal(memory.status().atRisk.writes, 1)
  await store.disconnect()
  assert.equal(memory.status().atRisk.writes, 0)
  assert.equal(await store.get('a'), 1)
})

test('entries are as durable as the store was told', async t => {
  const memory = await freshMemory(t, { checkpointMs: 2 ** 31 - 1 })
  await new KeyvHoldfast(memory, { map: 'back', durability: 'write-back' }).set('a', 1)
  assert.equal(memory.status().atRisk.writes, 1)
  await new KeyvHoldfast(memory, { map: 'ahead' }).set('a', 1)
  assert.deepEqual([memory.status().atRisk.writes, memory.status().lsn.inStore], [0, 0])
  await new KeyvHoldfast(memory, { map: 'through', durability: 'write-through' }).set('a', 1)
  assert.equal(memory.status().lsn.inStore, 3)
})

async function keysOf(memory: AgentMemory): Promise<[string, string][]> {
  const keys: [string, string][] = []
  for await (const { key } of memory.map<unknown, [string, string]>('keyv').entries()) keys.push(key)
  return keys
}
