/** The door `holdfast/postgres`: a memory in a Postgres database, by a pool that the program has already. */
import { WrongCallError } from '../../core/errors.js'
import type { PostgresPool } from './driver.js'
import { openerByPool, type PostgresStoreOpener, type PostgresStoreOptions, postgresConfig } from './postgres.js'

export type { PostgresClient, PostgresPool, PostgresResult } from './driver.js'
export type { PostgresStoreOpener, PostgresStoreOptions } from './postgres.js'

const OPTIONS = ['memory', 'schema', 'migrate', 'json', 'ownerWaitMs']

/**
 * The store in a Postgres database, by a `Pool` of `pg`, which stays the caller's to end, after the memory. A location, as
 * in `AgentMemory.open('postgres://…')`, brings a pool of its own.
 *
 * Nothing is kept in a session, so a pooler in front of the server may give every transaction another one. Checkpoints
 * take one connection at a time, and reads one each.
 *
 * @example
 * ```ts
 * import { Pool } from 'pg'
 * import { postgresStore } from 'holdfast/postgres'
 *
 * const store = postgresStore(new Pool({ connectionString }), { memory: 'assistant' })
 * const memory = await AgentMemory.open('./agent-memory', { store })
 * ```
 * @throws INVALID_ARGUMENT for what is no pool, INVALID_OPTION, UNKNOWN_OPTION
 * @see docs/stores.md, "Postgres"
 */
export function postgresStore(pool: PostgresPool, options: PostgresStoreOptions = {}): PostgresStoreOpener {
  if (typeof pool !== 'object' || pool === null || typeof pool.connect !== 'function') {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `What postgresStore was given is no pool (${pool === null ? 'null' : typeof pool})`,
      next: 'Give a Pool of pg',
    })
  }
  const unknown = Object.keys(options).find(name => !OPTIONS.includes(name))
  if (unknown !== undefined) {
    throw new WrongCallError('UNKNOWN_OPTION', {
      message: `postgresStore has no option "${unknown}"`,
      next: `The options are ${OPTIONS.join(', ')}`,
    })
  }
  return openerByPool(pool, postgresConfig(options))
}
