/** One side of P5, in a process of its own: every key once, in random order, as fast as it acknowledges them. */
import { createHistogram } from 'node:perf_hooks'
import { childTask } from './child.js'
import type { Progress } from './line.js'
import { openSide, type SideName } from './sides.js'
import { type PutRun, secondsNow } from './syncs.js'
import { putAll, shuffledNumbers, valuesOf } from './workload.js'

export interface SustainedTask {
  side: SideName
  place: string
  keys: number
  writers: number
  seed: number
  input: string | undefined
}

export interface SustainedRun extends PutRun {
  /** Until what it has acknowledged is where it belongs and everything is closed. */
  closeSeconds: number
  /** How long an acknowledgement took, in ms. */
  p999: number
  progress: Progress
}

const PROGRESS_MS = 250

const task = childTask<SustainedTask>()
const side = await openSide(task.side, task.place)
const numbers = shuffledNumbers(task.keys, task.seed)
const values = valuesOf(task.seed, task.input)
const waits = createHistogram()
let acknowledged = 0

const from = secondsNow()
const progress: Progress = [[0, 0]]
const takeProgress = () => progress.push([Number((secondsNow() - from).toFixed(3)), acknowledged])
const timer = setInterval(takeProgress, PROGRESS_MS)
await putAll(numbers, values, task.writers, put)
const to = secondsNow()
clearInterval(timer)
takeProgress()
const syncs = side.syncs() ?? null
await side.close()
const run: SustainedRun = {
  writes: acknowledged,
  from,
  to,
  syncs,
  closeSeconds: secondsNow() - to,
  p999: waits.percentile(99.9) / 1e6,
  progress,
}
process.stdout.write(`${JSON.stringify(run)}\n`)

async function put(key: string, value: string): Promise<void> {
  const from = performance.now()
  await side.put(key, value)
  waits.record(Math.max(1, Math.round((performance.now() - from) * 1e6)))
  acknowledged += 1
}
