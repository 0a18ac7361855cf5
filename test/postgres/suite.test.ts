import { after, test as nodeTest } from 'node:test'
import pg from 'pg'
import type { DataStore } from '../../src/stores/data-store.js'
import {
  openerByPool,
  openerByUrl,
  type PostgresStoreOpener,
  postgresConfig,
} from '../../src/stores/postgres/postgres.js'
import { storeSuite } from '../../src/testing/index.js'
import { startPostgres } from '../services/postgres.js'
import { POSTGRES_VERSIONS, postgresTrouble } from '../services/postgres-programs.js'

for (const version of POSTGRES_VERSIONS) {
  const skip = postgresTrouble(version)
  const server = skip === false ? await startPostgres({ after }, { version, settings: { fsync: 'off' } }) : undefined
  const pool = new pg.Pool({ connectionString: await server?.newDatabase(), max: 3 })
  after(() => pool.end())
  const test = (name: string, body: () => Promise<void>) => nodeTest(name, { skip }, body)
  const openerOf = new Map<DataStore, PostgresStoreOpener>()
  const open = async (opener: PostgresStoreOpener, create: boolean): Promise<DataStore> => {
    const store = await opener.open(create)
    openerOf.set(store, opener)
    return store
  }
  const reopen = (closed: DataStore) => open(openerOf.get(closed)!, true)

  let memories = 0
  storeSuite({
    name: `memories of one database of Postgres ${version}, by a pool`,
    // All of them share the tables: one that sees or changes another's entries is found out.
    open: () => open(openerByPool(pool, postgresConfig({ memory: `memory-${memories++}` })), true),
    reopen,
    test,
  })
  storeSuite({
    name: `a database of Postgres ${version}, by its URL`,
    open: async () => {
      const url = await server!.newDatabase()
      return open(openerByUrl(url, url, postgresConfig({ json: true })), true)
    },
    reopen,
    test,
  })
}
