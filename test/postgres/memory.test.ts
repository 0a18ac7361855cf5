import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import pg from 'pg'
import { AgentMemory } from '../../src/index.js'
import { parseLocation } from '../../src/location.js'
import { postgresStore } from '../../src/stores/postgres/index.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'
import { memoryAt, oneServer, skip } from './helpers.js'

const server = await oneServer()

test('what is written is there after a reopen, in rows that people can read', { skip }, async () => {
  const url = await server.newDatabase()
  const options = { folder: await freshFolder(), store: { kind: 'postgres', json: true } } as const
  const memory = await memoryAt(url, options)
  const people = memory.map<unknown>('people', { codec: 'json' })
  await people.set(['acme', 'u1'], { name: 'Ada', languages: ['en'] }, { durability: 'write-through' })
  await people.set(['acme', 'nul\0'], 'with a \0')
  await people.set(['acme', 'half'], 'a \ud800 half')
  await people.set(['acme', 'escaped'], 'a \\u0000 that is six letters')
  await memory.map('other').set('gone', 1)
  await memory.map('other').delete('gone')
  await memory.close()

  const rows = await server.query(
    "SELECT map, segments, json FROM holdfast.entries WHERE memory = 'default' ORDER BY key",
    url,
  )
  assert.deepEqual(rows, [
    { map: 'people', segments: ['people', 'acme', 'escaped'], json: 'a \\u0000 that is six letters' },
    { map: 'people', segments: ['people', 'acme', 'half'], json: null },
    { map: 'people', segments: ['people', 'acme', 'nul\u2400'], json: null },
    { map: 'people', segments: ['people', 'acme', 'u1'], json: { name: 'Ada', languages: ['en'] } },
  ])
  const again = await memoryAt(url, options)
  assert.equal(again.status().store.kind, 'postgres')
  const map = again.map<unknown>('people', { codec: 'json' })
  assert.deepEqual(await map.get(['acme', 'u1']), { name: 'Ada', languages: ['en'] })
  assert.equal(await map.get(['acme', 'nul\0']), 'with a \0')
  assert.equal(await map.get(['acme', 'half']), 'a \ud800 half')
  await again.close()
})

test('memories of one database know nothing of one another, whatever they are called', { skip }, async () => {
  const url = await server.newDatabase()
  const names = ['acme', 'acme-corp', '__proto__', "'; DROP TABLE holdfast.entries; --", 'ä:%', '日本']
  const memories = await Promise.all(names.map(name => memoryAt(`${url}?memory=${encodeURIComponent(name)}`)))

  for (const [index, memory] of memories.entries()) {
    await memory.map('m').set(['k', `${index}`], index, { durability: 'write-through' })
  }

  for (const [index, memory] of memories.entries()) {
    const seen: unknown[] = []
    for await (const { key, value } of memory.map('m').entries()) seen.push([key, value])
    assert.deepEqual(seen, [[['k', `${index}`], index]])
    await memory.close()
  }
})

test('in a schema of its own, by a pool of the caller, which stays open', { skip }, async () => {
  const pool = new pg.Pool({ connectionString: await server.newDatabase(), max: 1 })
  const folder = await freshFolder()
  const open = () =>
    AgentMemory.open(folder, { ...SMALL, store: postgresStore(pool, { memory: 'm', schema: 'agents', json: true }) })
  const memory = await open()
  await memory.map('m').set('a', 1, { durability: 'write-through' })
  const values = await Promise.all(Array.from({ length: 64 }, () => memory.map('m').get('a')))
  assert.deepEqual(new Set(values), new Set([1]))
  await memory.close()

  assert.equal((await pool.query('SELECT * FROM agents.entries')).rowCount, 1)
  const again = await open()
  assert.equal(await again.map('m').get('a'), 1)
  await again.close()
  await pool.end()
})

