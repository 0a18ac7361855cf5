/**
 * The store in a SQLite database, in tables that people can query. docs/formats/sqlite-store.md has the tables, every
 * setting with its reason, and what a crash at each moment leaves.
 *
 * A worker thread may open the database that another thread has open: connections are all they share.
 */
import { open as openFile, realpath, stat } from 'node:fs/promises'
import { AgentMemoryError, systemCode } from '../../core/errors.js'
import type { FileLock } from '../../io/file-system.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import type { DataStore } from '../data-store.js'
import { BUSY_MS, configure } from './connection.js'
import { type DriverName, driverNamed, findDriver, type SqliteDatabase, type SqliteDriver } from './driver.js'
import { Metadata, prepareTables, rollBack } from './schema.js'
import { sqliteError } from './sqlite-errors.js'
import { SqliteStore } from './sqlite-store.js'

export interface SqliteStoreOptions {
  /**
   * Make a database, or our tables in one, where there are none. With `false`, that is STORE_LOST.
   *
   * @defaultValue true
   */
  createIfMissing?: boolean
  /** @defaultValue the first that is there: docs/decisions/0011-the-sqlite-store.md */
  driver?: DriverName
}

/**
 * Opens the store in the database at `path`; its folder must be there. A database that is made can be read and written
 * by its owner only.
 *
 * @throws AgentMemoryError OWNED_ELSEWHERE if it is open as a store already; STORE_LOST if there is none and
 * `createIfMissing` is `false`; STORE_CORRUPT if SQLite finds damage; FORMAT_TOO_NEW; DRIVER_MISSING; STORE_DOWN for
 * other errors.
 */
export async function openSqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<DataStore> {
  const driver = options.driver === undefined ? findDriver() : driverNamed(options.driver)
  const createIfMissing = options.createIfMissing ?? true
  try {
    await prepareFile(path, createIfMissing)
    // Two spellings of a path are one database.
    const real = await realpath(path)
    const lock = await takeLock(real)
    try {
      return openConnections(driver, real, lock, writer => {
        prepareTables(writer, real, createIfMissing)
        settle(writer, real)
      })
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (error) {
    throw sqliteError(`The store in ${path} cannot be opened`, error)
  }
}

/** What `openInThread` is given: plain data. */
export interface SqliteThreadOptions {
  path: string
  /** That of the first handle: two copies of SQLite in one process would drop each other's locks. */
  driver: DriverName
}

/** Opens, in a worker thread, the store that another thread of the process has open. */
export async function openInThread({ path, driver }: SqliteThreadOptions): Promise<DataStore> {
  try {
    return openConnections(driverNamed(driver), path, undefined, () => {})
  } catch (error) {
    throw sqliteError(`The store in ${path} cannot be opened`, error)
  }
}

/**
 * Opens a store for reading only, also one that another process has open. What SQLite puts beside the database for that
 * stays: whoever has opened the database meanwhile writes into those very files.
 *
 * @throws AgentMemoryError as `openSqliteStore` with `createIfMissing: false`
 */
export async function openToRead(path: string): Promise<DataStore> {
  try {
    await prepareFile(path, false)
    const database = findDriver().open(path, { readOnly: true })
    try {
      prepareTables(database, path, false)
      return new SqliteStore(path, { reader: database, writer: database, close: async () => void database.close() })
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    throw sqliteError(`The store in ${path} cannot be opened`, error)
  }
}

/** What SQLite finds wrong with the pages, the order of the keys and the index: a sentence each. */
export async function findSqliteDamage(path: string): Promise<string[]> {
  const database = findDriver().open(path, { readOnly: true })
  try {
    const found = database.prepare('PRAGMA integrity_check').all() as { integrity_check: unknown }[]
    return found.map(row => String(row.integrity_check)).filter(text => text !== 'ok')
  } finally {
    database.close()
  }
}

/** A store in a database that the caller has open, and closes after it. */
export function storeInDatabase(database: SqliteDatabase, createIfMissing: boolean): DataStore {
  const place = 'the database that was given'
  try {
    configure(database, place, BUSY_MS.eventLoop)
    prepareTables(database, place, createIfMissing)
    settle(database, place)
    return new SqliteStore(place, { reader: database, writer: database, close: async () => {} })
  } catch (error) {
    throw sqliteError(`The store in ${place} cannot be opened`, error)
  }
}

function openConnections(
  driver: SqliteDriver,
  path: string,
  lock: FileLock | undefined,
  prepare: (writer: SqliteDatabase) => void,
): DataStore {
  const opened: SqliteDatabase[] = []
  const connect = () => {
    const database = driver.open(path)
    opened.push(database)
    // A handle without a lock is the worker's.
    configure(database, path, lock === undefined ? BUSY_MS.worker : BUSY_MS.eventLoop)
    return database
  }
  const close = () => {
    for (const database of opened) database.close()
  }
  try {
    const writer = connect()
    prepare(writer)
    const connections = {
      writer,
      reader: connect(),
      async close() {
        try {
          // Drivers may let go of a connection only later, and SQLite does it with the last one.
          if (lock !== undefined) moveLogIntoDatabase(writer)
        } finally {
          close()
          await lock?.release()
        }
      },
    }
    return new SqliteStore(path, connections)
  } catch (error) {
    close()
    throw error
  }
}

/**
 * What a killed process has written may be in the system's cache only. So all of it goes into the database, lest a sync
 * that failed before is taken for one that did not; and a commit syncs all of SQLite's log, and its name. It has to change
 * something: SQLite writes no page, and syncs nothing, for a row that stays as it is.
 */
function settle(writer: SqliteDatabase, what: string): void {
  const { log, checkpointed } = moveLogIntoDatabase(writer)
  if (checkpointed < log) {
    throw new AgentMemoryError('STORE_DOWN', {
      message: `Somebody reads an older state of ${what}, so that what its log holds cannot be made durable`,
      next: 'End that read, or the transaction that it is in, and open the memory again',
    })
  }
  const metadata = new Metadata(writer)
  writer.exec('BEGIN IMMEDIATE')
  try {
    metadata.write('opened', { times: Number(metadata.read('opened')?.times ?? 0) + 1 })
    writer.exec('COMMIT')
  } catch (error) {
    rollBack(writer)
    throw error
  }
  moveLogIntoDatabase(writer)
}

/**
 * Moves what SQLite's log holds into the database, but for what is newer than the state that somebody reads by hand. Says
 * how many pages there were, and how many of them are in the database now.
 */
function moveLogIntoDatabase(writer: SqliteDatabase): { log: number; checkpointed: number } {
  return writer.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { log: number; checkpointed: number }
}

async function prepareFile(path: string, createIfMissing: boolean): Promise<void> {
  const bytes = await sizeOf(path)
  if (bytes !== undefined && (bytes > 0 || createIfMissing)) return
  if (createIfMissing) return (await openFile(path, 'a', 0o600)).close()
  // SQLite would throw away the log of a database that is empty.
  throw new AgentMemoryError('STORE_LOST', {
    message: bytes === undefined ? `There is no database at ${path}` : `The database ${path} is empty`,
    next: 'Put the database back with its -wal file, or let the memory build a new store from a whole log',
  })
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The lock of a file beside the database: see "Connections" in docs/formats/sqlite-store.md. */
async function takeLock(path: string): Promise<FileLock> {
  const lock = await nodeFileSystem.lock(`${path}-lock`)
  if (lock !== undefined) return lock
  throw new AgentMemoryError('OWNED_ELSEWHERE', {
    message: `The database ${path} is open as the store of a memory already`,
    next: 'Close that memory first, or use another database',
  })
}
