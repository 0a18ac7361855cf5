/**
 * The store in a SQLite database, in tables that people can query. docs/formats/sqlite-store.md has the tables, every
 * setting with its reason, and what a crash at each moment leaves.
 *
 * Always true here:
 * - changes and mark are one transaction, committed with `synchronous = FULL`: durable when `apply` returns;
 * - one write runs at a time, in the order of the calls;
 * - every read is one statement, on a connection that sees nothing of a transaction before its commit;
 * - after a write that failed, this handle writes nothing more.
 *
 * A worker thread may open the database that another thread has open: connections are all they share.
 */
import { open as openFile, realpath, stat } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AgentMemoryError, systemCode } from '../../core/errors.js'
import { decodeSegments, type EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { FileLock } from '../../io/file-system.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import type { Change, DataStore, Mark, Page, StoreCapabilities, StoredEntry, StoreIdentity } from '../data-store.js'
import { BUSY_MS, configure } from './connection.js'
import { type DriverName, driverNamed, findDriver, type SqliteDatabase, type SqliteDriver } from './driver.js'
import { Metadata, prepareTables, rollBack } from './schema.js'
import { sqliteError } from './sqlite-errors.js'

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

// About 5 microseconds a change. Between slices others get their turn.
const SLICE_CHANGES = 1024
const SLICE_BYTES = 1024 * 1024

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
        settle(writer)
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

/** A store in a database that the caller has open, and closes after it. */
export function storeInDatabase(database: SqliteDatabase, createIfMissing: boolean): DataStore {
  const place = 'the database that was given'
  try {
    configure(database, place, BUSY_MS.eventLoop)
    prepareTables(database, place, createIfMissing)
    settle(database)
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
 * What a killed process has written may be in the system's cache only. A commit syncs all of SQLite's log, and its name;
 * and what it has goes into the database, lest a sync that failed before is taken for one that did not. It has to change
 * something: SQLite writes no page, and syncs nothing, for a row that stays as it is.
 */
function settle(writer: SqliteDatabase): void {
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

/** Where somebody reads by hand it moves less; SQLite's log stays until later then. */
function moveLogIntoDatabase(writer: SqliteDatabase): void {
  writer.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all()
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

interface Connections {
  reader: SqliteDatabase
  writer: SqliteDatabase
  close(): Promise<void>
}

class SqliteStore implements DataStore {
  readonly capabilities: StoreCapabilities = { kind: 'sqlite', durableCommit: true, persistent: true }

  readonly #place: string
  readonly #connections: Connections
  readonly #metadata: Metadata
  readonly #get
  readonly #page
  readonly #pageReversed
  #lastWrite: Promise<unknown> = Promise.resolve()
  #failure: unknown
  #runningCalls = 0
  #onIdle: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(place: string, connections: Connections) {
    const { reader } = connections
    const range = 'SELECT key, value FROM holdfast_entries WHERE key >= ? AND key < ? ORDER BY key'
    this.#place = place
    this.#connections = connections
    this.#metadata = new Metadata(reader)
    this.#get = reader.prepare('SELECT value FROM holdfast_entries WHERE key = ?')
    this.#page = reader.prepare(`${range} LIMIT ?`)
    this.#pageReversed = reader.prepare(`${range} DESC LIMIT ?`)
    // A mark or an identity that is damaged is told now.
    this.#metadata.mark()
    this.#metadata.identity()
  }

  identity(): Promise<StoreIdentity | undefined> {
    return this.#call(async () => this.#metadata.identity())
  }

  setIdentity(identity: StoreIdentity): Promise<void> {
    return this.#call(() => this.#inTurn(() => this.#commit(async metadata => metadata.write('identity', identity))))
  }

  mark(): Promise<Mark> {
    return this.#call(async () => this.#metadata.mark())
  }

  get(key: EncodedKey): Promise<Buffer | undefined> {
    return this.#call(async () => this.#valueOf(key))
  }

  getMany(keys: EncodedKey[]): Promise<(Buffer | undefined)[]> {
    return this.#call(async () => keys.map(key => this.#valueOf(key)))
  }

  page({ from, to, reverse, limit }: Page): Promise<StoredEntry[]> {
    return this.#call(async () => {
      const statement = reverse ? this.#pageReversed : this.#page
      // An empty lower end is before every key, as a key of no bytes would be: drivers bind empty bytes as NULL.
      const rows = statement.all(from === '' ? '' : bytesOf(from), bytesOf(to), limit) as Entry[]
      return rows.map(({ key, value }) => ({ key: bufferOf(key).latin1Slice(), value: bufferOf(value) }))
    })
  }

  apply(changes: Change[], mark: Mark): Promise<void> {
    return this.#call(() =>
      this.#inTurn(() =>
        this.#commit(async metadata => {
          await this.#write(changes)
          metadata.write('mark', mark)
        }),
      ),
    )
  }

  /** What can be read has been committed, and so synced, by whichever handle. */
  flushedLsn(): Promise<Lsn> {
    return this.#call(async () => this.#metadata.mark().appliedLsn)
  }

  flush(): Promise<void> {
    return this.#call(async () => {})
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeOnce()
    return this.#closing
  }

  async #closeOnce(): Promise<void> {
    if (this.#runningCalls > 0) await new Promise<void>(resolve => (this.#onIdle = resolve))
    await this.#connections.close()
  }

  #valueOf(key: EncodedKey): Buffer | undefined {
    const row = this.#get.get(bytesOf(key)) as Entry | undefined
    return row ? bufferOf(row.value) : undefined
  }

  async #write(changes: Change[]): Promise<void> {
    const { reader, writer } = this.#connections
    const upsert = writer.prepare(
      'INSERT INTO holdfast_entries VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    )
    const remove = writer.prepare('DELETE FROM holdfast_entries WHERE key = ?')
    let sliceBytes = 0
    let sliceChanges = 0
    for (const { key, value } of changes) {
      if (value === undefined) remove.run(bytesOf(key))
      else {
        const [map = '', ...segments] = decodeSegments(key)
        upsert.run(bytesOf(key), map, JSON.stringify(segments), value)
      }
      sliceBytes += value === undefined ? 0 : value.length
      if (++sliceChanges < SLICE_CHANGES && sliceBytes < SLICE_BYTES) continue
      sliceBytes = sliceChanges = 0
      // On a connection that is not ours alone, anybody's turn would be within this transaction.
      if (reader !== writer) await nextTurn()
    }
  }

  /** One transaction. Nothing is written through this handle after one that failed. */
  async #commit(write: (metadata: Metadata) => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw stoppedError(this.#place, this.#failure)
    const { writer } = this.#connections
    try {
      writer.exec('BEGIN IMMEDIATE')
      try {
        await write(new Metadata(writer))
        writer.exec('COMMIT')
      } catch (error) {
        rollBack(writer)
        throw error
      }
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw closedError(this.#place)
    this.#runningCalls += 1
    try {
      return await call()
    } catch (error) {
      throw sqliteError(`The store in ${this.#place} failed`, error)
    } finally {
      this.#runningCalls -= 1
      if (this.#runningCalls === 0) this.#onIdle?.()
    }
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const turn = this.#lastWrite.then(write)
    // Its caller gets the error; the next in line looks at `#failure` instead.
    this.#lastWrite = turn.catch(() => undefined)
    return turn
  }
}

interface Entry {
  key: Uint8Array
  value: Uint8Array
}

function bytesOf(key: EncodedKey): Buffer {
  return Buffer.from(key, 'latin1')
}

/** The bytes as a Buffer over the same memory, which the driver has made for this row. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function closedError(place: string): AgentMemoryError {
  return new AgentMemoryError('CLOSED', { message: `The store in ${place} is closed`, next: 'Open it again' })
}

function stoppedError(place: string, cause: unknown): AgentMemoryError {
  return new AgentMemoryError('STORE_DOWN', {
    message: `The store in ${place} takes no more writes, because an earlier one failed`,
    next: 'Close it in every thread and open it again',
    cause,
  })
}
