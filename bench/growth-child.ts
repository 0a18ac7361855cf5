/** What reads and writes cost in a memory of so many keys, in a process of its own. */
import { AgentMemory } from '../src/index.js'
import { childTask } from './child.js'
import { keyOf, randomSource, shuffledNumbers, valuesOf } from './workload.js'

export interface GrowthTask {
  folder: string
  keys: number
  putMs: number
  seed: number
  input: string | undefined
}

/** In µs. */
export interface GrowthRun {
  put: number
  held: number
  stored: number
}

const WRITERS = 256
const WARM_READS = 500
const STORED_READS = 4000
const HELD = 1000
const HELD_READS = 100_000

const { folder, keys, putMs, seed, input } = childTask<GrowthTask>()
const random = randomSource(seed)
const values = valuesOf(seed, input)
const memory = await AgentMemory.open(folder)
const map = memory.map<string>('bench')
// The tier is empty, so each of these keys is read from the data store. None is read twice.
const numbers = shuffledNumbers(keys, seed)
await read(numbers.subarray(0, WARM_READS))
const stored = await read(numbers.subarray(WARM_READS, WARM_READS + STORED_READS))

const held = numbers.subarray(0, HELD)
await read(held)
await read(held)
const order = Uint32Array.from({ length: HELD_READS }, () => held[random(HELD)]!)
const heldCost = await read(order)

await put(putMs / 4)
const putCost = await put(putMs)
await memory.close()
const run: GrowthRun = { put: putCost, held: heldCost, stored }
process.stdout.write(`${JSON.stringify(run)}\n`)

/** Reads the keys one after the other; µs for each. */
async function read(some: Uint32Array): Promise<number> {
  const texts = Array.from(some, keyOf)
  const started = performance.now()
  for (const key of texts) if ((await map.get(key)) === undefined) throw new Error(`The entry ${key} is missing`)
  return ((performance.now() - started) * 1000) / some.length
}

/** Puts random keys by many writers; µs for each. */
async function put(ms: number): Promise<number> {
  const started = performance.now()
  let count = 0
  const writer = async () => {
    while (performance.now() - started < ms) {
      await map.set(keyOf(random(keys)), values[random(values.length)]!)
      count += 1
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, writer))
  return ((performance.now() - started) * 1000) / count
}
