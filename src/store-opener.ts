/** The stores that have a name, and how each is opened. */
import { join } from 'node:path'
import { WrongCallError } from './core/errors.js'
import type { StoreOpener } from './engine/config.js'
import type { StorePlace } from './location.js'
import { InMemoryStore } from './stores/in-memory.js'
import { type LevelThreadOptions, openLevelStore } from './stores/level/level.js'
import { findDriver } from './stores/sqlite/driver.js'
import { openSqliteStore, type SqliteThreadOptions } from './stores/sqlite/sqlite.js'

/** The store that the location names, or else the option. INVALID_OPTION for both. */
export function openerOf(place: StorePlace | undefined, option: unknown, folder: string): StoreOpener {
  if (place === undefined) return storeOpener(option ?? 'level', folder)
  if (option === undefined) return sqliteOpener(place.path)
  throw new WrongCallError('INVALID_OPTION', {
    message: `The option "store" was given, and the location names a store of the kind "${place.kind}" already`,
    next: 'Leave the option out, or give the path of a folder as the location',
  })
}

function storeOpener(store: unknown, folder: string): StoreOpener {
  if (store === 'level') return levelOpener(join(folder, 'store'))
  if (store === 'in-memory') return { kind: 'in-memory', open: async () => new InMemoryStore() }
  if (isOpener(store)) return store
  throw new WrongCallError('INVALID_OPTION', {
    message: `The option "store" is ${typeof store === 'string' ? `"${store}"` : typeof store}`,
    next: "Give 'level', 'in-memory', or an object with kind and open(); other stores are named by the location, as in 'sqlite:./memory.db'",
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
    },
    open: create => openLevelStore(folder, { createIfMissing: create }),
  }
}

function isOpener(store: unknown): store is StoreOpener {
  return typeof store === 'object' && store !== null && 'kind' in store && 'open' in store
}
