/** P1: durable writes a second of many writers, each of which awaits its own. */
import { runChild } from './child.js'
import { makeFolder, removeFolder } from './folders.js'
import type { BenchOptions } from './options.js'
import { type Line, progress, type SyncsPerWrite } from './report.js'
import { PEERS, type PeerName, type SideName } from './sides.js'
import { compare, type Pair, rounded } from './statistics.js'
import { straceTrouble, syncCounter } from './syncs.js'
import type { ThroughputRun } from './throughput-child.js'

const WRITERS = 256
const GOALS: Record<PeerName, number> = { lmdb: 3, leveldb: 30, sqlite: 50 }

interface Times {
  seconds: number
  warmSeconds: number
}

export async function* throughput(options: BenchOptions): AsyncGenerator<Line> {
  const times = options.quick ? { seconds: 0.5, warmSeconds: 0.2 } : { seconds: 2, warmSeconds: 0.5 }
  const syncsOf = await countSyncs(times)
  for (const peer of PEERS) {
    const pairs: Pair[] = []
    for (let pair = 1; pair <= options.pairs; pair++) {
      progress(`P1 ${peer} ${pair}/${options.pairs}`)
      // The order changes from pair to pair, so that what the one leaves behind does not always meet the other.
      const ours = pair % 2 === 1 ? await rate('ours', times, pair) : undefined
      const theirs = await rate(peer, times, pair)
      pairs.push({ ours: ours ?? (await rate('ours', times, pair)), theirs })
    }
    const { ratio, min, max, ...rest } = compare(pairs)
    yield {
      case: 'P1',
      peer,
      ours: Math.round(rest.ours),
      theirs: Math.round(rest.theirs),
      ratio: rounded(ratio),
      unit: 'writes/s',
      better: 'higher',
      pairs: rest.pairs,
      min: rounded(min),
      max: rounded(max),
      goal: GOALS[peer],
      isMet: ratio >= GOALS[peer],
      syncsPerWrite: syncsOf(peer),
    }
  }
}

async function rate(side: SideName, times: Times, seed: number): Promise<number> {
  const { writes, seconds } = await run(side, times, seed)
  return writes / seconds
}

async function run(side: SideName, times: Times, seed: number): Promise<ThroughputRun> {
  const folder = makeFolder()
  try {
    return await runChild<ThroughputRun>('throughput-child', argumentsOf(side, folder, times, seed))
  } finally {
    removeFolder(folder)
  }
}

/** One more run of each side, whose sync calls are counted. It is slower by the counting, so it does not count else. */
async function countSyncs(times: Times): Promise<(peer: PeerName) => SyncsPerWrite> {
  const trouble = straceTrouble()
  if (trouble !== undefined) {
    const ours = await run('ours', times, 1)
    return () => ({ ours: rounded(ours.syncs! / ours.writes), theirs: null, how: `ours by status(); ${trouble}` })
  }
  const counts = new Map<SideName, number>()
  for (const side of ['ours', ...PEERS] as const) {
    progress(`P1 sync calls of ${side}`)
    counts.set(side, await tracedSyncs(side, times))
  }
  return peer => ({ ours: counts.get('ours')!, theirs: counts.get(peer)!, how: 'strace' })
}

async function tracedSyncs(side: SideName, times: Times): Promise<number> {
  const folder = makeFolder()
  try {
    const { through, count } = syncCounter(folder)
    const args = argumentsOf(side, folder, times, 1)
    const { allWrites } = await runChild<ThroughputRun>('throughput-child', args, { through })
    return rounded(count() / allWrites)
  } finally {
    removeFolder(folder)
  }
}

function argumentsOf(side: SideName, folder: string, { seconds, warmSeconds }: Times, seed: number): string[] {
  return [side, folder, ...[seconds, warmSeconds, WRITERS, seed].map(String)]
}
