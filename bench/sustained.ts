/** P5: many keys in random order, checkpoints running: the rate over the whole run, its worst waits, its memory. */
import { runChild } from './child.js'
import { inFolder } from './folders.js'
import { type Line, lineOf } from './line.js'
import type { BenchOptions } from './options.js'
import { runPairs } from './pairs.js'
import { RssWatch } from './rss.js'
import { compare, compareToLimit, type Pair } from './statistics.js'
import type { SustainedRun } from './sustained-child.js'
import { countSyncs, rateOf } from './syncs.js'

const WRITERS = 256
const RATIO_GOAL = 4
const P999_MS_MAX = 250
const RSS_MIB_MAX = 1024
// A run of ten million keys takes minutes; its length makes up for it.
const KEYS_FOR_ONE_PAIR = 3_000_000
const PAIRS_MAX = 3
// Under strace every system call is slow.
const KEYS_TRACED = 20_000

interface Watched extends SustainedRun {
  peakMib: number | undefined
}

export async function* sustained(options: BenchOptions): AsyncGenerator<Line> {
  const { keys, input } = options
  const task = { keys, writers: WRITERS, input }
  const pairCount = keys >= KEYS_FOR_ONE_PAIR ? 1 : Math.min(options.pairs, PAIRS_MAX)
  const pairs = await runPairs(pairCount, 'P5', 'lmdb', (side, seed) =>
    inFolder(async (place): Promise<Watched> => {
      const watch = new RssWatch()
      const start = (pid: number) => watch.start(pid)
      const run = await runChild<SustainedRun>('sustained-child', { ...task, side, place, seed }, { onStart: start })
        // Otherwise the timer would keep the command alive.
        .finally(() => watch.stop())
      return { ...run, peakMib: watch.peakMib() }
    }),
  )
  const few = { ...task, keys: Math.min(keys, KEYS_TRACED), seed: 1 }
  const syncsPerWrite = (await countSyncs(['ours', 'lmdb'], 'sustained-child', few))('lmdb')
  const head = { case: 'P5', unit: 'ms', better: 'lower' } as const
  const of = (read: (run: Watched) => number): Pair[] =>
    pairs.map(({ ours, theirs }) => ({ ours: read(ours), theirs: read(theirs) }))
  const last = pairs.at(-1)!

  const what = `sustained writes, ${keys.toLocaleString('en-US')} keys, ${WRITERS} writers`
  yield lineOf(
    { case: 'P5', what, peer: 'lmdb', unit: 'writes/s', better: 'higher', goal: RATIO_GOAL },
    compare(of(rateOf)),
    { syncsPerWrite, progress: { ours: last.ours.progress, theirs: last.theirs.progress } },
  )
  const waits = of(run => run.p999)
  const p999 = { ...head, what: 'p99.9 of an acknowledgement' }
  yield lineOf({ ...p999, peer: 'limit', goal: 1 }, limited(waits, P999_MS_MAX))
  yield lineOf({ ...p999, peer: 'lmdb', goal: null }, compare(waits))
  const rss = { ...head, what: 'peak of anonymous memory', unit: 'MiB' }
  if (last.ours.peakMib === undefined) {
    yield { case: 'P5', peer: 'limit', notRun: 'this system does not tell anonymous memory' }
  } else {
    const peaks = of(run => run.peakMib ?? 0)
    yield lineOf({ ...rss, peer: 'limit', goal: 1 }, limited(peaks, RSS_MIB_MAX))
    yield lineOf({ ...rss, peer: 'lmdb', goal: null }, compare(peaks))
  }
  const drain = { ...head, what: 'from the last acknowledgement until it is closed', unit: 's' }
  yield lineOf({ ...drain, peer: 'lmdb', goal: null }, compare(of(run => run.closeSeconds)))
}

function limited(pairs: readonly Pair[], limit: number) {
  return compareToLimit(
    pairs.map(({ ours }) => ours),
    limit,
  )
}
