/** P4 in a process of its own: reads of held entries by Holdfast and by lru-cache, in turns. */
import { join } from 'node:path'
import { AgentMemory } from '../src/index.js'
import { childTask } from './child.js'
import { makeLruCache } from './peers.js'
import { keyOf, randomSource, valuesOf } from './workload.js'

export interface ReadsTask {
  folder: string
  slices: number
  seed: number
  input: string | undefined
}

/** ns per get, of each way. */
export type ReadsRun = Record<Way, number>
export type Way = 'ours awaited' | 'ours in bulk' | 'lru' | 'lru awaited'

const ENTRIES = 10_000
const SLICE = 20_000
const BULK = 256

const { folder, slices, seed, input } = childTask<ReadsTask>()
const memory = await AgentMemory.open(join(folder, 'memory'))
const map = memory.map<string>('bench')
const lru = makeLruCache(ENTRIES)
const values = valuesOf(seed, input)
const keys = Array.from({ length: ENTRIES }, (_, number) => keyOf(number))
for (const [number, key] of keys.entries()) {
  const value = values[number % values.length]!
  lru.set(key, value)
  void map.set(key, value, { durability: 'write-back' })
}
await memory.checkpoint()
// Otherwise a read that leaves memory would be measured as one that does not.
if (memory.status().tier.entries < ENTRIES) throw new Error('The tier does not hold all entries of P4')

const random = randomSource(seed)
const order = Array.from({ length: SLICE }, () => keys[random(ENTRIES)]!)
/** What was read, so that no read can be left out as useless. */
let read = 0

const ways: Record<Way, () => Promise<void>> = {
  'ours awaited': async () => {
    for (const key of order) read += (await map.get(key))!.length
  },
  'ours in bulk': async () => {
    for (let from = 0; from < SLICE; from += BULK) {
      const some = await Promise.all(order.slice(from, from + BULK).map(key => map.get(key)))
      for (const value of some) read += value!.length
    }
  },
  lru: async () => {
    for (const key of order) read += lru.get(key)!.length
  },
  'lru awaited': async () => {
    for (const key of order) read += (await lru.get(key))!.length
  },
}

const names = Object.keys(ways) as Way[]
// Code is compiled in the first turns, which do not count.
for (let turn = 0; turn < 3; turn++) for (const name of names) await ways[name]()
const sums = new Map<Way, number>(names.map(name => [name, 0]))
for (let slice = 0; slice < slices; slice++) {
  for (const name of names) {
    const started = performance.now()
    await ways[name]()
    sums.set(name, sums.get(name)! + performance.now() - started)
  }
}
if (read === 0) throw new Error('Nothing was read')
const run = Object.fromEntries([...sums].map(([name, ms]) => [name, (ms * 1e6) / (slices * SLICE)])) as ReadsRun
process.stdout.write(`${JSON.stringify(run)}\n`)
await memory.close()
