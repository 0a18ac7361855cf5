/**
 * The default store: LevelDB, through `classic-level`. Why this one: docs/decisions/0003-level-as-the-default-store.md.
 *
 * In the database, every key starts with one byte that says what it is:
 *
 *     'd' <encoded key>   an entry, its stored value as it is
 *     'm' 'mark'          how far into the log the store is: LSN and position, 8 bytes each, CRC-32
 *     'm' 'identity'      who the store belongs to: JSON, CRC-32
 *
 * Always true here:
 * - changes and mark are one LevelDB batch, so one record of LevelDB's log, written with `sync`;
 * - one write runs at a time, in the order of the calls;
 * - after a write or a flush that failed, this handle writes nothing more. LevelDB itself stops only if the *sync* of
 *   its log failed: after a short write (a full disk) it goes on, behind a record that may be half there.
 *
 * Durability: a synced write is on stable storage, but the *name* of a new LevelDB log is not until its folder has been
 * synced. ext4, XFS and Btrfs keep a new file's name with the file's own sync; POSIX does not ask for it. `flush` syncs
 * the folder, so that a write counts as flushed on the others too. What LevelDB renames when it opens (CURRENT) stays
 * an assumption about the file system: docs/durability.md.
 *
 * Threads: a worker thread may open the folder that another thread of the process has open; both use one database. The
 * thread that opened it *first must close it last*: classic-level frees the cache of the first handle with that handle,
 * and the next read of another one crashes the process (seen with 3.0.0: SIGSEGV).
 */
import { realpath } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ClassicLevel } from 'classic-level'
import { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import { type Lsn, NO_LSN } from '../../core/lsn.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import type { Change, DataStore, Mark, Page, StoreCapabilities, StoredEntry, StoreIdentity } from '../data-store.js'
import { clearStillborn, keepToOwner, prepareFolder } from './folder.js'
import { KeptLogs } from './kept-logs.js'
import { isLocked, levelError } from './level-errors.js'
import { type LevelLog, readLevelLogs } from './level-log.js'
import { decodeIdentity, decodeMark, encodeIdentity, encodeMark, IDENTITY_KEY, MARK_KEY } from './metadata.js'
import type { BatchOperation } from './write-batch.js'

export interface LevelStoreOptions {
  /**
   * LevelDB's cache of blocks, in bytes.
   *
   * @defaultValue 8 MiB: the tier in front of it holds what is read often
   */
  cacheBytes?: number
  /**
   * How much LevelDB gathers in memory, and in its own log, before it makes a table. Larger is faster under load; an
   * open after a crash reads up to twice this much.
   *
   * @defaultValue 16 MiB
   */
  writeBufferBytes?: number
  /**
   * Make a database where there is none. With `false`, that is STORE_LOST.
   *
   * @defaultValue true
   */
  createIfMissing?: boolean
  /**
   * Refuse a database whose own log is damaged.
   *
   * @defaultValue true
   */
  checkLog?: boolean
  /**
   * Another thread of the process has it open, has looked at its log, and writes it.
   *
   * @defaultValue false
   */
  isSecondHandle?: boolean
}

type Database = ClassicLevel<Buffer, Buffer>

// A batch is built on the calling thread, at about 1.6 microseconds a change. Between slices others get their turn.
const SLICE_CHANGES = 1024
const SLICE_BYTES = 1024 * 1024

// LevelDB hands over a page in pieces of this size; its default of 16 KiB costs a hop through the thread pool each.
const PAGE_PIECE_BYTES = 1024 * 1024

/** The folders that this thread has open: see `claim`. */
const openHere = new Set<string>()

/**
 * Opens the LevelDB store in `folder`. The folder is made, with mode 0700, if it is not there; its parent must be.
 * The folder's mode keeps others out; files that LevelDB makes while it is open get mode 0600 at the next close or open.
 *
 * @throws AgentMemoryError OWNED_ELSEWHERE if another process, or this thread, has it open; STORE_LOST if there is no
 * database and `createIfMissing` is `false`; STORE_CORRUPT if LevelDB finds damage; STORE_DOWN for other errors.
 */
export async function openLevelStore(folder: string, options: LevelStoreOptions = {}): Promise<DataStore> {
  const createIfMissing = options.createIfMissing ?? true
  try {
    await prepareFolder(folder, createIfMissing)
    // LevelDB tells databases of one process apart by the spelling of their path, and the kernel's lock does not stop a
    // process that already holds it: under two spellings, two databases would write into one folder.
    const path = await realpath(folder)
    claim(path)
    try {
      if (options.isSecondHandle) return await open(path, createIfMissing, options, undefined)
      const logs = await readLevelLogs(path)
      if (options.checkLog !== false) refuseDamaged(path, logs)
      return await open(path, createIfMissing, options, await KeptLogs.keep(path, logs))
    } catch (error) {
      openHere.delete(path)
      throw error
    }
  } catch (error) {
    throw levelError(`The store in ${folder} cannot be opened`, error)
  }
}

/** What `openInThread` is given: plain data. */
export interface LevelThreadOptions {
  folder: string
}

/** Opens, in a worker thread, the store that another thread of the process has open. */
export function openInThread({ folder }: LevelThreadOptions): Promise<DataStore> {
  return openLevelStore(folder, { createIfMissing: false, isSecondHandle: true })
}

/** LevelDB would drop a damaged record of its own log without a word, and keep the mark that says it is there. */
function refuseDamaged(path: string, logs: readonly LevelLog[]): void {
  const damaged = logs.find(({ damagedAt }) => damagedAt !== undefined)
  if (damaged === undefined) return
  throw new AgentMemoryError('STORE_CORRUPT', {
    message: `LevelDB's log ${damaged.file} in ${path} is damaged at byte ${damaged.damagedAt}`,
    next: 'Restore the folder from a backup, or run "npx holdfast repair" to save what is intact into a copy',
  })
}

async function open(
  path: string,
  createIfMissing: boolean,
  options: LevelStoreOptions,
  kept: KeptLogs | undefined,
): Promise<DataStore> {
  let database = databaseIn(path, createIfMissing, options)
  try {
    await database.open()
  } catch (error) {
    // Somebody else has it open, and goes on writing: what was kept of its logs is old already.
    if (isLocked(error)) await kept?.release()
    if (!createIfMissing || isLocked(error) || !(await clearStillborn(path))) throw error
    database = databaseIn(path, createIfMissing, options)
    await database.open()
  }
  const store = new LevelStore(path, database)
  try {
    await kept?.settle({ get: key => database.get(key), write: operations => writeAgain(database, operations) })
    // Opening has replayed LevelDB's log into synced tables, so with the folder all that is there is flushed.
    await store.flush()
    await keepToOwner(path)
    return store
  } catch (error) {
    await database.close()
    throw error
  }
}

async function writeAgain(database: Database, operations: BatchOperation[]): Promise<void> {
  const batch = database.batch()
  for (const { key, value } of operations) {
    if (value === undefined) batch.del(key)
    else batch.put(key, value)
  }
  await batch.write({ sync: true })
}

function databaseIn(path: string, createIfMissing: boolean, options: LevelStoreOptions): Database {
  return new ClassicLevel(path, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    multithreading: true,
    createIfMissing,
    cacheSize: options.cacheBytes ?? 8 * 1024 * 1024,
    writeBufferSize: options.writeBufferBytes ?? 16 * 1024 * 1024,
  })
}

