/** The program whose memory is watched, in a process of its own. */
import { AgentMemory } from '../src/index.js'
import { childTask } from './child.js'
import { keyOf, makeValues, putAll, randomSource, shuffledNumbers } from './workload.js'

export interface MemoryRun {
  seconds: Record<string, number>
  /** Entries that the complete scan has met. */
  entries: number
  tierBytesMax: number
  /** When each phase ended, in ms since 1970: the watching process has the same clock. */
  ends: Record<string, number>
}

const WRITERS = 256
const { folder, entries, reads } = childTask<{ folder: string; entries: number; reads: number }>()
const seconds: Record<string, number> = {}
const ends: Record<string, number> = {}

const memory = await phase('open', () => AgentMemory.open(folder))
const map = memory.map<string>('bench')
await phase('write', write)
await phase('read', read)
const scanned = await phase('scan', scan)
const tierBytesMax = memory.status().tier.bytesMax
await phase('close', () => memory.close())
const run: MemoryRun = { seconds, entries: scanned, tierBytesMax, ends }
process.stdout.write(`${JSON.stringify(run)}\n`)

async function phase<T>(name: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now()
  const result = await work()
  seconds[name] = Number(((performance.now() - started) / 1000).toFixed(2))
  ends[name] = Date.now()
  return result
}

async function write(): Promise<void> {
  await putAll(shuffledNumbers(entries, 1), makeValues(1), WRITERS, (key, value) => map.set(key, value))
}

async function read(): Promise<void> {
  const random = randomSource(2)
  for (let count = 0; count < reads; count++) {
    const key = keyOf(random(entries))
    if ((await map.get(key)) === undefined) throw new Error(`The entry ${key} is missing`)
  }
}

async function scan(): Promise<number> {
  let count = 0
  for await (const entry of map.entries()) count += entry.value.length > 0 ? 1 : 0
  return count
}
