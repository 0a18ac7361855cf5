/** The data stores that do all their file calls through a `FileSystem`, so that the power of a simulated disk cuts them too. */
import { join } from 'node:path'
import { Option } from 'commander'
import type { DataStore } from '../src/index.js'
import { openFilesStore } from '../src/stores/files/open.js'
import { openJournalStore } from '../src/testing/journal-store.js'
import type { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { type Refusals, refusing } from './refusing-store.js'

/** A small one of the laboratory's own, files, and the small one with rules that some rows break. */
export const DISK_STORES = ['journal', 'files', 'refusing'] as const
export type DiskStoreName = (typeof DISK_STORES)[number]

export interface DiskStore {
  kind: DiskStoreName
  open(disk: SimulatedDisk, folder: string, create: boolean): Promise<DataStore>
}

/** `durableCommit`: of the journal, which can do either. `refusals`: of the one that refuses. */
export function diskStore(kind: DiskStoreName, durableCommit: boolean, refusals: Refusals): DiskStore {
  if (kind === 'files') {
    return {
      kind,
      open: (disk, folder, create) => openFilesStore(disk, join(folder, 'store'), { createIfMissing: create }),
    }
  }
  return {
    kind,
    async open(disk, folder) {
      const store = await openJournalStore(disk, join(folder, 'store'), { durableCommit })
      return kind === 'refusing' ? refusing(store, refusals) : store
    },
  }
}

export function diskStoreOption(): Option {
  return new Option('--store <name>', 'what keeps the entries').choices(DISK_STORES).default('journal')
}
