/** Memory: a million entries in a memory with default options, which may not take more than its budget and a bit. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runChild } from './child.js'
import { makeFolder, removeFolder } from './folders.js'
import type { MemoryRun } from './memory-child.js'
import type { BenchOptions } from './options.js'
import { type MemoryLine, progress } from './report.js'
import { rounded } from './statistics.js'

const MIB = 1 << 20
const SAMPLE_MS = 100
// What Node takes by itself, the index of pending entries, and garbage that is not collected yet.
const BESIDE_THE_TIER_BYTES = 200 * MIB

interface Sample {
  at: number
  bytes: number
}

export async function watchMemory(options: BenchOptions): Promise<MemoryLine> {
  const entries = options.quick ? 100_000 : 1_000_000
  const reads = options.quick ? 20_000 : 200_000
  const folder = makeFolder()
  const samples: Sample[] = []
  let timer: NodeJS.Timeout | undefined
  progress('memory')
  try {
    const args = [join(folder, 'memory'), String(entries), String(reads)]
    // Seen from outside, since a phase that blocks the child's loop is just when its memory grows.
    const watch = (pid: number) => {
      timer = setInterval(() => take(samples, pid), SAMPLE_MS)
    }
    const run = await runChild<MemoryRun>('memory-child', args, { onStart: watch })
    if (run.entries !== entries) throw new Error(`${run.entries} entries were found of ${entries}`)
    return lineOf(run, samples)
  } finally {
    clearInterval(timer)
    removeFolder(folder)
  }
}

function lineOf(run: MemoryRun, samples: readonly Sample[]): MemoryLine {
  const limit = run.tierBytesMax + BESIDE_THE_TIER_BYTES
  const peak = peakOf(samples)
  const peakBy: Record<string, number> = {}
  let from = 0
  for (const [phase, end] of Object.entries(run.ends)) {
    const during = peakOf(samples.filter(({ at }) => at > from && at <= end))
    if (during !== undefined) peakBy[phase] = inMib(during)
    from = end
  }
  const ratio = peak === undefined ? null : rounded(peak / limit)
  return {
    case: 'memory',
    peer: 'limit',
    ours: peak === undefined ? null : inMib(peak),
    theirs: inMib(limit),
    ratio,
    unit: 'MiB',
    better: 'lower',
    pairs: 1,
    min: ratio,
    max: ratio,
    goal: 1,
    isMet: peak === undefined ? null : peak <= limit,
    entries: run.entries,
    seconds: run.seconds,
    peakBy,
  }
}

/** Only Linux tells anonymous memory apart from the pages of files, which the system takes back when it wants them. */
function take(samples: Sample[], pid: number): void {
  try {
    const kilobytes = /^RssAnon:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    if (kilobytes !== undefined) samples.push({ at: Date.now(), bytes: Number(kilobytes) * 1024 })
  } catch {
    // Not Linux, or the child has just ended: there is nothing to take.
  }
}

function peakOf(samples: readonly Sample[]): number | undefined {
  return samples.length === 0 ? undefined : Math.max(...samples.map(({ bytes }) => bytes))
}

function inMib(bytes: number): number {
  return Number((bytes / MIB).toFixed(1))
}
