/** The door `holdfast/sqlite`: a memory in a SQLite database that the program has open already. */
import { WrongCallError } from '../../core/errors.js'
import type { DataStore } from '../data-store.js'
import { checkVersion, type SqliteDatabase } from './driver.js'
import { storeInDatabase } from './sqlite.js'

export type { SqliteDatabase, SqliteStatement, SqlValue } from './driver.js'

export interface SqliteStore {
  kind: 'sqlite'
  open(create: boolean): Promise<DataStore>
}

/**
 * The store in a database that the caller has open: a `DatabaseSync` of node:sqlite or a `Database` of better-sqlite3,
 * of SQLite 3.51.3 or newer, in a file. It is set to WAL and `synchronous = FULL`, and stays the caller's to close,
 * after the memory. Its tables lead with `holdfast_`; docs/formats/sqlite-store.md draws them.
 *
 * Checkpoints run on the event loop, each in one transaction: about 10 microseconds an entry. The caller must not leave
 * a transaction open over an `await`. A location, as in `AgentMemory.open('sqlite:./memory.db')`, has neither limit.
 *
 * @example
 * ```ts
 * import Database from 'better-sqlite3'
 * import { sqliteStore } from 'holdfast/sqlite'
 *
 * const memory = await AgentMemory.open('./agent-memory', { store: sqliteStore(new Database('app.db')) })
 * ```
 * @throws INVALID_ARGUMENT for what is no such database, DRIVER_MISSING for one of an older SQLite
 */
export function sqliteStore(database: SqliteDatabase): SqliteStore {
  if (!isDatabase(database)) {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `What sqliteStore was given is no open database (${database === null ? 'null' : typeof database})`,
      next: 'Give a DatabaseSync of node:sqlite or a Database of better-sqlite3',
    })
  }
  checkVersion(database)
  return { kind: 'sqlite', open: async create => storeInDatabase(database, create) }
}

function isDatabase(database: unknown): database is SqliteDatabase {
  if (typeof database !== 'object' || database === null) return false
  const { exec, prepare, close } = database as Record<string, unknown>
  return [exec, prepare, close].every(each => typeof each === 'function')
}
