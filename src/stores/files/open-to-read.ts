/**
 * A files store that nobody has open, for reading only: it changes nothing, also where an open would carry an apply out.
 * Whatever is damaged leaves the rest readable.
 */
import { join } from 'node:path'
import { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { FileSystem } from '../../io/file-system.js'
import { readFile } from './durable-file.js'
import { EntryFiles, type Listing } from './entry-files.js'
import { asStoreError, ENTRIES_FOLDER, JOURNAL_FILE, STATE_FILE } from './files.js'
import { decodeJournal, type Journal } from './journal.js'
import { lost, otherFiles, otherJournal, stateGone, twoFiles } from './open-errors.js'
import { decodeState, type StoreState } from './store-state.js'
import { isSame, tallyOf } from './tally.js'

export class FilesToRead {
  /** What is wrong with the store beside single entries: some of those may be missing, or older than they were. */
  readonly damage: readonly AgentMemoryError[]
  /** All keys, in order. */
  readonly keys: readonly EncodedKey[]
  readonly #files: EntryFiles
  readonly #listed: Listing
  readonly #underWay: ReadonlyMap<EncodedKey, Buffer | undefined>
  readonly #state: StoreState | AgentMemoryError

  constructor(
    damage: readonly AgentMemoryError[],
    files: EntryFiles,
    listed: Listing,
    underWay: ReadonlyMap<EncodedKey, Buffer | undefined>,
    state: StoreState | AgentMemoryError,
  ) {
    this.damage = damage
    this.keys = keysOf(listed, underWay)
    this.#files = files
    this.#listed = listed
    this.#underWay = underWay
    this.#state = state
  }

  /** Whose it is and how far, an apply that was cut short included. Throws what is wrong with `store.json`. */
  state(): StoreState {
    if (this.#state instanceof AgentMemoryError) throw this.#state
    return this.#state
  }

  /** The stored value of one of the keys. @throws AgentMemoryError if it is damaged or cannot be read */
  async read(key: EncodedKey): Promise<Buffer> {
    const underWay = this.#underWay.get(key)
    if (underWay !== undefined) return underWay
    const [ending, other] = this.#listed.get(key) ?? []
    if (other !== undefined) throw twoFiles(this.#files.pathOf(key, other), ending!)
    try {
      return await this.#files.read(key, ending!)
    } catch (error) {
      throw asStoreError(`The file ${this.#files.pathOf(key, ending!)} cannot be read`, error)
    }
  }
}

/** @throws AgentMemoryError STORE_LOST if there is none; FORMAT_TOO_NEW; STORE_DOWN for errors of the disk */
export async function openFilesToRead(fs: FileSystem, folder: string): Promise<FilesToRead> {
  try {
    const files = new EntryFiles(fs, join(folder, ENTRIES_FOLDER))
    const damage: AgentMemoryError[] = []
    const listed = await files.listToRead(damage)
    const found = await stateIn(fs, folder)
    if (found === undefined && listed.size === 0) throw lost(folder)
    const state = found ?? stateGone(folder)
    const journal = await journalIn(fs, folder, state, damage)
    const underWay = new Map(journal?.changes.map(({ key, value }) => [key, value]))
    if (state instanceof AgentMemoryError) return new FilesToRead(damage, files, listed, underWay, state)
    const after = journal === undefined ? state : { ...journal.after, identity: state.identity }
    const tally = tallyOf(keysOf(listed, underWay))
    if (!isSame(tally, after.tally)) damage.push(otherFiles(folder, after.tally.count, tally.count))
    return new FilesToRead(damage, files, listed, underWay, after)
  } catch (error) {
    throw asStoreError(`The store in ${folder} cannot be read`, error)
  }
}

async function stateIn(fs: FileSystem, folder: string): Promise<StoreState | AgentMemoryError | undefined> {
  const path = join(folder, STATE_FILE)
  const bytes = await readFile(fs, path)
  return bytes && orDamage(() => decodeState(bytes, path))
}

/** The journal of an apply that was cut short, if there is one. */
async function journalIn(
  fs: FileSystem,
  folder: string,
  state: StoreState | AgentMemoryError,
  damage: AgentMemoryError[],
): Promise<Journal | undefined> {
  const path = join(folder, JOURNAL_FILE)
  const bytes = await readFile(fs, path)
  const journal = bytes && orDamage(() => decodeJournal(bytes, path))
  if (journal instanceof AgentMemoryError) {
    damage.push(journal)
    return undefined
  }
  // Without the state nobody can tell; it is the newest apply then, and carried out twice it comes to the same.
  if (journal === undefined || state instanceof AgentMemoryError) return journal
  if (journal.after.applies === state.applies) return undefined
  if (journal.after.applies === state.applies + 1) return journal
  damage.push(otherJournal(path))
  return undefined
}

function orDamage<T>(decode: () => T): T | AgentMemoryError {
  try {
    return decode()
  } catch (error) {
    if (error instanceof AgentMemoryError && error.code === 'STORE_CORRUPT') return error
    throw error
  }
}

function keysOf(listed: Listing, underWay: ReadonlyMap<EncodedKey, Buffer | undefined>): EncodedKey[] {
  const keys = new Set(listed.keys())
  for (const [key, value] of underWay) {
    if (value === undefined) keys.delete(key)
    else keys.add(key)
  }
  return [...keys].sort()
}
