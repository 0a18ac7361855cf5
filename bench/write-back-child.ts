/** One side of P3's rate, in a process of its own. */
import { setImmediate } from 'node:timers/promises'
import { childTask } from './child.js'
import { type PutRun, secondsNow } from './syncs.js'
import { KEYS, keyOf, randomSource, valuesOf } from './workload.js'
import { openWriteBack, type WriteBackName } from './write-back-sides.js'

export interface WriteBackTask {
  side: WriteBackName
  place: string
  seconds: number
  warmSeconds: number
  seed: number
  input: string | undefined
}

// A set that waits for nothing would never let the event loop turn; an agent's loop turns with each of its requests.
const WRITES_PER_TURN = 256

const task = childTask<WriteBackTask>()
const side = await openWriteBack(task.side, task.place)
const random = randomSource(task.seed)
const values = valuesOf(task.seed, task.input)

await writeUntil(performance.now() + task.warmSeconds * 1000)
const from = secondsNow()
const writes = await writeUntil(performance.now() + task.seconds * 1000)
const run: PutRun = { writes, from, to: secondsNow(), syncs: null }
process.stdout.write(`${JSON.stringify(run)}\n`)
await side.close()

/** Each write is awaited before the next. */
async function writeUntil(end: number): Promise<number> {
  let count = 0
  while (performance.now() < end) {
    for (let turn = 0; turn < WRITES_PER_TURN; turn++) {
      await side.set(keyOf(random(KEYS)), values[random(values.length)]!)
    }
    count += WRITES_PER_TURN
    await setImmediate()
  }
  return count
}
