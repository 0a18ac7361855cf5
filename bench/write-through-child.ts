/** Writers that wait for the commit of a Postgres, each for its own: as write-through, or by upserts of their own. */
import { setTimeout } from 'node:timers/promises'
import { childTask } from './child.js'
import { FLUSH_VALUE_BYTES, openOurs, openTheirs, type PostgresSide } from './postgres-sides.js'
import { median } from './statistics.js'
import { KEYS, keyOf, makeValues, randomSource } from './workload.js'

export interface WriteThroughTask {
  side: PostgresSide
  place: string
  folder: string
  seconds: number
  warmSeconds: number
  writers: number
  seed: number
}

export interface WriteThroughRun {
  /** Writes a second, and how long one took, in ms. */
  rate: number
  medianMs: number
}

const { side, place, folder, seconds, warmSeconds, writers, seed } = childTask<WriteThroughTask>()
const random = randomSource(seed)
const values = makeValues(seed, FLUSH_VALUE_BYTES)
let took: number[] = []
let isOver = false

const { put, close } = side === 'ours' ? await ours() : await openTheirs(place, writers)
const all = Array.from({ length: writers }, write)
await setTimeout(warmSeconds * 1000)
took = []
const started = performance.now()
await setTimeout(seconds * 1000)
const run: WriteThroughRun = {
  rate: (took.length * 1000) / (performance.now() - started),
  medianMs: median(took),
}
isOver = true
await Promise.all(all)
await close()
process.stdout.write(`${JSON.stringify(run)}\n`)

async function write(): Promise<void> {
  while (!isOver) {
    const before = performance.now()
    await put(keyOf(random(KEYS)), values[random(values.length)]!)
    took.push(performance.now() - before)
  }
}

async function ours() {
  const { map, close } = await openOurs(place, folder)
  const durability = 'write-through'
  return { put: (key: string, value: string) => map.set(key, value, { durability }), close }
}
