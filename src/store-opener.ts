/** The stores that have a name, and how each is opened. */
import { join } from 'node:path'
import { WrongCallError } from './core/errors.js'
import type { StoreOpener } from './engine/config.js'
import { InMemoryStore } from './stores/in-memory.js'
import { openLevelStore } from './stores/level/level.js'

export function storeOpener(store: unknown, folder: string): StoreOpener {
  if (store === 'level') return levelOpener(join(folder, 'store'))
  if (store === 'in-memory') return { kind: 'in-memory', open: async () => new InMemoryStore() }
  if (isOpener(store)) return store
  throw new WrongCallError('INVALID_OPTION', {
    message: `The option "store" is ${typeof store === 'string' ? `"${store}"` : typeof store}`,
    next: "Give 'level', 'in-memory', or an object with kind and open()",
  })
}

function levelOpener(folder: string): StoreOpener {
  return {
    kind: 'level',
    sharedFolder: folder,
    open: create => openLevelStore(folder, { createIfMissing: create }),
  }
}

function isOpener(store: unknown): store is StoreOpener {
  return typeof store === 'object' && store !== null && 'kind' in store && 'open' in store
}
