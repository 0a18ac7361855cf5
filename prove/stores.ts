/** The stores that parts of the laboratory can run over, and where a memory over each of them is in a folder. */
import { join } from 'node:path'
import { Option } from 'commander'
import type { StoreOpener } from '../src/index.js'
import { openLevelStore } from '../src/stores/level/level.js'

export const STORES = ['level', 'sqlite'] as const
export type StoreName = (typeof STORES)[number]

export function locationIn(folder: string, store: StoreName): string {
  return store === 'level' ? folder : `${store}:${join(folder, 'memory.db')}`
}

export function storeOption(): Option {
  return new Option('--store <name>', 'what keeps the entries').choices(STORES).default('level')
}

/** What a command adds to be run again over the same store. */
export function storeFlag(store: StoreName): string {
  return store === 'level' ? '' : ` --store ${store}`
}

export function nameOver(part: string, store: StoreName): string {
  return store === 'level' ? part : `${part} on ${store}`
}

/** LevelDB in the folder of a memory, whose checkpoints a thread makes from the first one on. */
export function levelInThread(folder: string, writeBufferBytes?: number): StoreOpener {
  const store = join(folder, 'store')
  const module = new URL('../src/stores/level/level.js', import.meta.url).href
  return {
    kind: 'level',
    inThread: { module, options: { folder: store } },
    open: create => openLevelStore(store, { createIfMissing: create, ...(writeBufferBytes && { writeBufferBytes }) }),
  }
}
