/** A memory on a simulated disk, store included, under a clock that stands still: every fault and every moment is ours. */
import {
  AgentMemory,
  type AgentMemoryOptions,
  type MapEntry,
  type MemoryMap,
  type StoreOpener,
} from '../../src/index.js'
import type { FileSystem } from '../../src/io/file-system.js'
import { openJournalStore } from '../../src/testing/journal-store.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

export const FOLDER = '/memory'

/** A durable store on the same file system. */
export function journalStore(fileSystem: FileSystem, durableCommit = true): StoreOpener {
  return { kind: 'journal', open: () => openJournalStore(fileSystem, `${FOLDER}/store`, { durableCommit }) }
}

export function openOn(fileSystem: FileSystem, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
  return AgentMemory.open(FOLDER, {
    fileSystem,
    store: journalStore(fileSystem),
    clock: new ManualClock(),
    segmentBytesMax: 64 * 1024,
    ...options,
  })
}

export interface Simulated {
  disk: SimulatedDisk
  clock: ManualClock
  memory: AgentMemory
}

export async function simulated(options: AgentMemoryOptions = {}): Promise<Simulated> {
  const disk = new SimulatedDisk()
  const clock = new ManualClock()
  return { disk, clock, memory: await openOn(disk, { clock, ...options }) }
}

/** From now on a frame goes through the thread pool, where its sync can hang: a sync has just taken long. */
export async function makeSyncsSlow({ disk, clock, memory }: Simulated): Promise<void> {
  disk.onCall = call => {
    if (call.kind === 'dataSync') clock.advance(11)
  }
  await memory.map('slow').set('k', 0)
  disk.onCall = undefined
}

/** One turn of the event loop, or some: what is ready runs. */
export async function turns(count = 1): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Turns of the event loop until something holds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (holds()) return
    await turns()
  }
  throw new Error(`It has not come to this: ${what}`)
}

/** Whether a promise settles within some turns of the event loop. */
export async function settles(promise: Promise<unknown>, count = 200): Promise<boolean> {
  let hasSettled = false
  const note = () => {
    hasSettled = true
  }
  promise.then(note, note)
  for (let turn = 0; turn < count && !hasSettled; turn++) await turns()
  return hasSettled
}

export async function all<V>(map: MemoryMap<V>, options = {}): Promise<MapEntry<V>[]> {
  const found: MapEntry<V>[] = []
  for await (const entry of map.entries(options)) found.push(entry)
  return found
}

export async function contentOf<V>(map: MemoryMap<V>): Promise<Record<string, V>> {
  return Object.fromEntries((await all(map)).map(({ key, value }) => [String(key), value]))
}
