/** The folder `entries/`: what files there are, one read, and the changes of an apply carried out. */
import { join } from 'node:path'
import { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { FileSystem } from '../../io/file-system.js'
import { forEach, ignoring, readFile, replaceFile, TEMPORARY } from './durable-file.js'
import { folderOf, keyOfName, nameOf } from './file-name.js'
import { decodeValueFile, ENDINGS, type Ending, type ReadFile, type ValueFile } from './value-file.js'

const FOLDER_NAME = /^[0-9a-f]{2}$/
const FILE_NAME = new RegExp(`^(.+)\\.(${ENDINGS.join('|')})(\\${TEMPORARY})?$`)

/** A change, ready to be carried out. */
export interface FileChange {
  key: EncodedKey
  /** `undefined` for a delete. */
  file: ValueFile | undefined
  /** Under which endings the key has files now. */
  before: readonly Ending[]
}

/** Under which endings there are files of each key. */
export type Listing = Map<EncodedKey, Ending[]>

interface NamedFile {
  base: string
  ending: Ending
  isTemporary: boolean
  path: string
}

export class EntryFiles {
  readonly #fs: FileSystem
  readonly #path: string
  /** Folders in it that are known to be there, under durable names. */
  readonly #folders = new Set<string>()

  constructor(fs: FileSystem, path: string) {
    this.#fs = fs
    this.#path = path
  }

  pathOf(key: EncodedKey, ending: Ending): string {
    return join(this.#path, folderOf(key), `${nameOf(key)}.${ending}`)
  }

  /** All files, by key: one each, but for what an apply that was cut short has left. Removes temporary ones. */
  async list(): Promise<Listing> {
    const found: Listing = new Map()
    // A killed process may have made, renamed or unlinked what nobody has synced: what is seen now is to stay.
    await this.#fs.syncFolder(this.#path)
    for (const folder of await this.#foldersOnDisk()) {
      this.#folders.add(folder)
      await this.#fs.syncFolder(join(this.#path, folder))
      for (const { base, ending, isTemporary, path } of await this.#filesIn(folder)) {
        if (!isTemporary) add(found, folder, ending, await this.#keyOf(base, ending, path))
        else if (keyOfName(base) !== undefined) await this.#fs.unlink(path)
      }
    }
    return found
  }

  /** The same, and changes nothing. A file that does not say whose it is goes to `unreadable`. */
  async listToRead(unreadable: AgentMemoryError[]): Promise<Listing> {
    const found: Listing = new Map()
    for (const folder of (await ignoring('ENOENT', () => this.#foldersOnDisk())) ?? []) {
      for (const { base, ending, isTemporary, path } of await this.#filesIn(folder)) {
        try {
          if (!isTemporary) add(found, folder, ending, await this.#keyOf(base, ending, path))
        } catch (error) {
          if (!(error instanceof AgentMemoryError)) throw error
          unreadable.push(error)
        }
      }
    }
    return found
  }

  /** The stored value in a file. STORE_CORRUPT if it is gone, damaged, or was changed. */
  async read(key: EncodedKey, ending: Ending): Promise<Buffer> {
    const { value, isWhole } = await this.look(key, ending)
    if (isWhole) return value
    throw fileError(this.pathOf(key, ending), 'fails its checksum')
  }

  /** The same, also if its checksum does not fit. `lsn` is what one that was changed is taken to be of. */
  async look(key: EncodedKey, ending: Ending, lsn?: number): Promise<ReadFile> {
    const path = this.pathOf(key, ending)
    const content = await readFile(this.#fs, path)
    if (content === undefined) throw fileError(path, 'is gone')
    return decoded(path, ending, content, key, lsn)
  }

  /** Durable when it returns. Done twice, also after half of it, it comes to the same. */
  async carryOut(changes: readonly FileChange[]): Promise<void> {
    const touched = new Set<string>()
    for (const { key, file, before } of changes) {
      if (file !== undefined || before.length > 0) touched.add(folderOf(key))
    }
    await this.#makeFolders([...touched].filter(folder => !this.#folders.has(folder)))
    await forEach(changes, change => this.#change(change))
    await forEach([...touched], folder => this.#fs.syncFolder(join(this.#path, folder)))
  }

  async #change({ key, file, before }: FileChange): Promise<void> {
    if (file !== undefined) await replaceFile(this.#fs, this.pathOf(key, file.ending), file.content)
    for (const ending of before) {
      if (ending !== file?.ending) await ignoring('ENOENT', () => this.#fs.unlink(this.pathOf(key, ending)))
    }
  }

  async #makeFolders(folders: readonly string[]): Promise<void> {
    if (folders.length === 0) return
    await forEach(folders, folder => ignoring('EEXIST', () => this.#fs.makeFolder(join(this.#path, folder))))
    await this.#fs.syncFolder(this.#path)
    for (const folder of folders) this.#folders.add(folder)
  }

  async #foldersOnDisk(): Promise<string[]> {
    return (await this.#fs.list(this.#path)).filter(name => FOLDER_NAME.test(name))
  }

  /** Files that may be of ours, by their names. */
  async #filesIn(folder: string): Promise<NamedFile[]> {
    const files: NamedFile[] = []
    for (const name of (await this.#fs.list(join(this.#path, folder))).sort()) {
      const [, base, ending, temporary] = FILE_NAME.exec(name) ?? []
      if (base === undefined) continue
      const path = join(this.#path, folder, name)
      files.push({ base, ending: ending as Ending, isTemporary: temporary !== undefined, path })
    }
    return files
  }

  async #keyOf(base: string, ending: Ending, path: string): Promise<EncodedKey | undefined> {
    const key = keyOfName(base)
    if (key !== 'hashed') return key
    const content = await readFile(this.#fs, path)
    if (content === undefined) throw fileError(path, 'is gone')
    const said = decoded(path, ending, content, undefined, undefined).key
    return nameOf(said) === base ? said : undefined
  }
}

/** A name of ours in another folder is somebody's copy. */
function add(found: Listing, folder: string, ending: Ending, key: EncodedKey | undefined): void {
  if (key === undefined || folderOf(key) !== folder) return
  found.set(key, [...(found.get(key) ?? []), ending])
}

function decoded(
  path: string,
  ending: Ending,
  content: Buffer,
  key: EncodedKey | undefined,
  lsn: number | undefined,
): ReadFile {
  try {
    return decodeValueFile(ending, content, key, lsn)
  } catch (error) {
    if (error instanceof AgentMemoryError && error.code === 'FORMAT_TOO_NEW') throw error
    throw fileError(path, (error as Error).message, error)
  }
}

export function fileError(path: string, what: string, cause?: unknown): AgentMemoryError {
  return new AgentMemoryError('STORE_CORRUPT', {
    message: `The file ${path} ${what}`,
    next: "Put it back from a backup; or, if it was changed by hand, open once with { store: { kind: 'files', adoptEdits: true } }",
    cause,
  })
}
