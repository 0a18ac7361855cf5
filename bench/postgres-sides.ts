/** Ours over a Postgres, and a Postgres by itself, both by the same client, with their settings read back. */

import { AgentMemory, type MemoryMap } from '../src/index.js'
import { postgresStore } from '../src/stores/postgres/index.js'
import { openPostgres, type PostgresPool } from './peers.js'
import { expectPostgres } from './sides.js'

export type PostgresSide = 'ours' | 'postgres'

export const FLUSH_VALUE_BYTES = 1024

/** As many as a memory opens by itself for a location. */
const OUR_CONNECTIONS = 4

export interface OurPostgres {
  memory: AgentMemory
  map: MemoryMap<string>
  /** Entries that are in the database. */
  count(): Promise<number>
  close(): Promise<void>
}

export async function openOurs(socketFolder: string, folder: string): Promise<OurPostgres> {
  const pool = await openPool(socketFolder, OUR_CONNECTIONS)
  const memory = await AgentMemory.open(folder, { store: postgresStore(pool) })
  return {
    memory,
    map: memory.map<string>('bench'),
    count: async () => Number((await pool.query('SELECT count(*) FROM holdfast.entries')).rows[0]!.count),
    async close() {
      await memory.close()
      await pool.end()
    },
  }
}

/** Upserts of one row each, each a transaction of its own. */
export async function openTheirs(socketFolder: string, connections: number) {
  const pool = await openPool(socketFolder, connections)
  await pool.query('CREATE TABLE entries (key text PRIMARY KEY, value text NOT NULL)')
  const text = 'INSERT INTO entries VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value'
  return {
    // A named statement is prepared once per connection.
    put: (key: string, value: string) => pool.query({ name: 'upsert', text, values: [key, value] }),
    close: () => pool.end(),
  }
}

async function openPool(socketFolder: string, connections: number): Promise<PostgresPool> {
  const pool = openPostgres(socketFolder, connections)
  await expectPostgres(pool, 'fsync', 'on')
  await expectPostgres(pool, 'synchronous_commit', 'on')
  return pool
}
