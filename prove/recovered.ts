/** Opens the real engine on a disk that a crash has left, and says what it holds. */
import { AgentMemory } from '../src/index.js'
import { ManualClock } from '../src/testing/manual-clock.js'
import type { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { contentOf } from './content.js'
import type { DiskStore } from './disk-stores.js'
import type { Content } from './history.js'
import { MAX_LOSS } from './shape.js'

/** Its parents are made by the first open, too. */
export const FOLDER = '/home/agent/memory'
const GUARD_MS = 20_000

export interface Recovered {
  memory: AgentMemory
  content: Content
  /** The newest LSN that it will not hand out. */
  lastLsn: number
}

export function openOn(disk: SimulatedDisk, store: DiskStore): Promise<AgentMemory> {
  return AgentMemory.open(FOLDER, {
    fileSystem: disk,
    clock: new ManualClock(),
    store: { kind: store.kind, open: create => store.open(disk, FOLDER, create) },
    segmentBytesMax: 64 * 1024,
    frameBytesMax: 64 * 1024,
    maxLoss: MAX_LOSS,
  })
}

export async function recoverOn(disk: SimulatedDisk, store: DiskStore): Promise<Recovered> {
  const memory = await openOn(disk, store)
  return { memory, content: await contentOf(memory), lastLsn: memory.status().lsn.accepted }
}

/** How far the store alone has come, on a disk that nobody else uses; 0 if there is none yet. */
export async function storedLsn(disk: SimulatedDisk, store: DiskStore): Promise<number> {
  const names = await disk.list(FOLDER).catch((): string[] => [])
  if (!names.includes('store')) return 0
  const opened = await store.open(disk, FOLDER, true)
  return (await opened.mark()).appliedLsn
}

/** Rejects if nothing comes of it: on a simulated disk every call takes no time. */
export async function guarded<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} does not end`)), GUARD_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
