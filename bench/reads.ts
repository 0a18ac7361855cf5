/** P4: what a read of a held entry costs, and how often an entry is held. */
import { runChild } from './child.js'
import { inFolder } from './folders.js'
import type { HitRatioRun } from './hit-ratio-child.js'
import { type Line, lineOf } from './line.js'
import type { BenchOptions } from './options.js'
import { progress } from './progress.js'
import type { ReadsRun, Way } from './reads-child.js'
import { compare, compareToLimit } from './statistics.js'

const READ_GOAL = 0.3333
const HIT_GOALS = [
  { share: 0.01, percent: 44 },
  { share: 0.1, percent: 66 },
]

export async function* reads(options: BenchOptions): AsyncGenerator<Line> {
  yield* heldReads(options)
  for (const goal of HIT_GOALS) yield* hitRatio(options, goal.share, goal.percent)
}

async function* heldReads({ pairs, quick, input }: BenchOptions): AsyncGenerator<Line> {
  const slices = quick ? 5 : 20
  const runs: ReadsRun[] = []
  for (let seed = 1; seed <= pairs; seed++) {
    progress(`P4 reads ${seed}/${pairs}`)
    runs.push(await inFolder(folder => runChild<ReadsRun>('reads-child', { folder, slices, seed, input })))
  }
  const against = (ours: Way, theirs: Way, goal: number | null, what: string, peer: string): Line => {
    const rates = runs.map(run => ({ ours: 1e9 / run[ours], theirs: 1e9 / run[theirs] }))
    return lineOf({ case: 'P4', what, peer, unit: 'gets/s', better: 'higher', goal }, compare(rates))
  }
  const awaited = 'get of a held entry, awaited'
  yield against('ours awaited', 'lru', READ_GOAL, awaited, 'lru-cache')
  yield against('ours awaited', 'lru awaited', null, awaited, 'lru-cache, awaited')
  yield against('ours in bulk', 'lru', null, '256 gets of held entries, awaited together', 'lru-cache')
}

async function* hitRatio(options: BenchOptions, share: number, goal: number): AsyncGenerator<Line> {
  const { pairs, quick } = options
  const size = quick ? { keys: 100_000, reads: 200_000 } : { keys: 100_000, reads: 1_000_000 }
  const runs: HitRatioRun[] = []
  for (let seed = 1; seed <= pairs; seed++) {
    progress(`P4 hits at ${share * 100} % ${seed}/${pairs}`)
    runs.push(await inFolder(folder => runChild<HitRatioRun>('hit-ratio-child', { folder, ...size, share, seed })))
  }
  const head = {
    case: 'P4',
    what: `hits, Zipf 0.9, room for ${share * 100} % of the keys`,
    unit: '%',
    better: 'higher',
  } as const
  const ours = runs.map(run => run.ours)
  yield lineOf({ ...head, peer: 'limit', goal: 1 }, compareToLimit(ours, goal))
  for (const [peer, name] of [
    ['lru', 'lru-cache'],
    ['sieve', '@neophi/sieve-cache'],
  ] as const) {
    const rates = runs.map(run => ({ ours: run.ours, theirs: run[peer] }))
    yield lineOf({ ...head, peer: name, goal: null }, compare(rates))
  }
}
