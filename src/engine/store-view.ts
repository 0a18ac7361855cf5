/**
 * A data store of a memory that nobody has open, for reading only.
 *
 * SQLite can be opened for that, and files be read. LevelDB cannot be opened without writing: it replays its log into new tables, starts
 * another manifest and removes what it does not need. So it is given a folder of its own, with copies of the small files
 * that it replaces and links to the tables, which it never changes. What it makes or removes there leaves the memory as it
 * was.
 */
import { copyFile, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeStoredValue, type StoredValue } from '../codec/stored-value.js'
import { AgentMemoryError, systemCode } from '../core/errors.js'
import { afterPrefix, type EncodedKey } from '../core/key.js'
import type { FileSystem } from '../io/file-system.js'
import { withoutNext } from '../log/candidates.js'
import type { DataStore, Mark, StoredEntry, StoreIdentity } from '../stores/data-store.js'
import { asStoreError } from '../stores/files/files.js'
import { type FilesToRead, openFilesToRead } from '../stores/files/open-to-read.js'
import { openLevelStore } from '../stores/level/level.js'
import { openToRead } from '../stores/sqlite/sqlite.js'

const TABLE = /\.(ldb|sst)$/
const NEEDED = /^(CURRENT|MANIFEST-\d+|\d+\.(log|log\.kept|ldb|sst))$/

// Pages are counted in entries, and entries may be of any size: the next page is as long as the last one suggests.
const PAGE_BYTES = 8 << 20
const PAGE_ENTRIES_MAX = 4096
const FIRST_PAGE_ENTRIES = 64
// Each of them may be as large as a frame.
const FILES_PAGE_ENTRIES = 16

/** An entry of a store, checked. */
export interface CheckedEntry {
  key: EncodedKey
  bytes: Buffer
  stored: StoredValue | undefined
  /** Why it cannot be read. */
  damage: AgentMemoryError | undefined
}

/** Where a store is that can be looked at. */
export interface StoreLocation {
  kind: 'level' | 'sqlite' | 'files'
  /** A folder, or a file. */
  path: string
}

export interface StoreView {
  /** What opening it has found wrong, by which entries may be missing, or older than they were. */
  readonly damage: readonly AgentMemoryError[]
  mark(): Promise<Mark>
  identity(): Promise<StoreIdentity | undefined>
  /** All entries in the order of their keys, each checked, page by page. Throws where the store cannot go on. */
  pages(): AsyncGenerator<CheckedEntry[]>
  close(): Promise<void>
}

class PagedView implements StoreView {
  readonly damage = []
  readonly #store: DataStore
  readonly #folder: string
  /** `undefined`: the store itself is open. */
  readonly #copy: string | undefined

  constructor(store: DataStore, folder: string, copy: string | undefined) {
    this.#store = store
    this.#folder = folder
    this.#copy = copy
  }

  mark(): Promise<Mark> {
    return this.#named(this.#store.mark())
  }

  identity(): Promise<StoreIdentity | undefined> {
    return this.#named(this.#store.identity())
  }

  async *pages(): AsyncGenerator<CheckedEntry[]> {
    let limit = FIRST_PAGE_ENTRIES
    // No byte of UTF-8 is FF, so this is behind every key.
    const range = { from: '', to: afterPrefix('\xff'), reverse: false }
    for (;;) {
      const entries = await this.#named(this.#store.page({ ...range, limit }))
      if (entries.length > 0) yield entries.map(checked)
      if (entries.length < limit) return
      const bytes = entries.reduce((sum, { value }) => sum + value.length, 0)
      limit = Math.max(1, Math.min(PAGE_ENTRIES_MAX, Math.floor((PAGE_BYTES * entries.length) / Math.max(1, bytes))))
      range.from = `${entries.at(-1)!.key}\0`
    }
  }

  async close(): Promise<void> {
    await this.#store.close()
    if (this.#copy !== undefined) await rm(this.#copy, { recursive: true, force: true })
  }

  async #named<T>(call: Promise<T>): Promise<T> {
    try {
      return await call
    } catch (error) {
      throw this.#copy === undefined ? error : inPlace(error, this.#copy, this.#folder)
    }
  }
}

class FilesView implements StoreView {
  readonly #files: FilesToRead

  constructor(files: FilesToRead) {
    this.#files = files
  }

  get damage(): readonly AgentMemoryError[] {
    return this.#files.damage
  }

  async mark(): Promise<Mark> {
    return this.#files.state().mark
  }

  async identity(): Promise<StoreIdentity | undefined> {
    return this.#files.state().identity
  }

  async *pages(): AsyncGenerator<CheckedEntry[]> {
    const { keys } = this.#files
    for (let at = 0; at < keys.length; at += FILES_PAGE_ENTRIES) {
      yield await Promise.all(keys.slice(at, at + FILES_PAGE_ENTRIES).map(key => this.#checked(key)))
    }
  }

  async close(): Promise<void> {}

  async #checked(key: EncodedKey): Promise<CheckedEntry> {
    try {
      return checked({ key, value: await this.#files.read(key) })
    } catch (error) {
      const damage = asStoreError('The file of an entry cannot be read', error)
      return { key, bytes: Buffer.alloc(0), stored: undefined, damage }
    }
  }
}

/** Opens a store for reading. STORE_LOST, STORE_CORRUPT, STORE_DOWN as its own opening. */
export async function openStoreView(fs: FileSystem, { kind, path }: StoreLocation): Promise<StoreView> {
  if (kind === 'level') return openLevelView(path)
  if (kind === 'files') return new FilesView(await openFilesToRead(fs, path))
  return new PagedView(await openToRead(path), path, undefined)
}

async function openLevelView(folder: string): Promise<StoreView> {
  const copy = await mkdtemp(join(tmpdir(), 'holdfast-view-'))
  try {
    await linkInto(folder, copy)
    return new PagedView(await openLevelStore(copy, { createIfMissing: false, checkLog: false }), folder, copy)
  } catch (error) {
    await rm(copy, { recursive: true, force: true })
    throw inPlace(error, copy, folder)
  }
}

function checked({ key, value }: StoredEntry): CheckedEntry {
  try {
    return { key, bytes: value, stored: decodeStoredValue(key, value), damage: undefined }
  } catch (error) {
    if (!(error instanceof AgentMemoryError) || error.code !== 'STORE_CORRUPT') throw error
    return { key, bytes: value, stored: undefined, damage: error }
  }
}

async function linkInto(folder: string, copy: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (!NEEDED.test(name)) continue
    const [from, to] = [join(folder, name), join(copy, name)]
    if (!TABLE.test(name) || !(await linked(from, to))) await copyFile(from, to)
  }
}

/** No folder is no database, which the store says itself. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Windows lets only some users make links. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await symlink(from, to)
    return true
  } catch {
    return false
  }
}

/** An error that names the real folder, not that of the view. */
function inPlace(error: unknown, copy: string, folder: string): unknown {
  if (!(error instanceof AgentMemoryError) || !error.message.includes(copy)) return error
  const message = withoutNext(error).replaceAll(copy, folder)
  return new AgentMemoryError(error.code, { message, next: error.next, cause: error })
}
