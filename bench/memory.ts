/** Memory: a million entries in a memory with default options, which may not take more than its budget and a bit. */
import { join } from 'node:path'
import { runChild } from './child.js'
import { inFolder } from './folders.js'
import { type Line, lineOf } from './line.js'
import type { MemoryRun } from './memory-child.js'
import type { BenchOptions } from './options.js'
import { progress } from './progress.js'
import { RssWatch } from './rss.js'
import { compareToLimit, rounded } from './statistics.js'

const MIB = 1 << 20
// What Node takes by itself, the index of pending entries, and garbage that is not collected yet.
const BESIDE_THE_TIER_MIB = 200

export async function* watchMemory(options: BenchOptions): AsyncGenerator<Line> {
  const entries = options.quick ? 100_000 : 1_000_000
  const reads = options.quick ? 20_000 : 200_000
  const watch = new RssWatch()
  progress('memory')
  const run = await inFolder(folder => {
    const task = { folder: join(folder, 'memory'), entries, reads }
    return runChild<MemoryRun>('memory-child', task, { onStart: pid => watch.start(pid) })
  }).finally(() => watch.stop())
  if (run.entries !== entries) throw new Error(`${run.entries} entries were found of ${entries}`)
  const peak = watch.peakMib()
  if (peak === undefined) {
    yield { case: 'memory', peer: 'limit', notRun: 'this system does not tell anonymous memory' }
    return
  }
  yield lineOf(
    {
      case: 'memory',
      what: `peak of anonymous memory, ${entries.toLocaleString('en-US')} entries`,
      peer: 'limit',
      unit: 'MiB',
      better: 'lower',
      goal: 1,
    },
    compareToLimit([peak], run.tierBytesMax / MIB + BESIDE_THE_TIER_MIB),
    { entries: run.entries, seconds: run.seconds, peakBy: peaksOf(run, watch) },
  )
}

function peaksOf(run: MemoryRun, watch: RssWatch): Record<string, number> {
  const peakBy: Record<string, number> = {}
  let from = 0
  for (const [phase, end] of Object.entries(run.ends)) {
    const peak = watch.peakMib(from, end)
    if (peak !== undefined) peakBy[phase] = rounded(peak)
    from = end
  }
  return peakBy
}
