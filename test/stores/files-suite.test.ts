// The conformance suite: every case on a simulated disk, where a sync costs nothing, and those with small applies on the
// real one.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeFileSystem } from '../../src/io/node-file-system.js'
import type { DataStore } from '../../src/stores/data-store.js'
import { openFilesStore } from '../../src/stores/files/open.js'
import { SimulatedDisk, storeSuite } from '../../src/testing/index.js'

const diskOf = new Map<DataStore, SimulatedDisk>()
async function openOn(disk: SimulatedDisk): Promise<DataStore> {
  const store = await openFilesStore(disk, '/store')
  diskOf.set(store, disk)
  return store
}

storeSuite({
  name: 'files, simulated disk',
  open: () => openOn(new SimulatedDisk()),
  reopen: closed => openOn(diskOf.get(closed)!),
  destroy: async closed => void diskOf.delete(closed),
})

const folderOf = new Map<DataStore, string>()
async function openIn(folder: string): Promise<DataStore> {
  const store = await openFilesStore(nodeFileSystem, join(folder, 'store'))
  folderOf.set(store, folder)
  return store
}

// Thousands of files, again and again, each with its sync: minutes on a disk that others use too.
const MANY_FILES =
  /65,536|one moment|behind it|nobody waited for|at once with an apply|random steps|make the whole range/

storeSuite({
  name: 'files',
  open: async () => openIn(await mkdtemp(join(tmpdir(), 'holdfast-files-'))),
  reopen: closed => openIn(folderOf.get(closed)!),
  destroy: closed => rm(folderOf.get(closed)!, { recursive: true }),
  test: (name, body) => MANY_FILES.test(name) || test(name, body),
})
