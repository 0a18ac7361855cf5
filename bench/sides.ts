/** The sides of a comparison: each puts one entry and says so once it is on stable storage. */
import { join } from 'node:path'
import { AgentMemory } from '../src/index.js'
import { openLevel, openLmdb, openSqlite } from './peers.js'

export interface Side {
  /** Resolves once the entry is on stable storage. A side that returns nothing has done it when it returns. */
  put(key: string, value: string): Promise<unknown> | undefined
  /** Has one write at a time: its calls block. */
  readonly isSynchronous: boolean
  /** Sync calls so far, if the side counts them itself. */
  syncs(): number | undefined
  close(): Promise<void>
}

export type SideName = 'ours' | PeerName
export type PeerName = 'lmdb' | 'leveldb' | 'sqlite'

export const PEERS: readonly PeerName[] = ['lmdb', 'leveldb', 'sqlite']

/** Opens a side in an empty folder. */
export function openSide(name: SideName, folder: string): Promise<Side> {
  const open = { ours: openOurs, lmdb: openLmdbSide, leveldb: openLevelSide, sqlite: openSqliteSide }[name]
  return open(folder)
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
  return {
    put: (key, value) => database.put(key, value),
    isSynchronous: false,
    syncs: () => undefined,
    close: () => database.close(),
  }
}

async function openLevelSide(folder: string): Promise<Side> {
  const database = await openLevel(join(folder, 'leveldb'))
  const durably = { sync: true }
  return {
    put: (key, value) => database.put(key, value, durably),
    isSynchronous: false,
    syncs: () => undefined,
    close: () => database.close(),
  }
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
    const actual = database.prepare(`PRAGMA ${name}`).get()?.[name]
    if (actual !== expected) throw new Error(`SQLite has set ${name} to ${String(actual)} instead of ${value}`)
  }
}
