/**
 * The stores that the laboratory can run over: where a memory over each of them is in a folder, and how the bare store is
 * given to the store suite. A store more is an entry more.
 */
import { join, sep } from 'node:path'
import { Option } from 'commander'
import { AgentMemory, type AgentMemoryOptions, type StoreOpener } from '../src/index.js'
import { nodeFileSystem } from '../src/io/node-file-system.js'
import { parseLocation } from '../src/location.js'
import type { DataStore } from '../src/stores/data-store.js'
import type { DirectStore } from '../src/stores/direct-store.js'
import { openFilesStore } from '../src/stores/files/open.js'
import { InMemoryStore } from '../src/stores/in-memory.js'
import { openLevelStore } from '../src/stores/level/level.js'
import { openerByUrl, type PostgresStoreOpener, postgresConfig } from '../src/stores/postgres/postgres.js'
import { findDriver } from '../src/stores/sqlite/driver.js'
import { openSqliteStore } from '../src/stores/sqlite/sqlite.js'
import { SharedStore } from '../src/testing/shared-store.js'
import { SimulatedDisk } from '../src/testing/simulated-disk.js'

export interface LabStore {
  /** The location that a memory in a folder of its own is opened by. */
  location(folder: string): string
  /** What opening it takes besides. */
  options?(folder: string): AgentMemoryOptions
  /** The bare store, at a place where none is yet, or one that was closed. */
  bare: readonly BareStore[]
  /** The same without a log, of a store that nodes may share. */
  direct?: DirectStoreOfLab
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
  /** What is left out of the store suite. */
  without?: LeftOut
}

export interface DirectStoreOfLab {
  options?(folder: string): AgentMemoryOptions
  /** A handle to the one at a place: a path in a folder that is there. */
  open(place: string): Promise<DirectStore>
  /** What is left out of what memories are asked for. */
  without?: LeftOut
}

/** Cases by their names, and why. */
export interface LeftOut {
  cases: RegExp
  why: string
}

/**
 * Names the database that memories over Postgres are in; processes that the laboratory starts find it here as well. All of
 * them share its tables.
 */
export const POSTGRES_URL = 'HOLDFAST_POSTGRES_URL'
const DEADLINE_MS = 10_000

const disks = new Map<string, SimulatedDisk>()
const shared = new Map<string, SharedStore>()

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
  postgres: {
    location: folder => postgresLocation(folder),
    options: folder => ({ folder }),
    bare: [{ open: place => postgresAt(place).open(true) }],
    direct: { open: place => postgresAt(place).openDirect(DEADLINE_MS) },
  },
  'in-memory': {
    location: folder => folder,
    options: () => ({ store: 'in-memory' }),
    bare: [{ open: async () => new InMemoryStore() }],
    direct: {
      options: folder => ({ store: sharedAt(folder).opener() }),
      open: async place => sharedAt(place).direct(),
      without: { cases: /a kill/, why: 'in-memory, direct: the store goes with the process that is killed' },
    },
  },
} satisfies Record<string, LabStore>

export type StoreName = keyof typeof LAB_STORES
export const STORES = Object.keys(LAB_STORES) as StoreName[]
/** Those that are in the folder of their memory, and go where that goes. */
export const STORES_IN_FOLDERS = STORES.filter(store => store !== 'postgres')

export function labStore(store: StoreName): LabStore {
  return LAB_STORES[store]
}

/** Opens the memory over this store in a folder. */
export function openOver(store: StoreName, folder: string, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
  const lab = labStore(store)
  const own = options.log === 'none' && lab.direct !== undefined ? lab.direct : lab
  return AgentMemory.open(lab.location(folder), { ...own.options?.(folder), ...options })
}

export function storeOption(stores: readonly StoreName[]): Option {
  return new Option('--store <name>', 'what keeps the entries').choices(stores).default('level')
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

/** Each folder has a memory of its own in the one database. */
function postgresLocation(folder: string): string {
  const url = new URL(process.env[POSTGRES_URL]!)
  url.searchParams.set('memory', folder.split(sep).slice(-2).join('/'))
  return url.href
}

function postgresAt(folder: string): PostgresStoreOpener {
  const { store } = parseLocation(postgresLocation(folder))
  if (store?.kind !== 'postgres') throw new Error(`${POSTGRES_URL} is no URL of a Postgres`)
  return openerByUrl(store.url, store.path, postgresConfig({ memory: store.memory, schema: store.schema }))
}

function sharedAt(place: string): SharedStore {
  const store = shared.get(place) ?? new SharedStore()
  shared.set(place, store)
  return store
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
