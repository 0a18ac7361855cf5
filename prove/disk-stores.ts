/** The data stores that do all their file calls through a `FileSystem`, so that the power of a simulated disk cuts them too. */
import { join } from 'node:path'
import { Option } from 'commander'
import type { DataStore } from '../src/index.js'
import { openFilesStore } from '../src/stores/files/open.js'
import { openJournalStore } from '../src/testing/journal-store.js'
import type { SimulatedDisk } from '../src/testing/simulated-disk.js'

/** A small one of the laboratory's own, and files. */
export const DISK_STORES = ['journal', 'files'] as const
export type DiskStoreName = (typeof DISK_STORES)[number]

export interface DiskStore {
  kind: DiskStoreName
  open(disk: SimulatedDisk, folder: string, create: boolean): Promise<DataStore>
}

/** `durableCommit`: of the journal, which can do either. */
export function diskStore(kind: DiskStoreName, durableCommit: boolean): DiskStore {
  if (kind === 'files') {
    return {
      kind,
      open: (disk, folder, create) => openFilesStore(disk, join(folder, 'store'), { createIfMissing: create }),
    }
  }
  return { kind, open: (disk, folder) => openJournalStore(disk, join(folder, 'store'), { durableCommit }) }
}

export function diskStoreOption(): Option {
  return new Option('--store <name>', 'what keeps the entries').choices(DISK_STORES).default('journal')
}
