/** One side in a process of its own, to which writers put entries as fast as it acknowledges them. */
import { setTimeout } from 'node:timers/promises'
import { childTask } from './child.js'
import { openSide, type Side, type SideName } from './sides.js'
import { type PutRun, secondsNow } from './syncs.js'
import { KEYS, keyOf, randomSource, valuesOf } from './workload.js'

export interface ThroughputTask {
  side: SideName
  place: string
  seconds: number
  warmSeconds: number
  writers: number
  seed: number
  input: string | undefined
}

const task = childTask<ThroughputTask>()
const side = await openSide(task.side, task.place)
const random = randomSource(task.seed)
const values = valuesOf(task.seed, task.input)
let acknowledged = 0
let isOver = false

const measure = side.isSynchronous ? measureBlocking : measureConcurrent
const run = await measure(side, task.seconds * 1000, task.warmSeconds * 1000)
process.stdout.write(`${JSON.stringify(run)}\n`)
await side.close()

async function measureConcurrent(side: Side, ms: number, warmMs: number): Promise<PutRun> {
  const all = Array.from({ length: task.writers }, () => write(side))
  await setTimeout(warmMs)
  const before = { writes: acknowledged, from: secondsNow(), syncs: side.syncs() }
  await setTimeout(ms)
  const after = { writes: acknowledged, to: secondsNow(), syncs: side.syncs() }
  isOver = true
  await Promise.all(all)
  return {
    writes: after.writes - before.writes,
    from: before.from,
    to: after.to,
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
async function measureBlocking(side: Side, ms: number, warmMs: number): Promise<PutRun> {
  writeUntil(side, performance.now() + warmMs)
  const from = secondsNow()
  const writes = writeUntil(side, performance.now() + ms)
  return { writes, from, to: secondsNow(), syncs: null }
}

function writeUntil(side: Side, end: number): number {
  let count = 0
  for (; performance.now() < end; count++) void side.put(keyOf(random(KEYS)), values[random(values.length)]!)
  return count
}
