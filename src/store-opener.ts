/** The stores that have a name, and how each is opened. */
import { WrongCallError } from './core/errors.js'
import type { StoreOpener } from './engine/config.js'
import type { FileSystem } from './io/file-system.js'
import { badOption, checkObject } from './option-checks.js'
import { openFilesStore } from './stores/files/open.js'
import { InMemoryStore } from './stores/in-memory.js'
import { openLevelStore } from './stores/level/level.js'

// Each of them is a file that is synced, some hundreds a second.
const FILES_RUN_KEYS_MAX = 512

/** One file a key, in the folder that the location `files:…` names, or in `store/` of the memory. */
export interface FilesStoreChoice {
  kind: 'files'
  /**
   * Take files that were changed, put there or removed by hand, since the store was last open, for what it is to hold.
   * Ask for it once: what it takes for an edit may be damage.
   *
   * @defaultValue false: they are STORE_CORRUPT
   * @see docs/formats/files-store.md, "Edits by hand"
   */
  adoptEdits?: boolean
}

/** How a store is opened that lives in a folder of its own, if it lives in one. */
export function storeOpener(store: unknown, folder: string, fileSystem: FileSystem): StoreOpener {
  if (store === 'level') return levelOpener(folder)
  if (store === 'files') return filesOpener(folder, fileSystem, {})
  if (store === 'in-memory') return { kind: 'in-memory', open: async () => new InMemoryStore() }
  if (isOpener(store)) return store
  if (isFilesChoice(store)) return filesOpener(folder, fileSystem, store)
  throw new WrongCallError('INVALID_OPTION', {
    message: `The option "store" is ${typeof store === 'string' ? `"${store}"` : typeof store}`,
    next: "Give 'level', 'files', 'in-memory', or an object with kind and open()",
  })
}

function levelOpener(folder: string): StoreOpener {
  return {
    kind: 'level',
    sharedFolder: folder,
    open: create => openLevelStore(folder, { createIfMissing: create }),
  }
}

function filesOpener(folder: string, fileSystem: FileSystem, choice: Partial<FilesStoreChoice>): StoreOpener {
  checkObject(choice, 'store', ['kind', 'adoptEdits'])
  let { adoptEdits = false } = choice
  if (typeof adoptEdits !== 'boolean') throw badOption('adoptEdits', adoptEdits, 'true or false')
  return {
    kind: 'files',
    location: folder,
    runKeysMax: FILES_RUN_KEYS_MAX,
    async open(create) {
      const store = await openFilesStore(fileSystem, folder, { createIfMissing: create, adoptEdits })
      // Opened again, after an error, it belongs to a memory that has values in RAM: no file may be newer than those.
      adoptEdits = false
      return store
    },
  }
}

function isFilesChoice(store: unknown): store is FilesStoreChoice {
  return typeof store === 'object' && store !== null && 'kind' in store && store.kind === 'files'
}

function isOpener(store: unknown): store is StoreOpener {
  return typeof store === 'object' && store !== null && 'kind' in store && 'open' in store
}
