/** How a memory uses its store, and the memories of the table of stores: `prove stores` and the processes that it starts. */
import type { AgentMemory, AgentMemoryOptions, Durability } from '../src/index.js'
import { DURABILITIES } from './shape.js'
import { labStore, openOver, type StoreName } from './stores.js'

interface Mode {
  options: AgentMemoryOptions
  /** Of which a memory may be. */
  durabilities: readonly Durability[]
  /** Whether this mode is for a store. */
  isFor(store: StoreName): boolean
}

export type ModeName = 'log' | 'direct'

export const MODES: Readonly<Record<ModeName, Mode>> = {
  log: { options: { segmentBytesMax: 256 * 1024 }, durabilities: DURABILITIES, isFor: () => true },
  direct: {
    options: { log: 'none' },
    durabilities: DURABILITIES.filter(each => each !== 'write-ahead'),
    isFor: store => labStore(store).direct !== undefined,
  },
}

/** A memory: plain data, for a process that is to open it. */
export interface MemoryPlace {
  store: StoreName
  mode: ModeName
  durability: Durability
  folder: string
}

export function openAt(place: MemoryPlace, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
  const { store, mode, durability, folder } = place
  return openOver(store, folder, { ...MODES[mode].options, durability, ...options })
}
