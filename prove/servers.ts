/** What stores need beside a process that uses them: the laboratory starts it, and ends it. */
import pg from 'pg'
import { startPostgres } from '../test/services/postgres.js'
import { postgresTrouble } from '../test/services/postgres-programs.js'
import { ending } from './endings.js'
import { labStore, POSTGRES_URL, type StoreName } from './stores.js'

/** Why a store cannot run here, if so. */
export type NotRun = (store: StoreName) => string | undefined

/** Nobody cuts the power of this machine: what a killed process had committed stays, synced or not. */
const SETTINGS = { fsync: 'off' }

/**
 * Runs `work` with what these stores need. For Postgres that is the database that HOLDFAST_POSTGRES_URL names, in a schema
 * of its own; or else a server of the tests.
 */
export async function withServers<T>(stores: readonly StoreName[], work: (notRun: NotRun) => Promise<T>): Promise<T> {
  const notRun: NotRun = store => labStore(store).notRun?.()
  if (!stores.includes('postgres')) return work(notRun)
  const withoutPostgres = (why: string) => work(store => (store === 'postgres' ? why : notRun(store)))
  const given = process.env[POSTGRES_URL]
  if (given !== undefined && given !== '') return inSchema(given, () => work(notRun))
  const trouble = postgresTrouble(18)
  if (trouble !== false) return withoutPostgres(trouble.replace('NOT RUN: ', ''))
  const ends: (() => Promise<void>)[] = []
  const endServer = async () => {
    for (const end of ends) await end()
  }
  return ending(endServer, async () => {
    let url: string
    try {
      const server = await startPostgres({ after: end => ends.push(end) }, { settings: SETTINGS })
      url = await server.newDatabase()
    } catch (error) {
      return withoutPostgres(`a server was started, and ${(error as Error).message}`)
    }
    return withUrl(url, () => work(notRun))
  })
}

/** In a database that is somebody's: everything in a schema that is removed afterwards. */
function inSchema<T>(given: string, work: () => Promise<T>): Promise<T> {
  const schema = `holdfast_prove_${process.pid}`
  const url = new URL(given)
  url.searchParams.set('schema', schema)
  const remove = async () => {
    const client = new pg.Client({ connectionString: given })
    await client.connect()
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`).finally(() => client.end())
  }
  return ending(remove, () => withUrl(url.href, work))
}

/** Processes that are started meanwhile find it too. */
async function withUrl<T>(url: string, work: () => Promise<T>): Promise<T> {
  const before = process.env[POSTGRES_URL]
  process.env[POSTGRES_URL] = url
  try {
    return await work()
  } finally {
    if (before === undefined) delete process.env[POSTGRES_URL]
    else process.env[POSTGRES_URL] = before
  }
}
