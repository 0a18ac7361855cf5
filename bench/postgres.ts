/**
 * P8: how fast a checkpoint goes into a Postgres, and how long a write-through waits for one: against what one would do
 * with a Postgres alone, and again with a synchronous standby behind it.
 */
import { runChild } from './child.js'
import type { FlushRun } from './flush-child.js'
import { inFolder } from './folders.js'
import { type Line, lineOf, type SyncsPerWrite } from './line.js'
import type { BenchOptions } from './options.js'
import { runPairs } from './pairs.js'
import { openPostgres, type PostgresPool } from './peers.js'
import type { PostgresSide } from './postgres-sides.js'
import type { Server } from './server.js'
import { serverTrouble, start } from './server-peers.js'
import { startWithStandby } from './standby.js'
import { compare, median, rounded } from './statistics.js'
import type { WriteThroughRun } from './write-through-child.js'

const FLUSH_GOAL = 20
const WRITERS = 32
const STANDBY_MS_MAX = 10_000
/** A server's own counts are told when a connection ends, and a little later. */
const COUNTS_MS = 200

interface Setting {
  /** Put behind what is measured. */
  suffix: string
  peer: string
  hasStandby: boolean
  start(folder: string): Promise<Server>
}

const SETTINGS: readonly Setting[] = [
  { suffix: '', peer: 'postgres', hasStandby: false, start: folder => start('postgres', folder) },
  {
    suffix: ', synchronous standby',
    peer: 'postgres with a standby',
    hasStandby: true,
    start: startWithStandby,
  },
]

export async function* postgres(options: BenchOptions): AsyncGenerator<Line> {
  const trouble = serverTrouble('postgres')
  for (const setting of SETTINGS) {
    if (trouble !== undefined) {
      yield { case: 'P8', peer: setting.peer, notRun: trouble }
      continue
    }
    const lines = await inFolder(folder => measure(setting, folder, options))
    yield* lines
  }
}

async function measure(setting: Setting, folder: string, options: BenchOptions): Promise<Line[]> {
  let server: Server
  try {
    server = await setting.start(folder)
  } catch (error) {
    return [{ case: 'P8', peer: setting.peer, notRun: (error as Error).message.split('\n')[0]! }]
  }
  const admin = openPostgres(server.address, 1)
  try {
    const run: Run = { setting, admin, place: server.address, options }
    if (setting.hasStandby) await untilInSync(admin)
    return [await flushLine(run), ...(await writeThroughLines(run))]
  } finally {
    await admin.end()
    await server.stop()
  }
}

interface Run {
  setting: Setting
  admin: PostgresPool
  place: string
  options: BenchOptions
}

async function flushLine(run: Run): Promise<Line> {
  const { quick, pairs: count } = run.options
  const times = quick ? { seconds: 0.5, warmSeconds: 0.1 } : { seconds: 2, warmSeconds: 0.5 }
  const syncs: Record<PostgresSide, number[]> = { ours: [], postgres: [] }
  const pairs = await runPairs(count, 'P8 flush', 'postgres', async (side, seed) => {
    const before = await syncsOf(run.admin)
    const { rows, seconds, allRows } = await child<FlushRun>(run, 'flush-child', side, { ...times, seed })
    const after = await syncsOf(run.admin)
    if (before !== null && after !== null) syncs[side].push((after - before) / allRows)
    return rows / seconds
  })
  const of = (side: PostgresSide) => (syncs[side].length === 0 ? null : rounded(median(syncs[side])))
  const syncsPerWrite: SyncsPerWrite = { ours: of('ours'), theirs: of('postgres'), how: 'by the server' }
  return lineOf(
    {
      case: 'P8',
      what: `flush of values of 1 KiB${run.setting.suffix}`,
      peer: 'postgres, a row a transaction, 1 connection',
      unit: 'rows/s',
      better: 'higher',
      goal: FLUSH_GOAL,
    },
    compare(pairs),
    { syncsPerWrite },
  )
}

async function writeThroughLines(run: Run): Promise<Line[]> {
  const { quick, pairs: count } = run.options
  const times = quick ? { seconds: 0.5, warmSeconds: 0.3 } : { seconds: 2, warmSeconds: 0.5 }
  const pairs = await runPairs(count, 'P8 write-through', 'postgres', (side, seed) =>
    child<WriteThroughRun>(run, 'write-through-child', side, { ...times, seed, writers: WRITERS }),
  )
  const { suffix } = run.setting
  const head = { case: 'P8', peer: `postgres, ${WRITERS} connections`, goal: null } as const
  return [
    lineOf(
      { ...head, what: `write-through, ${WRITERS} writers${suffix}`, unit: 'writes/s', better: 'higher' },
      compare(pairs.map(({ ours, theirs }) => ({ ours: ours.rate, theirs: theirs.rate }))),
    ),
    lineOf(
      { ...head, what: `median of one write-through, ${WRITERS} writers${suffix}`, unit: 'ms', better: 'lower' },
      compare(pairs.map(({ ours, theirs }) => ({ ours: ours.medianMs, theirs: theirs.medianMs }))),
    ),
  ]
}

/** One side, which finds an empty database and pays for nothing that others have left. */
async function child<T>({ setting, admin, place }: Run, name: string, side: PostgresSide, task: object): Promise<T> {
  await admin.query('DROP SCHEMA IF EXISTS holdfast CASCADE')
  await admin.query('DROP TABLE IF EXISTS entries')
  await admin.query('CHECKPOINT')
  const result = await inFolder(folder => runChild<T>(name, { ...task, side, place, folder: `${folder}/memory` }))
  if (setting.hasStandby) await expectInSync(admin)
  return result
}

/** How often the server has synced its log so far; `null` for one that is too old to say it. */
async function syncsOf(admin: PostgresPool): Promise<number | null> {
  await new Promise(resolve => setTimeout(resolve, COUNTS_MS))
  const { rows } = await admin.query('SHOW server_version_num')
  const version = Number(rows[0]!.server_version_num)
  if (version < 140_000) return null
  const counts =
    version < 180_000
      ? `SELECT wal_sync AS syncs FROM pg_stat_wal`
      : `SELECT sum(fsyncs) AS syncs FROM pg_stat_io WHERE object = 'wal'`
  return Number((await admin.query(counts)).rows[0]!.syncs)
}

async function untilInSync(admin: PostgresPool): Promise<void> {
  for (const started = performance.now(); performance.now() - started < STANDBY_MS_MAX; ) {
    if ((await syncState(admin)) === 'sync') return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  await expectInSync(admin)
}

async function expectInSync(admin: PostgresPool): Promise<void> {
  const state = await syncState(admin)
  if (state !== 'sync') throw new Error(`the standby is ${String(state)} instead of sync`)
}

async function syncState(admin: PostgresPool): Promise<unknown> {
  const { rows } = await admin.query('SELECT sync_state FROM pg_stat_replication')
  return rows[0]?.sync_state
}
