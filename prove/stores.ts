/**
 * The stores that the laboratory can run over: where a memory over each of them is in a folder, and how the bare store is
 * given to the store suite. A store more is an entry more.
 */
import { join } from 'node:path'
import { Option } from 'commander'
import { AgentMemory, type AgentMemoryOptions, type StoreOpener } from '../src/index.js'
import { nodeFileSystem } from '../src/io/node-file-system.js'
import type { DataStore } from '../src/stores/data-store.js'
import { openFilesStore } from '../src/stores/files/open.js'
import { InMemoryStore } from '../src/stores/in-memory.js'
import { openLevelStore } from '../src/stores/level/level.js'
import { findDriver } from '../src/stores/sqlite/driver.js'
import { openSqliteStore } from '../src/stores/sqlite/sqlite.js'
import { SimulatedDisk } from '../src/testing/simulated-disk.js'

export interface LabStore {
  /** The location that a memory in a folder of its own is opened by. */
  location(folder: string): string
  /** What opening it takes besides. */
  options?(folder: string): AgentMemoryOptions
  /** The bare store, at a place where none is yet, or one that was closed. */
  bare: readonly BareStore[]
  /** Why it cannot run here, if so. */
  notRun?(): string | undefined
}

export interface BareStore {
  /** On what, if there are several. */
  on?: string
  /** `place`: a path in a folder that is there. Another one is another store. */
  open(place: string): Promise<DataStore>
  /** Lets go of what a store at a place, now closed, has left elsewhere than there. */
  forget?(place: string): void
  /** What is left out of the store suite, by the names of its cases, and why. */
  without?: { cases: RegExp; why: string }
}

const disks = new Map<string, SimulatedDisk>()

export const LAB_STORES = {
  level: {
    location: folder => folder,
    bare: [{ open: place => openLevelStore(place) }],
  },
  sqlite: {
    location: folder => `sqlite:${join(folder, 'memory.db')}`,
    bare: [{ open: place => openSqliteStore(place) }],
    notRun: () => reasonOf(findDriver),
  },
  files: {
    location: folder => `files:${folder}`,
    bare: [
      {
        on: 'a simulated disk',
        open: place => openFilesStore(diskOf(place), '/store'),
        forget: place => void disks.delete(place),
      },
      {
        on: 'the real disk',
        open: place => openFilesStore(nodeFileSystem, place),
        without: {
          cases:
            /65,536|one moment|behind it|nobody waited for|at once with an apply|random steps|make the whole range/,
          why: 'thousands of files, each with its sync',
        },
      },
    ],
  },
  'in-memory': {
    location: folder => folder,
    options: () => ({ store: 'in-memory' }),
    bare: [{ open: async () => new InMemoryStore() }],
  },
} satisfies Record<string, LabStore>

export type StoreName = keyof typeof LAB_STORES
export const STORES = Object.keys(LAB_STORES) as StoreName[]

export function labStore(store: StoreName): LabStore {
  return LAB_STORES[store]
}

/** Opens the memory over this store in a folder. */
export function openOver(store: StoreName, folder: string, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
  const lab = labStore(store)
  return AgentMemory.open(lab.location(folder), { ...lab.options?.(folder), ...options })
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

function diskOf(place: string): SimulatedDisk {
  const disk = disks.get(place) ?? new SimulatedDisk()
  disks.set(place, disk)
  return disk
}

function reasonOf(find: () => unknown): string | undefined {
  try {
    find()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
