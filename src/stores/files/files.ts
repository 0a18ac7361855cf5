/**
 * A data store of one file a key, for people who want to open, search and diff what an agent knows.
 *
 * Many files cannot be renamed at once. So an apply is committed by a journal of all its changes, synced before the
 * first of them is carried out; an open carries out what was cut short. docs/formats/files-store.md says what a crash at
 * each step leaves.
 *
 * Always true: a file that a reader may look at is not changed. Keys of the apply that is under way are read from memory
 * by all who begin after its commit; it waits for those who began before.
 */
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { FileLock, FileSystem } from '../../io/file-system.js'
import type { Change, DataStore, Mark, Page, StoreCapabilities, StoredEntry, StoreIdentity } from '../data-store.js'
import { firstAtOrAfter } from '../sorted-keys.js'
import { forEach, replaceFile } from './durable-file.js'
import type { EntryFiles, FileChange } from './entry-files.js'
import { encodeJournal } from './journal.js'
import { encodeState, type Progress, type StoreState } from './store-state.js'
import { type Tally, withKey, withoutKey } from './tally.js'
import { type Ending, encodeValueFile } from './value-file.js'

export const STATE_FILE = 'store.json'
export const JOURNAL_FILE = 'journal'
export const ENTRIES_FOLDER = 'entries'

/** Files are made of values on the calling thread. Between slices others get their turn. */
const SLICE_CHANGES = 256

/** Where a value is at the moment of a call. */
type Source = { value: Buffer | undefined } | { key: EncodedKey; ending: Ending }

export class FilesStore implements DataStore {
  readonly capabilities: StoreCapabilities = { kind: 'files', durableCommit: true, persistent: true }

  readonly #fs: FileSystem
  readonly #folder: string
  readonly #lock: FileLock
  readonly #files: EntryFiles
  #state: StoreState
  /** Every key, with the ending of its file; as of the last commit, so that the file may be yet to come. */
  readonly #endings: Map<EncodedKey, Ending>
  /** The keys in order; `undefined` after a change of the set of keys, until the next page needs them. */
  #sorted: EncodedKey[] | undefined
  /** Committed, and not yet in all files. */
  #underWay: ReadonlyMap<EncodedKey, Buffer | undefined> | undefined
  readonly #reads = new Set<Promise<unknown>>()
  /** The end of the queue of writes. It never rejects: a failed write stays in `#failure`. */
  #lastWrite: Promise<unknown> = Promise.resolve()
  #failure: unknown
  #closing: Promise<void> | undefined

  /** For `openFilesStore`: state and files are one, and the lock is held. */
  constructor(
    fs: FileSystem,
    folder: string,
    lock: FileLock,
    files: EntryFiles,
    state: StoreState,
    endings: Map<EncodedKey, Ending>,
  ) {
    this.#fs = fs
    this.#folder = folder
    this.#lock = lock
    this.#files = files
    this.#state = state
    this.#endings = endings
  }

  async identity(): Promise<StoreIdentity | undefined> {
    this.#checkOpen()
    return this.#state.identity && { ...this.#state.identity }
  }