test('a commit is on stable storage, though the database says that it need not be', { skip }, async () => {
  const url = await server.newDatabase()
  const name = new URL(url).pathname.slice(1)
  const seenAfter = async (setting: string) => {
    await server.query(`ALTER DATABASE ${name} SET synchronous_commit = ${setting}`)
    const memory = await memoryAt(`${url}?memory=${setting}`)
    await server.query(
      `CREATE TABLE IF NOT EXISTS seen (setting text, timeout text);
       CREATE OR REPLACE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN
         INSERT INTO seen VALUES (current_setting('synchronous_commit'), current_setting('statement_timeout'));
         RETURN NULL;
       END $$;
       CREATE OR REPLACE TRIGGER see AFTER INSERT ON holdfast.entries FOR EACH STATEMENT EXECUTE FUNCTION see();`,
      url,
    )
    await memory.map('m').set('a', 1, { durability: 'write-through' })
    await memory.close()
    return server.query('DELETE FROM seen RETURNING *', url)
  }

  for (const setting of ['off', 'local', 'on']) {
    assert.deepEqual(await seenAfter(setting), [{ setting: 'on', timeout: '10s' }])
  }
  assert.deepEqual(await seenAfter('remote_apply'), [{ setting: 'remote_apply', timeout: '10s' }])
})

test('a location says which database, which memory and which folder, and shows no password', () => {
  const folderOf = (...named: (string | null)[]) =>
    join(process.cwd(), '.holdfast', createHash('sha256').update(JSON.stringify(named)).digest('hex').slice(0, 16))
  const parsed = parseLocation('postgres://me:s3cret@db.example/app?memory=m%201&sslmode=require&password=s3cret')
  assert.deepEqual(parsed, {
    store: {
      kind: 'postgres',
      url: 'postgres://me:s3cret@db.example/app?sslmode=require&password=s3cret',
      path: 'postgres://me@db.example/app?sslmode=require&memory=m+1',
      memory: 'm 1',
      schema: undefined,
    },
    folder: folderOf('db.example', '5432', 'app', null, 'm 1'),
  })
  // Neither another password nor another way to connect is another memory.
  const folders = ['postgres://me:other@db.example:5432/app', 'postgresql://you@db.example/app?application_name=x']
  assert.equal(new Set(folders.map(location => parseLocation(location).folder)).size, 1)
  assert.notEqual(parseLocation('postgres://h/app?schema=s').folder, parseLocation('postgres://h/app').folder)
  for (const wrong of ['postgres:', 'postgres:app', 'postgres://h:port/app', 'postgres://me:s3cret@h:x/']) {
    assert.throws(
      () => parseLocation(wrong),
      (error: Error) => /postgres:/.test(error.message) && !/s3cret/.test(error.message),
    )
  }
})

test('a wrong option is refused before anything is made', async () => {
  const folder = join(dirname(await freshFolder()), 'none')
  const refused = async (location: string, store: unknown, code: string) => {
    await assert.rejects(AgentMemory.open(location, { folder, store: store as never }), { code }, JSON.stringify(store))
  }
  const url = 'postgres://nobody@127.0.0.1:9/none'
  await refused(url, 'level', 'INVALID_OPTION')
  await refused(url, { kind: 'postgres', migrate: 'never' }, 'INVALID_OPTION')
  await refused(url, { kind: 'postgres', json: 1 }, 'INVALID_OPTION')
  await refused(url, { kind: 'postgres', ownerWaitMs: -1 }, 'INVALID_OPTION')
  await refused(url, { kind: 'postgres', memory: 'm' }, 'UNKNOWN_OPTION')
  for (const query of ['memory=', 'memory=a%00b', `memory=${'m'.repeat(201)}`, 'schema=', 'schema=a-b', 'schema=a"b']) {
    await refused(`${url}?${query}`, undefined, 'INVALID_OPTION')
  }
  for (const pool of [null, {}, 'postgres://h/db', undefined]) {
    assert.throws(() => postgresStore(pool as never), { code: 'INVALID_ARGUMENT' })
  }
  assert.throws(() => postgresStore({ connect: async () => ({}) as never }, { pool: 1 } as never), {
    code: 'UNKNOWN_OPTION',
  })
})

test('a server that is not there is STORE_DOWN, and says why without a password', async () => {
  await assert.rejects(memoryAt('postgres://me:s3cret@127.0.0.1:9/none'), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'STORE_DOWN')
    assert.match(error.message, /ECONNREFUSED/)
    assert.ok(!error.message.includes('s3cret'))
    return true
  })
})
