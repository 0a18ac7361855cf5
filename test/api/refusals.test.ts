import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'
import { freshFolder, freshMemory } from './temporary-folder.js'

const cyclic: Record<string, unknown> = {}
cyclic.self = cyclic

class Point {
  x = 1
}

test('each wrong call rejects with a code, what happened and what to do, and changes nothing', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<unknown>('m')
  const other = (await freshMemory(t)).map<unknown>('m')
  await map.set('k', 'before')
  const before = memory.status().lsn.accepted
  const calls: [string, string, () => Promise<unknown>][] = [
    ['a function as value', 'VALUE_UNSUPPORTED', () => map.set('k', () => 1)],
    ['a function within a value', 'VALUE_UNSUPPORTED', () => map.set('k', { a: [() => 1] })],
    ['undefined', 'VALUE_UNSUPPORTED', () => map.set('k', undefined)],
    ['a symbol', 'VALUE_UNSUPPORTED', () => map.set('k', Symbol('s'))],
    ['a class', 'VALUE_UNSUPPORTED', () => map.set('k', new Point())],
    ['a promise', 'VALUE_UNSUPPORTED', () => map.set('k', Promise.resolve(1))],
    ['a cycle', 'VALUE_CYCLIC', () => map.set('k', cyclic)],
    [
      'a cycle in setMany',
      'VALUE_CYCLIC',
      () =>
        map.setMany([
          ['k', 1],
          ['l', cyclic],
        ]),
    ],
    ['a long key', 'KEY_TOO_LONG', () => map.set('x'.repeat(2000), 1)],
    ['a number as key', 'INVALID_KEY', () => map.set(5 as never, 1)],
    ['no key', 'INVALID_KEY', () => map.set(undefined as never, 1)],
    ['an empty key', 'INVALID_KEY', () => map.delete([])],
    ['half a surrogate', 'INVALID_KEY', () => map.set('\ud800', 1)],
    ['an unknown option', 'UNKNOWN_OPTION', () => map.set('k', 1, { durabilty: 'write-back' } as never)],
    ['an unknown durability', 'INVALID_OPTION', () => map.set('k', 1, { durability: 'write-behind' as never })],
    ['null options', 'INVALID_OPTION', () => map.set('k', 1, null as never)],
    ['a wrong version', 'INVALID_OPTION', () => map.set('k', 1, { expected: 1.5 })],
    ['a version as text', 'INVALID_OPTION', () => map.delete('k', { expected: '1' as never })],
    ['an option of a batch', 'UNKNOWN_OPTION', () => memory.batch(() => {}, { durable: true } as never)],
    ['an asynchronous batch', 'INVALID_ARGUMENT', () => memory.batch((async () => {}) as never)],
    [
      'a map of another memory',
      'INVALID_ARGUMENT',
      () => memory.batch(b => void b.set(map, 'k', 1).set(other, 'k', 1)),
    ],
    ['no map', 'INVALID_ARGUMENT', () => memory.batch(b => void b.set(undefined as never, 'k', 1))],
    [
      'a bad value in a batch',
      'VALUE_UNSUPPORTED',
      () => memory.batch(b => void b.set(map, 'k', 1).set(map, 'l', () => 1)),
    ],
    ['a negative limit', 'INVALID_OPTION', () => map.entries({ limit: -1 }).next()],
    ['pages of nothing', 'INVALID_OPTION', () => map.entries({ pageSize: 0 }).next()],
    ['an unknown bound', 'UNKNOWN_OPTION', () => map.entries({ from: 'a' } as never).next()],
    ['a bound that is no key', 'INVALID_KEY', () => map.entries({ gt: 1 as never }).next()],
    ['an option of a read', 'UNKNOWN_OPTION', () => map.get('k', { fresh: true } as never)],
    ['a negative deadline', 'INVALID_OPTION', () => memory.close({ deadlineMs: -1 })],
    ['an option of close', 'UNKNOWN_OPTION', () => memory.close({ deadline: 1 } as never)],
  ]
  for (const [name, code, call] of calls) await refuses(name, code, call)

  assert.equal(memory.status().lsn.accepted, before)
  assert.equal(await map.get('k'), 'before')
  assert.equal(await map.has('l'), false)
})

