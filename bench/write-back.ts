/** P3: writes that are acknowledged before the disk has them. How fast, and how many a killed process keeps. */
import { runChild, runUntilKilled } from './child.js'
import { inFolder } from './folders.js'
import { KEPT_WRITES, keptKeys, keptValues, type Moment } from './kept-workload.js'
import { type Line, lineOf } from './line.js'
import type { BenchOptions } from './options.js'
import { runPairs } from './pairs.js'
import { compare, compareToLimit, type Pair } from './statistics.js'
import { countSyncs, type PutRun, rateOf } from './syncs.js'
import { readBack, type WriteBackName } from './write-back-sides.js'

const RATE_GOAL = 500_000
const RATIO_GOAL = 3

interface Kept {
  moment: Moment
  what: string
  /** What the other side's moment is; without one it has nothing like it. */
  peer?: string
  /** All must be there: the bound has passed, or the caller has asked. Else the bound allows each of them to be lost. */
  all: boolean
}

const KEPT: readonly Kept[] = [
  { moment: 'at once', what: 'kept, killed at once', peer: 'cacheable', all: false },
  { moment: 'after the bound', what: 'kept, killed after 1,000 ms', peer: 'cacheable', all: true },
  { moment: 'settled', what: 'kept, killed after flush()', peer: 'cacheable, disconnect()', all: true },
  { moment: 'write-ahead', what: 'kept as write-ahead, killed at once', all: true },
]

export async function* writeBack(options: BenchOptions): AsyncGenerator<Line> {
  const times = options.quick ? { seconds: 0.5, warmSeconds: 0.3 } : { seconds: 2, warmSeconds: 0.5 }
  const task = { ...times, input: options.input }
  const pairs = await runPairs(options.pairs, 'P3', 'cacheable', (side, seed) =>
    inFolder(async place => rateOf(await runChild<PutRun>('write-back-child', { ...task, side, place, seed }))),
  )
  const head = { case: 'P3', what: 'write-back set, awaited', unit: 'writes/s', better: 'higher' } as const
  const syncsPerWrite = await countSyncs(['ours', 'cacheable'], 'write-back-child', { ...task, seed: 1 })
  const ours = pairs.map(pair => pair.ours)
  yield lineOf({ ...head, peer: 'limit', goal: 1 }, compareToLimit(ours, RATE_GOAL))
  yield lineOf({ ...head, peer: 'cacheable nonBlocking', goal: RATIO_GOAL }, compare(pairs), {
    syncsPerWrite: syncsPerWrite('cacheable'),
  })
  for (const each of KEPT) yield* keptLines(each, options.quick ? 1 : options.pairs)
}

async function* keptLines({ moment, what, peer, all }: Kept, rounds: number): AsyncGenerator<Line> {
  const head = { case: 'P3', what: `${what}, of ${KEPT_WRITES.toLocaleString('en-US')}`, unit: 'writes' } as const
  const better = 'higher'
  const ours: number[] = []
  const pairs: Pair[] = []
  for (let round = 0; round < rounds; round++) {
    ours.push(await kept('ours', moment))
    if (peer !== undefined) pairs.push({ ours: ours.at(-1)!, theirs: await kept('cacheable', moment) })
  }
  if (peer !== undefined) yield lineOf({ ...head, better, peer, goal: null }, compare(pairs))
  // A single write that is missing in a single run is one too many: the least of all runs counts, not their median.
  if (all) yield lineOf({ ...head, better, peer: 'limit', goal: 1 }, compareToLimit([Math.min(...ours)], KEPT_WRITES))
}

/** How many of the writes are there, with their values, after the process that had them acknowledged was killed. */
function kept(side: WriteBackName, moment: Moment): Promise<number> {
  return inFolder(async folder => {
    await runUntilKilled('kept-child', { side, folder, moment })
    const found = await readBack(side, folder, keptKeys)
    return found.filter((value, number) => value === keptValues[number]).length
  })
}
