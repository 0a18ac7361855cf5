/** A whole memory over SQLite: every durability through reopens, kills and a store that goes down and comes up. */
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { AgentMemory, AgentMemoryError, type Durability, UnsettledWriteError } from '../../src/index.js'
import { driverNamed } from '../../src/stores/sqlite/driver.js'
import { sqliteStore } from '../../src/stores/sqlite/index.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'
import { DRIVER, DRIVERS } from './drivers.js'

const DURABILITIES: readonly Durability[] = ['write-back', 'write-ahead', 'write-through']

async function freshPath(): Promise<string> {
  return join(dirname(await freshFolder()), 'memory.db')
}

/** Everything in a memory, by map and key. */
async function contentOf(memory: AgentMemory): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const durability of DURABILITIES) {
    for await (const { key, value } of memory.map<unknown, string>(durability).entries()) {
      found[`${durability}/${key}`] = value
    }
  }
  return found
}

test('values of every durability come back, from the tier, the log and the database', async () => {
  const location = `sqlite:${await freshPath()}`
  const expected: Record<string, unknown> = {}
  for (let life = 0; life < 3; life++) {
    const memory = await AgentMemory.open(location, { ...SMALL, tierBytesMax: 0 })
    assert.deepEqual(await contentOf(memory), expected)
    for (const durability of DURABILITIES) {
      const map = memory.map(durability)
      for (let n = 0; n < 20; n++) {
        const value = { life, n, at: new Date(life), big: 2n ** 70n }
        await map.set(`k${n}`, value, { durability })
        expected[`${durability}/k${n}`] = value
      }
      await map.delete('k7')
      delete expected[`${durability}/k7`]
    }
    if (life === 1) await memory.checkpoint()
    assert.deepEqual(await contentOf(memory), expected)
    const report = await memory.close()
    assert.deepEqual([report.inLog, report.inDoubt, report.lost], [0, 0, 0])
  }
})

test('scopes, hostile names, batches and compare-and-set are as they are on every store', async () => {
  const location = `sqlite:${await freshPath()}`
  const memory = await AgentMemory.open(location, { ...SMALL, tierBytesMax: 0 })
  const names = ['__proto__', '../x', "'; DROP TABLE holdfast_entries; --", 'a\0b', ':', '%', '日本', '']
  const all = memory.map<string>('names')
  for (const scope of ['acme', 'acme-corp']) {
    const map = memory.scope(scope).map<string>('names')
    await map.setMany(names.map(name => [name, `${scope} ${name}`]))
  }
  await memory.batch(batch => batch.set(all, 'one', '1').set(all, 'two', '2'), { durability: 'write-through' })
  await memory.checkpoint()

  for (const name of names) assert.equal(await memory.scope('acme').map('names').get(name), `acme ${name}`)
  const found: string[] = []
  for await (const { value } of memory.scope('acme').map<string>('names').entries()) found.push(value)
  assert.equal(found.length, names.length)
  assert.ok(found.every(value => value.startsWith('acme ')))
  const { version } = (await all.getEntry('one'))!
  await all.set('one', '1b', { expected: version })
  await assert.rejects(all.set('one', '1c', { expected: version }), { code: 'VERSION_CONFLICT' })
  await memory.close()
})

test('what is in the database can be read by hand while the memory is open', async () => {
  const path = await freshPath()
  const memory = await AgentMemory.open(`sqlite:${path}`, SMALL)
  const preferences = memory.scope('acme').map('preferences', { codec: 'json', durability: 'write-through' })
  await preferences.set(['user-1', 'language'], { chosen: 'zh-CN' })
  await preferences.set('short-lived', { n: 1 }, { ttlMs: 1_000_000 })
  await memory.map('binary').set('x', new Date(0), { durability: 'write-through' })

  const database = DRIVER.open(path, { readOnly: true })
  const rows = database.prepare('SELECT map, segments, json FROM holdfast_readable ORDER BY map, segments').all()
  database.close()
  await memory.close()

  assert.deepEqual(
    rows.map(row => ({ ...(row as object) })),
    [
      { map: 'binary', segments: '["x"]', json: null },
      { map: 'preferences', segments: '["acme","short-lived"]', json: '{"n":1}' },
      { map: 'preferences', segments: '["acme","user-1","language"]', json: '{"chosen":"zh-CN"}' },
    ],
  )
})

