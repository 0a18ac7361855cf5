/** One side of P1, in a process of its own: SIDE FOLDER SECONDS WARM_SECONDS WRITERS SEED. */
import { setTimeout } from 'node:timers/promises'
import { openSide, type Side, type SideName } from './sides.js'
import { KEYS, keyOf, makeValues, randomSource } from './workload.js'

export interface ThroughputRun {
  /** Acknowledged in the seconds that count. */
  writes: number
  seconds: number
  /** Acknowledged in all, with those while it warmed up. */
  allWrites: number
  /** What the side itself has counted in the seconds that count. */
  syncs: number | null
}

const [name, folder, seconds, warmSeconds, writers, seed] = process.argv.slice(2)
const side = await openSide(name as SideName, folder!)
const random = randomSource(Number(seed))
const values = makeValues(Number(seed))
let acknowledged = 0
let isOver = false

const measure = side.isSynchronous ? measureBlocking : measureConcurrent
const run = await measure(side, Number(seconds) * 1000, Number(warmSeconds) * 1000)
process.stdout.write(`${JSON.stringify(run)}\n`)
await side.close()

async function measureConcurrent(side: Side, ms: number, warmMs: number): Promise<ThroughputRun> {
  const all = Array.from({ length: Number(writers) }, () => write(side))
  await setTimeout(warmMs)
  const before = { writes: acknowledged, at: performance.now(), syncs: side.syncs() }
  await setTimeout(ms)
  const after = { writes: acknowledged, at: performance.now(), syncs: side.syncs() }
  isOver = true
  await Promise.all(all)
  return {
    writes: after.writes - before.writes,
    seconds: (after.at - before.at) / 1000,
    allWrites: acknowledged,
    syncs: after.syncs === undefined ? null : after.syncs - before.syncs!,
  }
}

async function write(side: Side): Promise<void> {
  while (!isOver) {
    await side.put(keyOf(random(KEYS)), values[random(values.length)]!)
    acknowledged += 1
  }
}

/** Calls that block leave no turn to a second writer: they come one after the other. */
async function measureBlocking(side: Side, ms: number, warmMs: number): Promise<ThroughputRun> {
  const warm = writeUntil(side, performance.now() + warmMs)
  const started = performance.now()
  const writes = writeUntil(side, started + ms)
  return { writes, seconds: (performance.now() - started) / 1000, allWrites: warm + writes, syncs: null }
}

function writeUntil(side: Side, end: number): number {
  let count = 0
  for (; performance.now() < end; count++) void side.put(keyOf(random(KEYS)), values[random(values.length)]!)
  return count
}
