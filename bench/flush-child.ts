/** Rows a second into a Postgres: a checkpoint of many values, or one row after the other. */
import { childTask } from './child.js'
import { FLUSH_VALUE_BYTES, openOurs, openTheirs, type PostgresSide } from './postgres-sides.js'
import { KEYS, keyOf, makeValues, putAll, shuffledNumbers } from './workload.js'

export interface FlushTask {
  side: PostgresSide
  /** The folder of the server's socket. */
  place: string
  /** For the log of ours. */
  folder: string
  /** How much time in the flush counts. */
  seconds: number
  warmSeconds: number
  seed: number
}

export interface FlushRun {
  /** Those that count, and the time that they took. */
  rows: number
  seconds: number
  /** All that were written. */
  allRows: number
}

// A checkpoint that nobody has asked for begins at 8,192 entries.
const ROUND = 8000
const WRITERS = 256

const { side, place, folder, seconds, warmSeconds, seed } = childTask<FlushTask>()
const numbers = shuffledNumbers(KEYS, seed)
const values = makeValues(seed, FLUSH_VALUE_BYTES)
let allRows = 0

const run = side === 'ours' ? await flushRounds() : await singleRows()
process.stdout.write(`${JSON.stringify({ ...run, allRows })}\n`)

async function flushRounds(): Promise<{ rows: number; seconds: number }> {
  const { memory, map, count, close } = await openOurs(place, folder)
  const measure = async (wanted: number) => {
    let spent = 0
    let rows = 0
    while (spent < wanted && allRows + ROUND <= numbers.length) {
      const round = numbers.subarray(allRows, allRows + ROUND)
      await putAll(round, values, WRITERS, (key, value) => map.set(key, value))
      const started = performance.now()
      await memory.checkpoint()
      spent += (performance.now() - started) / 1000
      rows += ROUND
      allRows += ROUND
    }
    return { rows, seconds: spent }
  }
  await measure(warmSeconds)
  const measured = await measure(seconds)
  const found = await count()
  if (found !== allRows) throw new Error(`${found} rows are in the database, and ${allRows} were flushed`)
  await close()
  return measured
}

async function singleRows(): Promise<{ rows: number; seconds: number }> {
  const { put, close } = await openTheirs(place, 1)
  const measure = async (wanted: number) => {
    const started = performance.now()
    const first = allRows
    while (performance.now() - started < wanted * 1000) {
      await put(keyOf(numbers[allRows]!), values[allRows % values.length]!)
      allRows += 1
    }
    return { rows: allRows - first, seconds: (performance.now() - started) / 1000 }
  }
  await measure(warmSeconds)
  const measured = await measure(seconds)
  await close()
  return measured
}
