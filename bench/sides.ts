/** The sides of a comparison: each puts one entry and says so once it is on stable storage. */
import { join } from 'node:path'
import { AgentMemory } from '../src/index.js'
import {
  keyvSqliteTrouble,
  openKeyvSqlite,
  openLevel,
  openLmdb,
  openPostgres,
  openRedis,
  openSqlite,
  type PostgresPool,
} from './peers.js'
import { SERVER_PEERS, type ServerName, serverTrouble } from './server-peers.js'

export interface Side {
  /** Resolves once the entry is on stable storage. A side that returns nothing has done it when it returns. */
  put(key: string, value: string): Promise<unknown> | undefined
  /** Has one write at a time: its calls block. */
  readonly isSynchronous: boolean
  /** Sync calls so far, if the side counts them itself. */
  syncs(): number | undefined
  close(): Promise<void>
}

export type PeerName = 'lmdb' | 'leveldb' | 'sqlite' | 'keyv-sqlite' | ServerName
export type SideName = 'ours' | PeerName

export const PEERS: readonly PeerName[] = ['lmdb', 'leveldb', 'sqlite', ...SERVER_PEERS, 'keyv-sqlite']

export const POSTGRES_CONNECTIONS = 32

const OPENERS: Record<SideName, (place: string) => Promise<Side>> = {
  ours: openOurs,
  lmdb: openLmdbSide,
  leveldb: openLevelSide,
  sqlite: openSqliteSide,
  redis: openRedisSide,
  postgres: openPostgresSide,
  'keyv-sqlite': openKeyvSqliteSide,
}

/** Why a side cannot be measured here; `undefined` if it can. */
export function sideTrouble(name: SideName): string | undefined {
  if (isServer(name)) return serverTrouble(name)
  return name === 'keyv-sqlite' ? keyvSqliteTrouble() : undefined
}

export function isServer(name: string): name is ServerName {
  return SERVER_PEERS.some(each => each === name)
}

/** Opens a side in an empty folder, or at a server's address. */
export function openSide(name: SideName, place: string): Promise<Side> {
  return OPENERS[name](place)
}

async function openOurs(folder: string): Promise<Side> {
  const memory = await AgentMemory.open(join(folder, 'memory'))
  const map = memory.map<string>('bench')
  return {
    put: (key, value) => map.set(key, value),
    isSynchronous: false,
    syncs: () => memory.status().log.syncs,
    async close() {
      await memory.close()
    },
  }
}

async function openLmdbSide(folder: string): Promise<Side> {
  // With the default options the promise of `put` waits for the sync: delaying fdatasync by 200 ms delays it as much.
  const database = openLmdb(join(folder, 'lmdb'))
  return sideOf(
    (key, value) => database.put(key, value),
    () => database.close(),
  )
}

async function openLevelSide(folder: string): Promise<Side> {
  const database = await openLevel(join(folder, 'leveldb'))
  const durably = { sync: true }
  return sideOf(
    (key, value) => database.put(key, value, durably),
    () => database.close(),
  )
}

async function openSqliteSide(folder: string): Promise<Side> {
  const database = openSqlite(join(folder, 'sqlite.db'))
  setPragma('journal_mode', 'WAL', 'wal')
  setPragma('synchronous', 'FULL', 2)
  database.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID')
  const upsert = database.prepare(
    'INSERT INTO entries (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  )
  return {
    put(key, value) {
      upsert.run(key, value)
      return undefined
    },
    isSynchronous: true,
    syncs: () => undefined,
    async close() {
      database.close()
    },
  }

  /** SQLite ignores a pragma that it cannot follow, so what it has made of it is read back. */
  function setPragma(name: string, value: string, expected: unknown): void {
    database.exec(`PRAGMA ${name} = ${value}`)
    expectSetting(`SQLite's ${name}`, database.prepare(`PRAGMA ${name}`).get()?.[name], expected)
  }
}

async function openRedisSide(socket: string): Promise<Side> {
  const client = openRedis(socket)
  for (const [name, expected] of [
    ['appendonly', 'yes'],
    ['appendfsync', 'always'],
  ] as const) {
    expectSetting(`Redis' ${name}`, (await client.config('GET', name))[1], expected)
  }
  await client.flushall()
  return sideOf(
    (key, value) => client.set(key, value),
    async () => void (await client.quit()),
  )
}

async function openPostgresSide(socketFolder: string): Promise<Side> {
  const pool = openPostgres(socketFolder, POSTGRES_CONNECTIONS)
  await expectPostgres(pool, 'fsync', 'on')
  await expectPostgres(pool, 'synchronous_commit', 'on')
  await pool.query('CREATE TABLE IF NOT EXISTS entries (key text PRIMARY KEY, value text NOT NULL)')
  await pool.query('TRUNCATE entries')
  const text = 'INSERT INTO entries VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value'
  return sideOf(
    // A named statement is prepared once per connection.
    (key, value) => pool.query({ name: 'upsert', text, values: [key, value] }),
    () => pool.end(),
  )
}

/** Reads a setting back from the server. */
export async function expectPostgres(pool: PostgresPool, name: string, expected: string): Promise<void> {
  const { rows } = await pool.query(`SHOW ${name}`)
  expectSetting(`Postgres' ${name}`, rows[0]?.[name], expected)
}

async function openKeyvSqliteSide(folder: string): Promise<Side> {
  const keyv = openKeyvSqlite(join(folder, 'keyv.sqlite'))
  return sideOf(
    (key, value) => keyv.set(key, value),
    () => keyv.disconnect(),
  )
}

function sideOf(put: Side['put'], close: Side['close']): Side {
  return { put, close, isSynchronous: false, syncs: () => undefined }
}

/** A peer that is set up wrong would be compared wrong. */
function expectSetting(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what} is ${String(actual)} instead of ${String(expected)}`)
}
