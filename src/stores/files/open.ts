/** Opening a files store: is it one, who has it open, and is there an apply to be carried out? */
import { dirname, join } from 'node:path'
import { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { FileLock, FileSystem } from '../../io/file-system.js'
import type { DataStore } from '../data-store.js'
import { ignoring, readFile, replaceFile, TEMPORARY } from './durable-file.js'
import { editsIn } from './edits.js'
import { EntryFiles, type Listing } from './entry-files.js'
import { asStoreError, ENTRIES_FOLDER, FilesStore, JOURNAL_FILE, preparedChanges, STATE_FILE } from './files.js'
import { decodeJournal } from './journal.js'
import { lost, otherFiles, otherJournal, stateGone, twoFiles } from './open-errors.js'
import { decodeState, encodeState, NEW_STATE, type StoreState } from './store-state.js'
import { isSame, tallyOf } from './tally.js'
import type { Ending } from './value-file.js'

const LOCK_FILE = 'owner.lock'
/** What may stand in a folder that is yet to be a store, next to names that begin with a dot. */
const ALLOWED_BEFORE = new Set([LOCK_FILE, STATE_FILE + TEMPORARY, ENTRIES_FOLDER, 'lost+found'])

export interface FilesStoreOptions {
  /**
   * Make a store where there is none. With `false`, that is STORE_LOST.
   *
   * @defaultValue true
   */
  createIfMissing?: boolean
  /**
   * Take what was changed by hand, has come or is gone for what the store is to hold. Reads every file.
   *
   * @defaultValue false: that is STORE_CORRUPT
   * @see docs/formats/files-store.md, "Edits by hand"
   */
  adoptEdits?: boolean
}

/**
 * Opens the files store in `folder`. The folder is made if it is not there; its parent must be.
 *
 * @throws AgentMemoryError OWNED_ELSEWHERE if it is open already; STORE_LOST if there is none and `createIfMissing` is
 * `false`; NOT_A_MEMORY if the folder holds something else; STORE_CORRUPT for damage, and for what was changed by hand;
 * FORMAT_TOO_NEW; STORE_DOWN for errors of the disk.
 */
export async function openFilesStore(
  fs: FileSystem,
  folder: string,
  { createIfMissing = true, adoptEdits = false }: FilesStoreOptions = {},
): Promise<DataStore> {
  let lock: FileLock | undefined
  try {
    await prepareFolder(fs, folder, createIfMissing)
    lock = await fs.lock(join(folder, LOCK_FILE))
    if (lock === undefined) throw ownedElsewhere(folder)
    const opening = new Opening(fs, folder)
    return await opening.open(lock, createIfMissing, adoptEdits)
  } catch (error) {
    await Promise.allSettled([lock?.release()])
    throw asStoreError(`The store in ${folder} cannot be opened`, error)
  }
}

class Opening {
  readonly #fs: FileSystem
  readonly #folder: string
  readonly #files: EntryFiles

  constructor(fs: FileSystem, folder: string) {
    this.#fs = fs
    this.#folder = folder
    this.#files = new EntryFiles(fs, join(folder, ENTRIES_FOLDER))
  }

  async open(lock: FileLock, createIfMissing: boolean, adoptEdits: boolean): Promise<DataStore> {
    await this.#removeTemporary()
    const found = await this.#readState()
    if (found === undefined && !createIfMissing) throw lost(this.#folder)
    await ignoring('EEXIST', () => this.#fs.makeFolder(join(this.#folder, ENTRIES_FOLDER)))
    // A killed process may have renamed and not synced: what is seen now must be there after a power cut. And the folder
    // of the entries is there before store.json says that this is a store.
    await this.#fs.syncFolder(this.#folder)
    let state = found ?? (await this.#create())
    const listed = await this.#files.list()
    state = await this.#redo(state, listed)
    const endings = this.#oneEach(listed)
    const tally = tallyOf(endings.keys())
    if (!adoptEdits) {
      if (!isSame(tally, state.tally)) throw otherFiles(this.#folder, state.tally.count, tally.count)
      return new FilesStore(this.#fs, this.#folder, lock, this.#files, state, endings)
    }
    const edits = await editsIn(this.#files, endings, Math.max(1, state.mark.appliedLsn))
    const store = new FilesStore(this.#fs, this.#folder, lock, this.#files, { ...state, tally }, endings)
    if (edits.length > 0 || !isSame(tally, state.tally)) await store.apply(edits, state.mark)
    return store
  }

  async #removeTemporary(): Promise<void> {
    for (const name of [STATE_FILE, JOURNAL_FILE]) {
      await ignoring('ENOENT', () => this.#fs.unlink(join(this.#folder, name + TEMPORARY)))
    }
  }

  async #readState(): Promise<StoreState | undefined> {
    const path = join(this.#folder, STATE_FILE)
    const bytes = await readFile(this.#fs, path)
    return bytes && decodeState(bytes, path)
  }

  async #create(): Promise<StoreState> {
    // store.json is made before anything is in there, so without it there is nothing; or it is what is missing.
    if ((await this.#fs.list(join(this.#folder, ENTRIES_FOLDER))).length > 0) {
      throw stateGone(this.#folder)
    }
    await replaceFile(this.#fs, join(this.#folder, STATE_FILE), encodeState(NEW_STATE))
    await this.#fs.syncFolder(this.#folder)
    return NEW_STATE
  }

  /** Carries out the apply that was cut short, if there is one. `listed` is then as it is after that. */
  async #redo(state: StoreState, listed: Listing): Promise<StoreState> {
    const path = join(this.#folder, JOURNAL_FILE)
    const bytes = await readFile(this.#fs, path)
    if (bytes === undefined) return state
    const { changes, after } = decodeJournal(bytes, path)
    let redone = state
    if (after.applies !== state.applies) {
      if (after.applies !== state.applies + 1) throw otherJournal(path)
      const prepared = await preparedChanges(changes, key => listed.get(key) ?? [])
      await this.#files.carryOut(prepared)
      for (const { key, file } of prepared) {
        if (file === undefined) listed.delete(key)
        else listed.set(key, [file.ending])
      }
      redone = { ...after, identity: state.identity }
      await replaceFile(this.#fs, join(this.#folder, STATE_FILE), encodeState(redone))
      await this.#fs.syncFolder(this.#folder)
    }
    await this.#fs.unlink(path)
    return redone
  }

  #oneEach(listed: Listing): Map<EncodedKey, Ending> {
    const endings = new Map<EncodedKey, Ending>()
    for (const [key, [ending, other]] of listed) {
      if (other !== undefined) throw twoFiles(this.#files.pathOf(key, other), ending!)
      endings.set(key, ending!)
    }
    return endings
  }
}

/** Makes the folder if it is missing and may be made; changes nothing where something else is. */
async function prepareFolder(fs: FileSystem, folder: string, createIfMissing: boolean): Promise<void> {
  const names = await ignoring('ENOENT', () => fs.list(folder))
  if (names?.includes(STATE_FILE)) return
  if (!createIfMissing) throw lost(folder)
  const other = names?.find(name => !name.startsWith('.') && !ALLOWED_BEFORE.has(name))
  if (other !== undefined) {
    throw new AgentMemoryError('NOT_A_MEMORY', {
      message: `The folder ${folder} holds other files (${other}) and no ${STATE_FILE}`,
      next: 'Give a folder of its own to the store: an empty one, or one that does not exist yet',
    })
  }
  if (names === undefined) await ignoring('EEXIST', () => fs.makeFolder(folder))
  await fs.syncFolder(dirname(folder))
}

function ownedElsewhere(folder: string): AgentMemoryError {
  return new AgentMemoryError('OWNED_ELSEWHERE', {
    message: `The store in ${folder} is already open`,
    next: 'Close it in the process that has it open, or use another folder',
  })
}