class LevelStore implements DataStore {
  readonly capabilities: StoreCapabilities = { kind: 'level', durableCommit: false, persistent: true }

  readonly #folder: string
  readonly #database: Database
  #flushedLsn: Lsn = NO_LSN
  /** The end of the queue of writes. It never rejects: a failed write stays in `#failure`. */
  #lastWrite: Promise<unknown> = Promise.resolve()
  #failure: unknown
  #runningCalls = 0
  #onIdle: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(folder: string, database: Database) {
    this.#folder = folder
    this.#database = database
  }

  identity(): Promise<StoreIdentity | undefined> {
    return this.#call(async () => decodeIdentity(await this.#database.get(IDENTITY_KEY)))
  }

  setIdentity(identity: StoreIdentity): Promise<void> {
    return this.#call(() =>
      this.#inTurn(async () => {
        await this.#orStop(() => this.#database.put(IDENTITY_KEY, encodeIdentity(identity), { sync: true }))
        await this.#orStop(() => nodeFileSystem.syncFolder(this.#folder))
      }),
    )
  }

  mark(): Promise<Mark> {
    return this.#call(() => this.#readMark())
  }

  get(key: EncodedKey): Promise<Buffer | undefined> {
    return this.#call(() => this.#database.get(dataKey(key)))
  }

  getMany(keys: EncodedKey[]): Promise<(Buffer | undefined)[]> {
    return this.#call(() => this.#database.getMany(keys.map(dataKey)))
  }

  page({ from, to, reverse, limit }: Page): Promise<StoredEntry[]> {
    return this.#call(async () => {
      if (limit <= 0 || from >= to) return []
      // An iterator reads from a snapshot that is taken here, before the first await.
      const iterator = this.#database.iterator({
        gte: dataKey(from),
        lt: dataKey(to),
        reverse,
        limit: Math.min(limit, 0x7fff_ffff),
        highWaterMarkBytes: PAGE_PIECE_BYTES,
      })
      const entries = await iterator.all()
      return entries.map(([key, value]) => ({ key: key.latin1Slice(1), value }))
    })
  }

  apply(changes: Change[], mark: Mark): Promise<void> {
    return this.#call(() =>
      this.#inTurn(() =>
        changes.length <= SLICE_CHANGES ? this.#applyWhole(changes, mark) : this.#applySliced(changes, mark),
      ),
    )
  }

  flushedLsn(): Promise<Lsn> {
    return this.#call(async () => this.#flushedLsn)
  }

  flush(): Promise<void> {
    return this.#call(async () => {
      // What is visible now has been synced by its apply, be it through this handle or through another thread's. If its
      // log is a new file, the name of that file is what the folder's sync is for.
      const { appliedLsn } = await this.#readMark()
      await this.#orStop(() => nodeFileSystem.syncFolder(this.#folder))
      this.#flushedLsn = Math.max(this.#flushedLsn, appliedLsn)
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeOnce()
    return this.#closing
  }

  async #closeOnce(): Promise<void> {
    if (this.#runningCalls > 0) await new Promise<void>(resolve => (this.#onIdle = resolve))
    await this.#database.close()
    openHere.delete(this.#folder)
    await keepToOwner(this.#folder)
  }

  async #readMark(): Promise<Mark> {
    return decodeMark(await this.#database.get(MARK_KEY))
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw closedError(this.#folder)
    this.#runningCalls += 1
    try {
      return await call()
    } catch (error) {
      throw levelError(`The store in ${this.#folder} failed`, error)
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

  /**
   * Few changes, as large as they may be: LevelDB's batch is gone with its write. One that is built change by change
   * keeps its memory until V8 collects it (classic-level 3.0.0), which for large values comes hundreds of MiB later.
   */
  async #applyWhole(changes: Change[], mark: Mark): Promise<void> {
    const operations = changes.map(({ key, value }) =>
      value === undefined
        ? { type: 'del' as const, key: dataKey(key) }
        : { type: 'put' as const, key: dataKey(key), value },
    )
    const last = { type: 'put' as const, key: MARK_KEY, value: encodeMark(mark) }
    await this.#orStop(() => this.#database.batch([...operations, last], { sync: true }))
  }

  /** Many changes, slice by slice. */
  async #applySliced(changes: Change[], mark: Mark): Promise<void> {
    const batch = this.#database.batch()
    try {
      let sliceBytes = 0
      let sliceChanges = 0
      for (const { key, value } of changes) {
        if (value === undefined) batch.del(dataKey(key))
        else batch.put(dataKey(key), value)
        sliceBytes += value === undefined ? 0 : value.length
        if (++sliceChanges < SLICE_CHANGES && sliceBytes < SLICE_BYTES) continue
        sliceBytes = sliceChanges = 0
        await nextTurn()
      }
      batch.put(MARK_KEY, encodeMark(mark))
      await this.#orStop(() => batch.write({ sync: true }))
    } finally {
      await batch.close()
    }
  }

  /** A step that leaves the disk in doubt if it fails: nothing is written through this handle after that. */
  async #orStop(step: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw stoppedError(this.#folder, this.#failure)
    try {
      await step()
    } catch (error) {
      this.#failure = error
      throw error
    }
  }
}

/** One handle a thread: closing the first of two would crash the process (see "Threads" above). */
function claim(path: string): void {
  if (!openHere.has(path)) {
    openHere.add(path)
    return
  }
  throw new AgentMemoryError('OWNED_ELSEWHERE', {
    message: `${path} is already open in this thread`,
    next: 'Use the store that is open, or close it first',
  })
}

function dataKey(key: EncodedKey): Buffer {
  const bytes = Buffer.allocUnsafe(key.length + 1)
  bytes[0] = 0x64 // 'd'
  bytes.latin1Write(key, 1)
  return bytes
}

function closedError(folder: string): AgentMemoryError {
  return new AgentMemoryError('CLOSED', { message: `The store in ${folder} is closed`, next: 'Open it again' })
}

function stoppedError(folder: string, cause: unknown): AgentMemoryError {
  return new AgentMemoryError('STORE_DOWN', {
    message: `The store in ${folder} takes no more writes, because an earlier one failed`,
    next: 'Close it in every thread and open it again',
    cause,
  })
}
