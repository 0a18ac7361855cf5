/**
 * The simplest durable store there is on a `FileSystem`: all entries in RAM, and one file that only grows, with a record
 * for each transaction. A simulated disk can cut its power at any call, which no store with a library of its own allows.
 *
 * Always true: what is in RAM is what the records up to `#end` say; the file is written at `#end` only, so a record that
 * was torn, by a crash or by an error, is never followed by another.
 */
import { dirname, join } from 'node:path'
import { AgentMemoryError, systemCode } from '../core/errors.js'
import type { EncodedKey } from '../core/key.js'
import { type Lsn, NO_LSN } from '../core/lsn.js'
import { type File, type FileSystem, readFully, writeFully } from '../io/file-system.js'
import type {
  Change,
  DataStore,
  Mark,
  Page,
  StoreCapabilities,
  StoredEntry,
  StoreIdentity,
} from '../stores/data-store.js'
import {
  decodeRecord,
  encodeRecord,
  endAfter,
  type JournalEnd,
  type JournalRecord,
  recordAt,
} from './journal-record.js'

const FILE_NAME = 'journal'

export interface JournalStoreOptions {
  /**
   * Each transaction is synced before its call returns. If not, only `flush` syncs.
   *
   * @defaultValue true
   */
  durableCommit?: boolean
}

/** Opens the store in a folder, which is made if it is not there; its parent has to be. */
export async function openJournalStore(
  fs: FileSystem,
  folder: string,
  { durableCommit = true }: JournalStoreOptions = {},
): Promise<DataStore> {
  const file = await openFile(fs, folder)
  try {
    const journal = Buffer.alloc(await file.size())
    const count = await readFully(file, journal, 0)
    const store = new JournalStore(file, durableCommit)
    const end = store.replay(journal.subarray(0, count))
    if (end.position < journal.length) await file.truncate(end.position)
    // Also without a torn tail: a killed process may have left records that are in the page cache only, and whoever
    // reads them now must find them after a power cut.
    await file.sync()
    return store
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The journal's file, under names that are durable. */
async function openFile(fs: FileSystem, folder: string): Promise<File> {
  await ignoring('EEXIST', () => fs.makeFolder(folder))
  const path = join(folder, FILE_NAME)
  const file = (await ignoring('ENOENT', () => fs.open(path, 'write'))) ?? (await fs.open(path, 'create'))
  try {
    // At every open: names that are there may have been made by a process that died before it synced them.
    await fs.syncFolder(folder)
    await fs.syncFolder(dirname(folder))
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

async function ignoring<T>(code: string, task: () => Promise<T>): Promise<T | undefined> {
  try {
    return await task()
  } catch (error) {
    if (systemCode(error) === code) return undefined
    throw error
  }
}

class JournalStore implements DataStore {
  readonly capabilities: StoreCapabilities
  readonly #file: File
  readonly #entries = new Map<EncodedKey, Buffer>()
  #sortedKeys: EncodedKey[] | undefined
  #identity: StoreIdentity | undefined
  #mark: Mark = { appliedLsn: NO_LSN, appliedPosition: 0 }
  #flushedLsn: Lsn = NO_LSN
  #end: JournalEnd = { position: 0, crc: 0 }
  /** Writes go one after another, whoever has given up waiting for one. */
  #lastWrite: Promise<unknown> = Promise.resolve()
  #failure: unknown
  #isClosed = false

  constructor(file: File, durableCommit: boolean) {
    this.#file = file
    this.capabilities = { kind: 'journal', durableCommit, persistent: true }
  }

  /** Takes in all records up to the first that is torn; returns where it would stand. The caller syncs the file. */
  replay(journal: Buffer): JournalEnd {
    for (let record = recordAt(journal, this.#end); record !== undefined; record = recordAt(journal, this.#end)) {
      this.#take(record)
    }
    this.#flushedLsn = this.#mark.appliedLsn
    return this.#end
  }

  async identity(): Promise<StoreIdentity | undefined> {
    this.#checkOpen()
    return this.#identity && { ...this.#identity }
  }

  setIdentity(identity: StoreIdentity): Promise<void> {
    return this.#write(() => this.#append({ kind: 'identity', identity }, true))
  }

  async mark(): Promise<Mark> {
    this.#checkOpen()
    return { ...this.#mark }
  }

  async get(key: EncodedKey): Promise<Buffer | undefined> {
    this.#checkOpen()
    const value = this.#entries.get(key)
    // A copy: what a reader does to it must not change the store.
    return value && Buffer.from(value)
  }

  async getMany(keys: EncodedKey[]): Promise<(Buffer | undefined)[]> {
    this.#checkOpen()
    return Promise.all(keys.map(key => this.get(key)))
  }

  async page({ from, to, reverse, limit }: Page): Promise<StoredEntry[]> {
    this.#checkOpen()
    this.#sortedKeys ??= [...this.#entries.keys()].sort(byBytes)
    const keys = this.#sortedKeys.filter(key => key >= from && key < to)
    if (reverse) keys.reverse()
    return keys.slice(0, limit).map(key => ({ key, value: Buffer.from(this.#entries.get(key) ?? []) }))
  }

  apply(changes: Change[], mark: Mark): Promise<void> {
    return this.#write(() => this.#append({ kind: 'apply', changes, mark }, this.capabilities.durableCommit))
  }

  async flushedLsn(): Promise<Lsn> {
    this.#checkOpen()
    return this.#flushedLsn
  }

  flush(): Promise<void> {
    return this.#write(() => this.#sync())
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#lastWrite
    await this.#file.close()
  }

  async #append(record: JournalRecord, isDurable: boolean): Promise<void> {
    const bytes = encodeRecord(record, this.#end)
    await writeFully(this.#file, bytes, this.#end.position)
    // Synced before it is taken in: nobody may read what a power cut can still take from a durable store.
    if (isDurable) await this.#file.dataSync()
    this.#take(bytes)
    if (isDurable) this.#flushedLsn = this.#mark.appliedLsn
  }

  async #sync(): Promise<void> {
    await this.#file.dataSync()
    this.#flushedLsn = this.#mark.appliedLsn
  }

  /** Replay and new transactions go the same way, so that both come to the same entries. */
  #take(bytes: Buffer): void {
    const record = decodeRecord(bytes)
    this.#end = endAfter(bytes, this.#end)
    if (record.kind === 'identity') {
      this.#identity = record.identity
      return
    }
    for (const { key, value } of record.changes) {
      if (value === undefined) this.#entries.delete(key)
      else this.#entries.set(key, value)
    }
    this.#sortedKeys = undefined
    this.#mark = record.mark
  }

  #checkOpen(): void {
    if (!this.#isClosed) return
    throw new AgentMemoryError('CLOSED', { message: 'The journal store is closed', next: 'Open it again' })
  }

  async #write(task: () => Promise<void>): Promise<void> {
    this.#checkOpen()
    const write = this.#lastWrite.then(() => this.#attempt(task))
    this.#lastWrite = write.catch(() => {})
    await write
  }

  async #attempt(task: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw refused(this.#failure)
    try {
      await task()
    } catch (error) {
      // Nobody knows what the file holds behind `#end` now. Opening it again finds out.
      this.#failure = error
      throw error
    }
  }
}

function byBytes(a: EncodedKey, b: EncodedKey): number {
  return a < b ? -1 : 1
}

function refused(cause: unknown): AgentMemoryError {
  return new AgentMemoryError('IO_ERROR', {
    message: 'The journal store takes no more writes since one of them failed',
    next: 'Close it and open it again: that finds out what it holds',
    cause,
  })
}
