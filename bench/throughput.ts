/** P1: durable writes a second of many writers, each of which awaits its own. */
import { runChild } from './child.js'
import { type Line, lineOf } from './line.js'
import type { BenchOptions } from './options.js'
import { runPairs } from './pairs.js'
import { Servers, troubles } from './place.js'
import { PEERS, type PeerName, POSTGRES_CONNECTIONS, type SideName } from './sides.js'
import { compare } from './statistics.js'
import { countSyncs, type PutRun, rateOf } from './syncs.js'

const WRITERS = 256
const GOALS: Record<PeerName, number | null> = {
  lmdb: 3,
  leveldb: 30,
  sqlite: 50,
  redis: 5,
  postgres: 50,
  'keyv-sqlite': null,
}

export async function* throughput(options: BenchOptions): AsyncGenerator<Line> {
  const times = options.quick ? { seconds: 0.5, warmSeconds: 0.2 } : { seconds: 2, warmSeconds: 0.5 }
  const task = { ...times, writers: WRITERS, input: options.input }
  const absent = await troubles()
  const present = PEERS.filter(peer => !absent.has(peer))
  const syncsOf = await countSyncs(['ours', ...present], 'throughput-child', { ...task, seed: 1 })
  const servers = new Servers()
  try {
    for (const peer of PEERS) {
      const trouble = absent.get(peer)
      if (trouble !== undefined) {
        yield { case: 'P1', peer, notRun: trouble }
        continue
      }
      const pairs = await runPairs(options.pairs, 'P1', peer, rate)
      const writers =
        peer === 'postgres' ? `${WRITERS} writers, ${POSTGRES_CONNECTIONS} connections` : `${WRITERS} writers`
      const what = `durable writes, ${peer === 'sqlite' ? '1 writer' : writers}`
      const head = { case: 'P1', what, peer, unit: 'writes/s', better: 'higher', goal: GOALS[peer] } as const
      yield lineOf(head, compare(pairs), { syncsPerWrite: syncsOf(peer) })
    }
  } finally {
    await servers.stop()
  }

  async function rate(side: SideName, seed: number): Promise<number> {
    const place = await servers.placeFor(side)
    try {
      return rateOf(await runChild<PutRun>('throughput-child', { ...task, side, place: place.address, seed }))
    } finally {
      await place.leave()
    }
  }
}