test('a map with a wrong name or wrong options is refused at once', async t => {
  const memory = await freshMemory(t)
  const calls: [string, () => unknown][] = [
    ['INVALID_NAME', () => memory.map('')],
    ['INVALID_NAME', () => memory.map(7 as never)],
    ['INVALID_NAME', () => memory.map('\udfff')],
    ['UNKNOWN_OPTION', () => memory.map('m', { ttl: 5 } as never)],
    ['INVALID_OPTION', () => memory.map('m', { durability: 'strong' as never })],
    ['INVALID_OPTION', () => memory.map('m', { maxLoss: { ms: -1 } })],
    ['INVALID_OPTION', () => memory.map('m', { maxLoss: { writes: 1.5 } })],
    ['INVALID_OPTION', () => memory.map('m', { maxLoss: { bytes: 64 << 20 } })],
    ['UNKNOWN_OPTION', () => memory.map('m', { maxLoss: { seconds: 1 } as never })],
    ['INVALID_OPTION', () => memory.map('m', { rules: {} as never })],
    ['INVALID_KEY', () => memory.map('m', { rules: [{ prefix: [], durability: 'write-back' }] })],
    ['INVALID_OPTION', () => memory.map('m', { rules: [{ prefix: 'a', durability: undefined as never }] })],
    ['INVALID_KEY', () => memory.scope(5 as never)],
  ]
  for (const [code, call] of calls) {
    assert.throws(call, (error: { code?: string; next?: string }) => {
      assert.equal(error.code, code, String(call))
      return (error.next ?? '').length > 5
    })
  }
  await memory.map('m').set('k', 1)
})

test('wrong options of open are refused before anything is made', async () => {
  const folder = await freshFolder()
  const options: [string, AgentMemoryOptions][] = [
    ['UNKNOWN_OPTION', { durabilty: 'write-back' } as never],
    ['INVALID_OPTION', { durability: 'fast' as never }],
    ['INVALID_OPTION', { maxLoss: { ms: -1 } }],
    ['INVALID_OPTION', { tierBytesMax: -1 }],
    ['INVALID_OPTION', { frameBytesMax: 1 }],
    ['INVALID_OPTION', { segmentBytesMax: Number.NaN }],
    ['INVALID_OPTION', { queuedBytesMax: '1' as never }],
    ['INVALID_OPTION', { store: 'mongodb' as never }],
    ['INVALID_OPTION', { onLogLost: 'ignore' as never }],
    ['INVALID_OPTION', { storeDeadlineMs: 0 }],
    ['INVALID_OPTION', null as never],
  ]
  for (const [code, each] of options) await refuses(JSON.stringify(each), code, () => AgentMemory.open(folder, each))
  for (const location of ['', 5 as never, 'a\0b', 'mysql://localhost/db', undefined as never]) {
    await refuses(String(location), 'INVALID_ARGUMENT', () => AgentMemory.open(location))
  }
  const { access } = await import('node:fs/promises')
  await assert.rejects(access(folder), { code: 'ENOENT' })
})

test('a map of one name is one map, and other options for it are OPTIONS_DIFFER', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m', { durability: 'write-back', maxLoss: { writes: 5 } })
  await map.set('k', 1)

  assert.equal(await memory.map('m').get('k'), 1)
  assert.equal(await memory.map('m', { durability: 'write-back', maxLoss: { writes: 5 } }).get('k'), 1)
  for (const options of [
    { durability: 'write-ahead' },
    {},
    { durability: 'write-back', maxLoss: { writes: 6 } },
  ] as const) {
    assert.throws(() => memory.map('m', options), { code: 'OPTIONS_DIFFER' })
    assert.throws(() => memory.scope('a').map('m', options), { code: 'OPTIONS_DIFFER' })
  }
  memory.map('plain')
  assert.throws(() => memory.map('plain', { durability: 'write-through' }), { code: 'OPTIONS_DIFFER' })
  memory.map('plain', { durability: 'write-ahead' })
})

test('a batch that is kept and used later is refused', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m')
  let kept: { set: (m: typeof map, key: string, value: number) => unknown } | undefined
  await memory.batch(b => {
    kept = b
    b.set(map, 'k', 1)
  })

  assert.throws(() => kept!.set(map, 'l', 2), { code: 'INVALID_ARGUMENT' })
})

async function refuses(name: string, code: string, call: () => Promise<unknown>): Promise<void> {
  const pending = (() => {
    try {
      return call()
    } catch (error) {
      assert.fail(`${name} threw instead of rejecting: ${String(error)}`)
    }
  })()
  await assert.rejects(pending, (error: Error & { code?: string; next?: string }) => {
    assert.equal(error.code, code, `${name}: ${error.message}`)
    assert.ok(error.message.length > 20, name)
    assert.ok((error.next ?? '').length > 5 && error.message.endsWith(error.next!), name)
    return true
  })
}
