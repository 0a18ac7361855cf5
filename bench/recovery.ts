/** P6: how fast a log is replayed after a kill, and how long a memory takes to open that has nothing to replay. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { runChild, runUntilKilled } from './child.js'
import { filledMemory } from './filled.js'
import { inFolder } from './folders.js'
import { type Line, lineOf } from './line.js'
import type { OpenRun } from './open-child.js'
import type { BenchOptions } from './options.js'
import { progress } from './progress.js'
import { compareToLimit } from './statistics.js'

const RECORDS_PER_SECOND = 500_000
const OPEN_MS_MAX = 200
// A log may hold about three million of them by default.
const RECORDS_MAX = 1_000_000

export async function* recovery(options: BenchOptions): AsyncGenerator<Line> {
  yield await replay(options)
  yield await emptyLog(options)
}

async function replay({ keys, pairs, input }: BenchOptions): Promise<Line> {
  const records = Math.min(keys, RECORDS_MAX)
  return inFolder(async folder => {
    progress(`P6 a log of ${records} records`)
    const killed = join(folder, 'killed')
    await runUntilKilled('unstored-child', { folder: killed, records, input })
    const rates: number[] = []
    for (let round = 1; round <= pairs; round++) {
      progress(`P6 replay ${round}/${pairs}`)
      // Each open starts from what the kill has left: the one before has begun to move it to the store.
      const copy = join(folder, String(round))
      cpSync(killed, copy, { recursive: true })
      const run = await runChild<OpenRun>('open-child', { folder: copy, close: false })
      if (run.records !== records) throw new Error(`${run.records} records were replayed of ${records}`)
      rates.push((records * 1000) / run.ms)
    }
    const what = `replay of ${records.toLocaleString('en-US')} records, the whole open`
    const head = { case: 'P6', what, peer: 'limit', unit: 'records/s', better: 'higher', goal: 1 } as const
    return lineOf(head, compareToLimit(rates, RECORDS_PER_SECOND))
  })
}

async function emptyLog(options: BenchOptions): Promise<Line> {
  const { keys, pairs } = options
  const folder = await filledMemory(keys, options)
  const times: number[] = []
  for (let round = 1; round <= pairs; round++) {
    progress(`P6 open ${round}/${pairs}`)
    const run = await runChild<OpenRun>('open-child', { folder, close: true })
    if (run.records !== 0) throw new Error(`${run.records} records were replayed from a log that was empty`)
    times.push(run.ms)
  }
  const what = `open, ${keys.toLocaleString('en-US')} keys in the store, empty log`
  const head = { case: 'P6', what, peer: 'limit', unit: 'ms', better: 'lower', goal: 1 } as const
  return lineOf(head, compareToLimit(times, OPEN_MS_MAX))
}
