/** The stores that have a name, and how each is opened. */
import { join } from 'node:path'
import { WrongCallError } from './core/errors.js'
import type { StoreOpener } from './engine/config.js'
import type { FileSystem } from './io/file-system.js'
import type { PostgresPlace, StorePlace } from './location.js'
import { badOption, checkObject } from './option-checks.js'
import { openFilesStore } from './stores/files/open.js'
import { InMemoryStore } from './stores/in-memory.js'
import { type LevelThreadOptions, openLevelStore } from './stores/level/level.js'
import {
  openerByUrl,
  type PostgresStoreOpener,
  type PostgresStoreOptions,
  postgresConfig,
} from './stores/postgres/postgres.js'
import { findDriver } from './stores/sqlite/driver.js'
import { openSqliteStore, type SqliteThreadOptions } from './stores/sqlite/sqlite.js'

// Some 3 microseconds of the event loop an entry, and 1,500 entries at most: a thread takes 100 ms of a core to start.
const LEVEL_THREAD_FROM_BYTES = 512 * 1024
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

/** How the store is kept that the location `postgres://…` names. */
export interface PostgresStoreChoice extends Omit<PostgresStoreOptions, 'memory' | 'schema'> {
  kind: 'postgres'
}

/** The store that the location names, or else the option. INVALID_OPTION for both, unless they are of one kind. */
export function openerOf(
  place: StorePlace | undefined,
  option: unknown,
  folder: string,
  fileSystem: FileSystem,
): StoreOpener {
  if (place === undefined) return storeOpener(option ?? 'level', join(folder, 'store'), fileSystem)
  if (place.kind === 'files' && (option === undefined || option === 'files' || isFilesChoice(option))) {
    return storeOpener(option ?? 'files', place.path, fileSystem)
  }
  if (place.kind === 'sqlite' && option === undefined) return sqliteOpener(place.path)
  if (place.kind === 'postgres' && (option === undefined || option === 'postgres' || isPostgresChoice(option))) {
    return postgresOpener(place, typeof option === 'object' ? option : {})
  }
  throw new WrongCallError('INVALID_OPTION', {
    message: `The option "store" was given, and the location names a store of the kind "${place.kind}" already`,
    next: 'Leave the option out, or give the path of a folder as the location',
  })
}

/** `folder`: of a store that lives in a folder of its own. */
function storeOpener(store: unknown, folder: string, fileSystem: FileSystem): StoreOpener {
  if (store === 'level') return levelOpener(folder)
  if (store === 'files') return filesOpener(folder, fileSystem, {})
  if (store === 'in-memory') return { kind: 'in-memory', open: async () => new InMemoryStore() }
  if (isOpener(store)) return store
  if (isFilesChoice(store)) return filesOpener(folder, fileSystem, store)
  throw new WrongCallError('INVALID_OPTION', {
    message: `The option "store" is ${typeof store === 'string' ? `"${store}"` : typeof store}`,
    next: "Give 'level', 'files', 'in-memory', or an object with kind and open(); a location such as 'sqlite:./memory.db' names others",
  })
}

/** The store in a database file. DRIVER_MISSING, before anything is made, where there is no SQLite. */
function sqliteOpener(path: string): StoreOpener {
  const { name: driver, canBeEnded } = findDriver()
  const inThread = {
    module: new URL('./stores/sqlite/sqlite.js', import.meta.url).href,
    options: { path, driver } satisfies SqliteThreadOptions,
  }
  return {
    kind: 'sqlite',
    place: path,
    ...(canBeEnded && { inThread }),
    open: create => openSqliteStore(path, { createIfMissing: create, driver }),
  }
}

function levelOpener(folder: string): StoreOpener {
  return {
    kind: 'level',
    inThread: {
      module: new URL('./stores/level/level.js', import.meta.url).href,
      options: { folder } satisfies LevelThreadOptions,
      fromBytes: LEVEL_THREAD_FROM_BYTES,
    },
    open: create => openLevelStore(folder, { createIfMissing: create }),
  }
}

function filesOpener(folder: string, fileSystem: FileSystem, choice: Partial<FilesStoreChoice>): StoreOpener {
  checkObject(choice, 'store', ['kind', 'adoptEdits'])
  let { adoptEdits = false } = choice
  if (typeof adoptEdits !== 'boolean') throw badOption('adoptEdits', adoptEdits, 'true or false')
  return {
    kind: 'files',
    place: folder,
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
  return typeof store === 'object' && store !== null && 'kind' in store && store.kind === 'files' && !('open' in store)
}

function postgresOpener(place: PostgresPlace, choice: Partial<PostgresStoreChoice>): PostgresStoreOpener {
  checkObject(choice, 'store', ['kind', 'migrate', 'json', 'ownerWaitMs'])
  const { kind: _kind, ...options } = choice
  return openerByUrl(place.url, place.path, postgresConfig({ ...options, memory: place.memory, schema: place.schema }))
}

function isPostgresChoice(store: unknown): store is PostgresStoreChoice {
  return (
    typeof store === 'object' && store !== null && 'kind' in store && store.kind === 'postgres' && !('open' in store)
  )
}

function isOpener(store: unknown): store is StoreOpener {
  return typeof store === 'object' && store !== null && 'kind' in store && 'open' in store
}
