/** What we use of a `Pool` of the package `pg`, and the pool that a location has of its own. */
import { createRequire } from 'node:module'
import { AgentMemoryError } from '../../core/errors.js'

/** A `Pool` of `pg`, or one that behaves like it. Not one of `pg-native`, which cannot send binary parameters. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>
}

export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<PostgresResult>
  /** With an argument the connection is ended, and none of the pool's any more. */
  release(error?: Error | boolean): void
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
}

export interface PostgresResult {
  rows: Record<string, unknown>[]
  rowCount: number | null
  command: string
}

export interface OwnPool extends PostgresPool {
  end(): Promise<void>
}

interface PostgresModule {
  Pool: new (options: object) => OwnPool & { on(event: 'error', listener: (error: Error) => void): unknown }
}

const CONNECTIONS_MAX = 4
const require = createRequire(import.meta.url)

/** A pool of our own. DRIVER_MISSING, before anything is connected, where there is no `pg`. */
export function poolOf(url: string, connectMs: number): OwnPool {
  const { Pool } = findDriver()
  const pool = new Pool({
    connectionString: url,
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
    application_name: 'holdfast',
    // A connection that nobody uses does not hold the process.
    allowExitOnIdle: true,
  })
  // A connection that breaks while nobody uses it: the pool makes another one.
  pool.on('error', () => {})
  return pool
}

/** The package `pg`, which is the caller's. */
export function findDriver(): PostgresModule {
  let cause: unknown
  try {
    const module = require('pg') as PostgresModule
    if (typeof module.Pool === 'function') return module
  } catch (error) {
    cause = error
  }
  throw new AgentMemoryError('DRIVER_MISSING', {
    message: `There is no client for Postgres: pg ${cause === undefined ? 'has no Pool' : 'is not installed'}`,
    next: 'Run "npm install pg"',
    cause,
  })
}