  setIdentity({ storeId, logId, epoch }: StoreIdentity): Promise<void> {
    return this.#write(async () => {
      const state = { ...this.#state, identity: { storeId, logId, epoch } }
      await this.#replaceState(state)
      this.#state = state
    })
  }

  async mark(): Promise<Mark> {
    this.#checkOpen()
    return { ...this.#state.mark }
  }

  async get(key: EncodedKey): Promise<Buffer | undefined> {
    return (await this.getMany([key]))[0]
  }

  async getMany(keys: EncodedKey[]): Promise<(Buffer | undefined)[]> {
    this.#checkOpen()
    const sources = keys.map(key => this.#sourceOf(key))
    return this.#read(sources)
  }

  async page({ from, to, reverse, limit }: Page): Promise<StoredEntry[]> {
    this.#checkOpen()
    this.#sorted ??= [...this.#endings.keys()].sort()
    const start = firstAtOrAfter(this.#sorted, from)
    const end = Math.max(start, firstAtOrAfter(this.#sorted, to))
    const count = Math.max(0, Math.min(limit, end - start))
    const keys = reverse ? this.#sorted.slice(end - count, end).reverse() : this.#sorted.slice(start, start + count)
    // Where each value is, is settled here, before the first await: that is the moment of the page.
    const values = await this.#read(keys.map(key => this.#sourceOf(key)))
    return keys.map((key, index) => ({ key, value: values[index]! }))
  }

  apply(changes: Change[], mark: Mark): Promise<void> {
    return this.#write(() => this.#apply(changes, { ...mark }))
  }

  async flushedLsn(): Promise<Lsn> {
    this.#checkOpen()
    return this.#state.mark.appliedLsn
  }

  async flush(): Promise<void> {
    // What was applied is on stable storage, and so is what an open has found.
    this.#checkOpen()
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeOnce()
    return this.#closing
  }

  async #closeOnce(): Promise<void> {
    await this.#lastWrite
    await Promise.allSettled(this.#reads)
    await this.#lock.release()
  }

  async #apply(changes: Change[], mark: Mark): Promise<void> {
    const prepared = await preparedChanges(changes, key => {
      const ending = this.#endings.get(key)
      return ending === undefined ? [] : [ending]
    })
    const isEmpty = prepared.every(({ file, before }) => file === undefined && before.length === 0)
    const after: Progress = {
      applies: this.#state.applies + (isEmpty ? 0 : 1),
      mark,
      tally: tallyAfter(this.#state.tally, prepared),
    }
    const state = { ...after, identity: this.#state.identity }
    if (isEmpty) {
      await this.#replaceState(state)
      this.#state = state
      return
    }
    const journal = join(this.#folder, JOURNAL_FILE)
    await replaceFile(this.#fs, journal, encodeJournal({ changes, after }))
    await this.#fs.syncFolder(this.#folder)
    // Committed. Who reads from here on reads these keys from memory; the files are still others' to read.
    const readers = [...this.#reads]
    this.#take(changes, prepared, state)
    await Promise.allSettled(readers)
    await this.#files.carryOut(prepared)
    await this.#replaceState(state)
    await this.#fs.unlink(journal)
    this.#underWay = undefined
  }

  #take(changes: readonly Change[], prepared: readonly FileChange[], state: StoreState): void {
    const sizeBefore = this.#endings.size
    let sameKeys = true
    for (const { key, file } of prepared) {
      if (file !== undefined) this.#endings.set(key, file.ending)
      else if (this.#endings.delete(key)) sameKeys = false
    }
    if (!sameKeys || this.#endings.size !== sizeBefore) this.#sorted = undefined
    this.#underWay = new Map(changes.map(({ key, value }) => [key, value]))
    this.#state = state
  }

  #sourceOf(key: EncodedKey): Source {
    if (this.#underWay?.has(key)) {
      const value = this.#underWay.get(key)
      // A copy: once the apply is done, its buffers are its caller's again.
      return { value: value && Buffer.from(value) }
    }
    const ending = this.#endings.get(key)
    return ending === undefined ? { value: undefined } : { key, ending }
  }

  async #read(sources: readonly Source[]): Promise<(Buffer | undefined)[]> {
    const reading = forEach(sources, async source =>
      'ending' in source ? this.#files.read(source.key, source.ending) : source.value,
    )
    this.#reads.add(reading)
    try {
      return await reading
    } catch (error) {
      throw asStoreError(`The store in ${this.#folder} cannot be read`, error)
    } finally {
      this.#reads.delete(reading)
    }
  }

  async #replaceState(state: StoreState): Promise<void> {
    await replaceFile(this.#fs, join(this.#folder, STATE_FILE), encodeState(state))
    await this.#fs.syncFolder(this.#folder)
  }

  async #write(write: () => Promise<void>): Promise<void> {
    this.#checkOpen()
    const turn = this.#lastWrite.then(() => this.#orStop(write))
    // Its caller gets the error; the next in line looks at `#failure` instead.
    this.#lastWrite = turn.catch(() => undefined)
    return turn
  }

  /** A write that fails leaves the disk in doubt: nothing is written after it until an open has found out. */
  async #orStop(write: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw stoppedError(this.#folder, this.#failure)
    try {
      await write()
    } catch (error) {
      this.#failure = error
      throw asStoreError(`The store in ${this.#folder} failed`, error)
    }
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new AgentMemoryError('CLOSED', {
      message: `The store in ${this.#folder} is closed`,
      next: 'Open it again',
    })
  }
}

/** Changes as files. `before` says under which endings a key has files now. */
export async function preparedChanges(
  changes: readonly Change[],
  before: (key: EncodedKey) => readonly Ending[],
): Promise<FileChange[]> {
  const prepared: FileChange[] = []
  for (const { key, value } of changes) {
    const file = value && encodeValueFile(key, value)
    prepared.push({ key, file, before: before(key) })
    if (prepared.length % SLICE_CHANGES === 0) await nextTurn()
  }
  return prepared
}

function tallyAfter(tally: Tally, prepared: readonly FileChange[]): Tally {
  let after = tally
  for (const { key, file, before } of prepared) {
    if (before.length === 0 && file !== undefined) after = withKey(after, key)
    if (before.length > 0 && file === undefined) after = withoutKey(after, key)
  }
  return after
}

/** An error as an AgentMemoryError; one that already is comes back as it is. */
export function asStoreError(what: string, error: unknown): AgentMemoryError {
  if (error instanceof AgentMemoryError) return error
  return new AgentMemoryError('STORE_DOWN', {
    message: `${what}: ${error instanceof Error ? error.message : String(error)}`,
    next: 'See to the cause, then close the store and open it again',
    cause: error,
  })
}

function stoppedError(folder: string, cause: unknown): AgentMemoryError {
  return new AgentMemoryError('STORE_DOWN', {
    message: `The store in ${folder} takes no more writes, because an earlier one failed`,
    next: 'Close it and open it again',
    cause,
  })
}
