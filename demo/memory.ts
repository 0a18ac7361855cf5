/** How the demo opens its memory: the same way in the child, in the parent and on the simulated disk. */
import { join } from 'node:path'
import { AgentMemory, type AgentMemoryOptions, type MaxLoss, type MemoryMap } from '../src/index.js'
import { nodeFileSystem } from '../src/io/node-file-system.js'
import { openJournalStore } from '../src/testing/journal-store.js'
import type { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { withoutSync } from './no-sync.js'
import { type DemoKey, idOf, MAPS, type MapName } from './plan.js'

export type Sabotage = 'no-sync' | undefined

/** What a crash may lose of write-back: declared to the engine, which enforces it, and checked by the demo. */
export const MAX_LOSS: MaxLoss = { ms: 1000, writes: 200, bytes: 256 * 1024 }

// Small segments, so that the log starts new ones and releases old ones while the demo runs.
const OPTIONS: AgentMemoryOptions = { maxLoss: MAX_LOSS, segmentBytesMax: 512 * 1024 }

export const SIMULATED_FOLDER = '/memory'

export type DemoMaps = Record<MapName, MemoryMap<unknown, DemoKey>>

/** An entry as it was found after a crash. */
export interface FoundEntry {
  id: string
  value: unknown
  version: number
}

export function openOnDisk(folder: string, sabotage: Sabotage): Promise<AgentMemory> {
  const fileSystem = sabotage === undefined ? nodeFileSystem : withoutSync(nodeFileSystem)
  return AgentMemory.open(folder, { ...OPTIONS, fileSystem })
}

/** The same engine on a simulated disk. LevelDB cannot run on one: the store is one that writes through it as well. */
export function openSimulated(disk: SimulatedDisk, sabotage: Sabotage): Promise<AgentMemory> {
  const fileSystem = sabotage === undefined ? disk : withoutSync(disk)
  const store = {
    kind: 'journal',
    open: () => openJournalStore(fileSystem, join(SIMULATED_FOLDER, 'store')),
  }
  return AgentMemory.open(SIMULATED_FOLDER, { ...OPTIONS, segmentBytesMax: 64 * 1024, fileSystem, store })
}

export function mapsOf(memory: AgentMemory): DemoMaps {
  const open = (name: MapName) => memory.map<unknown, DemoKey>(name, { durability: MAPS[name] })
  return {
    customers: open('customers'),
    turns: open('turns'),
    messages: open('messages'),
    counters: open('counters'),
  }
}

export async function readAll(memory: AgentMemory): Promise<FoundEntry[]> {
  const found: FoundEntry[] = []
  const maps = mapsOf(memory)
  for (const name of Object.keys(maps) as MapName[]) {
    for await (const { key, value, version } of maps[name].entries())
      found.push({ id: idOf(name, key), value, version })
  }
  return found
}