test('a database that another program holds locked is down, the memory goes on, and has it all afterwards', async t => {
  // The memory's own timers let a process end that has nothing else to do.
  const alive = setInterval(() => {}, 1000)
  t.after(() => clearInterval(alive))
  const path = await freshPath()
  const location = `sqlite:${path}`
  const memory = await AgentMemory.open(location, { ...SMALL, storeDeadlineMs: 1500 })
  const map = memory.map<number>('write-ahead')
  await map.set('before', 0, { durability: 'write-through' })
  const other = DRIVER.open(path)
  other.exec('BEGIN IMMEDIATE')
  const down = new Promise<void>(resolve => memory.on('storeDown', () => resolve()))
  const up = new Promise<void>(resolve => memory.on('storeUp', () => resolve()))

  const through = map.set('through', 1, { durability: 'write-through' }).catch((error: unknown) => error)
  await down
  assert.equal((await map.set('ahead', 2)).reached, 'log')
  assert.equal((await map.set('back', 3, { durability: 'write-back' })).reached, 'tier')
  const error = await through
  assert.ok(error instanceof UnsettledWriteError && error.code === 'STORE_BEHIND')
  other.exec('ROLLBACK')
  other.close()
  await up

  assert.equal(await error.settled(), 'kept')
  await memory.checkpoint()
  assert.equal(memory.status().pending.entries, 0)
  await memory.close()
  const again = await AgentMemory.open(location, SMALL)
  assert.deepEqual(await contentOf(again), {
    'write-ahead/before': 0,
    'write-ahead/through': 1,
    'write-ahead/ahead': 2,
    'write-ahead/back': 3,
  })
  await again.close()
})

test('a database or a log that is an older copy, or gone, is told apart', async () => {
  const { copyFile, cp, rename, rm } = await import('node:fs/promises')
  const path = await freshPath()
  const life = async (value: number) => {
    const memory = await AgentMemory.open(`sqlite:${path}`, SMALL)
    await memory.map('m').set('a', value)
    await memory.close()
  }
  const openFails = async (code: string) => {
    await assert.rejects(AgentMemory.open(`sqlite:${path}`, SMALL), (error: unknown) => {
      assert.ok(error instanceof AgentMemoryError)
      assert.equal(error.code, code)
      return true
    })
  }
  await life(1)
  // What SQLite keeps beside the file belongs to it; a clean close has left it empty.
  for (const suffix of ['-wal', '-shm']) await rm(path + suffix, { force: true })
  await copyFile(path, `${path}.old`)
  await cp(`${path}-holdfast`, `${path}.old-folder`, { recursive: true })
  await life(2)
  for (const suffix of ['-wal', '-shm']) await rm(path + suffix, { force: true })

  await rename(path, `${path}.new`)
  await openFails('STORE_LOST')
  await copyFile(`${path}.old`, path)
  await openFails('STORE_REGRESSED')
  for (const suffix of ['-wal', '-shm']) await rm(path + suffix, { force: true })
  await rename(`${path}.new`, path)
  await rename(`${path}-holdfast`, `${path}.folder`)
  await rename(`${path}.old-folder`, `${path}-holdfast`)
  await openFails('LOG_LOST')
  await rm(`${path}-holdfast`, { recursive: true })
  await rename(`${path}.folder`, `${path}-holdfast`)
  await life(3)
})

for (const driver of DRIVERS) {
  test(`a memory in a database of ${driver} that the program has open stands beside its tables`, async () => {
    const folder = await freshFolder()
    const database = driverNamed(driver).open(`${folder}.db`)
    database.exec("CREATE TABLE mine (x); INSERT INTO mine VALUES ('kept')")
    const open = () => AgentMemory.open(folder, { ...SMALL, store: sqliteStore(database), tierBytesMax: 0 })

    for (let life = 0; life < 2; life++) {
      const memory = await open()
      for (const durability of DURABILITIES) await memory.map(durability).set(`k${life}`, life, { durability })
      await memory.close()
    }
    const memory = await open()
    assert.equal(Object.keys(await contentOf(memory)).length, 6)
    // A transaction of the program that is still open: the store is down until it ends.
    database.exec('BEGIN; INSERT INTO mine VALUES (1)')
    const down = new Promise<void>(resolve => memory.on('storeDown', () => resolve()))
    const up = new Promise<void>(resolve => memory.on('storeUp', () => resolve()))
    const written = memory.map('write-through').set('late', 1, { durability: 'write-through' })
    await down
    database.exec('COMMIT')
    await up
    assert.equal((await written).reached, 'store')
    await memory.close()

    assert.equal(database.prepare('SELECT x FROM mine').all().length, 2)
    database.close()
  })
}

test('64 calls that nobody waits for, and a close, lose nothing', async () => {
  const location = `sqlite:${await freshPath()}`
  const memory = await AgentMemory.open(location, SMALL)
  const calls = Array.from({ length: 64 }, (_, n) =>
    memory.map('m').set(`k${n}`, n, { durability: DURABILITIES[n % 3]! }),
  )
  const closed = memory.close()
  const settled = await Promise.allSettled(calls)
  await closed

  const again = await AgentMemory.open(location, SMALL)
  for (const [n, { status }] of settled.entries()) {
    if (status === 'fulfilled') assert.equal(await again.map('m').get(`k${n}`), n)
  }
  assert.ok(settled.some(({ status }) => status === 'fulfilled'))
  await again.close()
})
