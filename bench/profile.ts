/**
 * Where the time goes: CPU profiles of our side, one for each thread that runs JavaScript. V8's and LevelDB's own threads
 * do not show in them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runChild, runUntilKilled } from './child.js'
import { inFolder } from './folders.js'
import type { Line, ShareLine } from './line.js'
import type { BenchOptions } from './options.js'
import { progress } from './progress.js'

/** What a thread may be doing, and in which files of ours it then is. */
export const PARTS = [
  'waits',
  'write and sync calls',
  'codec',
  'engine',
  'tier',
  'log',
  'LevelDB calls',
  'garbage collector',
  'rest',
] as const
export type Part = (typeof PARTS)[number]

const FOLDERS: [RegExp, Part][] = [
  [/\/dist\/src\/(codec|core|values|memory-map|agent-memory|write-batch)/, 'codec'],
  [/\/dist\/src\/(engine|policy)\//, 'engine'],
  [/\/dist\/src\/tier\//, 'tier'],
  [/\/dist\/src\/(log|io)\//, 'log'],
  [/\/dist\/src\/stores\/|\/(classic|abstract)-level\//, 'LevelDB calls'],
  [/^file:/, 'rest'],
]
const FILE_CALLS = /^(fdatasync|fsync|writeBuffers?|read|open|close|ftruncate)$/

/** A profile as V8 writes it. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[]
  samples: number[]
  /** µs between one sample and the next. */
  timeDeltas: number[]
}

interface Subject {
  what: string
  run(folder: string, nodeFlags: readonly string[], options: BenchOptions): Promise<unknown>
}

const SUBJECTS: Subject[] = [
  { what: 'P1, durable writes, 256 writers', run: (place, flags, options) => writes(256, place, flags, options) },
  { what: 'P2, durable writes, 1 writer', run: (place, flags, options) => writes(1, place, flags, options) },
  {
    what: 'P3, write-back',
    run: (place, nodeFlags, options) =>
      runChild('write-back-child', { side: 'ours', place, ...seconds(options), seed: 1 }, { nodeFlags }),
  },
  {
    what: 'P4, reads of held entries (lru-cache is in "rest")',
    run: (folder, nodeFlags, { quick }) =>
      runChild('reads-child', { folder, slices: quick ? 5 : 50, seed: 1 }, { nodeFlags }),
  },
  { what: 'P6, replay', run: replay },
]

export async function* profile(options: BenchOptions): AsyncGenerator<Line> {
  for (const { what, run } of SUBJECTS) {
    progress(`profile ${what}`)
    yield* await inFolder(async folder => {
      const profiles = join(folder, 'profiles')
      await run(join(folder, 'run'), ['--cpu-prof', `--cpu-prof-dir=${profiles}`], options)
      return readdirSync(profiles).map(name => lineOf(what, threadOf(name), readProfile(join(profiles, name))))
    })
  }
}

/** Shares of a profile's time in %, each sample counted for the part that its function, or its nearest caller, is of. */
export function sharesOf({ nodes, samples, timeDeltas }: CpuProfile): Record<Part, number> {
  const byId = new Map(nodes.map(node => [node.id, node]))
  const callerOf = new Map(nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id] as const)))
  const sums = new Map<Part, number>()
  let total = 0
  for (const [index, id] of samples.entries()) {
    const took = timeDeltas[index]!
    const part = partOf(id)
    sums.set(part, (sums.get(part) ?? 0) + took)
    total += took
  }
  const share = (part: Part) => Math.round(((sums.get(part) ?? 0) * 1000) / total) / 10
  return Object.fromEntries(PARTS.map(part => [part, share(part)])) as Record<Part, number>

  function partOf(sample: number): Part {
    for (let id: number | undefined = sample; id !== undefined; id = callerOf.get(id)) {
      const { functionName, url } = byId.get(id)!.callFrame
      if (functionName === '(idle)') return 'waits'
      if (functionName === '(garbage collector)') return 'garbage collector'
      if (url === '' && FILE_CALLS.test(functionName)) return 'write and sync calls'
      const found = FOLDERS.find(([pattern]) => pattern.test(url))
      if (found !== undefined) return found[1]
    }
    return 'rest'
  }
}

function lineOf(what: string, thread: string, cpuProfile: CpuProfile): ShareLine {
  return { case: 'profile', what, thread, shares: sharesOf(cpuProfile) }
}

/** V8 names a file `CPU.<day>.<time>.<process>.<thread>.<number>.cpuprofile`; the first thread is 0. */
function threadOf(name: string): string {
  return name.split('.')[4] === '0' ? 'main' : 'checkpoint'
}

function readProfile(path: string): CpuProfile {
  return JSON.parse(readFileSync(path, 'utf8')) as CpuProfile
}

function seconds({ quick, input }: BenchOptions) {
  return { ...(quick ? { seconds: 1, warmSeconds: 0.2 } : { seconds: 5, warmSeconds: 0.5 }), input }
}

function writes(writers: number, place: string, nodeFlags: readonly string[], options: BenchOptions): Promise<unknown> {
  return runChild('throughput-child', { side: 'ours', place, ...seconds(options), writers, seed: 1 }, { nodeFlags })
}

async function replay(folder: string, nodeFlags: readonly string[], { quick, input }: BenchOptions): Promise<void> {
  await runUntilKilled('unstored-child', { folder, records: quick ? 100_000 : 1_000_000, input })
  await runChild('open-child', { folder, close: false }, { nodeFlags })
}
