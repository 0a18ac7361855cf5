/**
 * `prove outage`: a Postgres is stopped, held up and killed under writers of every durability, and so is their process.
 * Nothing that was acknowledged may be missing afterwards, nothing may be acknowledged that is not so, and what waits for
 * the disk of this machine only must go on as before.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AgentMemory } from '../src/index.js'
import { type PostgresServer, type StopMode, startPostgres } from '../test/services/postgres.js'
import { postgresTrouble } from '../test/services/postgres-programs.js'
import { Drain } from './outage-drain.js'
import { type Found, judge, type Verdict } from './outage-judge.js'
import { type Drained, lanesOf, type Phase, SLOTS } from './outage-lanes.js'
import { Writer } from './outage-writer.js'
import type { PartResult } from './part.js'

/** What happens to the server, and whether the process that writes is killed meanwhile. */
export const ACTS = {
  stopped: { server: 'fast', killsWriter: false },
  'held up': { server: 'pause', killsWriter: false },
  killed: { server: 'kill', killsWriter: false },
  'and Holdfast killed': { server: 'kill', killsWriter: true },
} as const
export type ActName = keyof typeof ACTS

export interface OutageOptions {
  /** How long each outage lasts. */
  seconds: number
  /** Writers of each durability. */
  writers: number
  /** @defaultValue all */
  acts?: readonly ActName[]
  /** Takes an acknowledged entry out of the database behind the memory's back: the run has to tell it as broken. */
  plant?: boolean
}

/** What came of one outage. */
export interface ActResult extends Verdict {
  act: ActName
  before: Phase
  during: Phase
  /** Write-throughs that were told STORE_BEHIND, and those of them that were told to be kept later. */
  behind: number
  kept: number
  storeReadsRefused: number
  drained: Drained
  /** From the server's return until the store had everything. */
  recoveredMs: number
}

export interface OutageResult extends PartResult {
  acts: ActResult[]
}

const BEFORE_SECONDS_MAX = 10
const WARM_MS = 500
const DRAIN_MS_MIN = 120_000

export async function proveOutage(options: OutageOptions): Promise<OutageResult> {
  const started = performance.now()
  const result: OutageResult = { name: 'outage', seed: 0, counts: {}, failures: [], ms: 0, acts: [] }
  const trouble = postgresTrouble(18)
  if (trouble !== false) return { ...result, notRun: trouble }
  const replay = `npm run prove -- outage --seconds ${options.seconds} --writers ${options.writers}`
  const endings: (() => Promise<void>)[] = []
  try {
    const server = await startPostgres({ after: end => endings.push(end) })
    for (const act of options.acts ?? (Object.keys(ACTS) as ActName[])) {
      try {
        const acted = await runAct(server, act, options)
        result.acts.push(acted)
        result.failures.push(...acted.broken.map(text => ({ what: `${act}: ${text}`, replay })))
      } catch (error) {
        result.failures.push({ what: `${act}: it has not come to its end: ${(error as Error).message}`, replay })
      }
    }
  } finally {
    for (const end of endings) await end()
  }
  result.counts = countsOf(result.acts, options)
  result.ms = performance.now() - started
  return result
}

/** Goal: write-ahead is acknowledged within so many times of what it took before. */
export const RATIO_GOAL = 2

/** How much longer write-ahead took during the outage, by the medians; `undefined` where one of them is missing. */
export function ratioOf({ before, during }: Pick<ActResult, 'before' | 'during'>): number | undefined {
  const [was, is] = [before['write-ahead'].medianMs, during['write-ahead'].medianMs]
  return was === null || is === null ? undefined : is / was
}

async function runAct(server: PostgresServer, act: ActName, options: OutageOptions): Promise<ActResult> {
  const { server: how, killsWriter } = ACTS[act]
  const { seconds, writers, plant = false } = options
  const ms = seconds * 1000
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-outage-'))
  const url = await server.newDatabase()
  // Long enough for a busy server, and short enough for each write-through to be told twice.
  const storeDeadlineMs = Math.min(5000, Math.max(500, ms / 4))
  const place = { url, folder: join(folder, 'memory') }
  const writer = await Writer.start({ ...place, writers, storeDeadlineMs })
  try {
    await pause(Math.min(WARM_MS, ms))
    await writer.phase()
    await pause(Math.min(BEFORE_SECONDS_MAX * 1000, ms))
    const before = await writer.phase()

    await strike(server, how)
    await writer.phase()
    // What the server had answered before may still be on its way.
    await pause(Math.min(1000, ms / 2))
    const atStart = writer.tally
    await pause(Math.max(ms / 2, ms - 1000))
    const during = await writer.phase()
    const atEnd = writer.tally
    const beforeKill = killsWriter ? await writer.kill() : undefined

    const returned = performance.now()
    await bringBack(server, how)
    const drained = killsWriter ? undefined : await writer.end(Math.max(DRAIN_MS_MIN, 10 * ms))
    const drainedMs = performance.now() - returned
    if (plant) await takeOut(server, url)
    const after = await readAll(place, writers)
    const { tally } = writer
    const verdict = judge({
      lanes: lanesOf(writers),
      tally,
      found: after.found,
      beforeKill,
      during: {
        writes: writesOf(during),
        stored: atEnd.stored - atStart.stored,
        storeReads: atEnd.storeReads - atStart.storeReads,
        isLong: ms >= 2 * storeDeadlineMs,
      },
    })
    return {
      act,
      ...verdict,
      before,
      during,
      behind: tally.behind,
      kept: tally.kept,
      storeReadsRefused: tally.storeReadsRefused,
      drained: drained ?? after.drained,
      recoveredMs: drained === undefined ? after.readyAt - returned : drainedMs,
    }
  } finally {
    writer.abandon()
    await bringBack(server, how)
    await rm(folder, { recursive: true, force: true })
  }
}

async function strike(server: PostgresServer, how: StopMode | 'pause'): Promise<void> {
  if (how === 'pause') server.pause()
  else await server.stop(how)
}

/** Does nothing to one that is there. */
async function bringBack(server: PostgresServer, how: StopMode | 'pause'): Promise<void> {
  if (how === 'pause') server.resume()
  else await server.start()
}

/** What a new memory shows, once the store has everything. */
async function readAll({ url, folder }: { url: string; folder: string }, writers: number) {
  const memory = await AgentMemory.open(url, { folder })
  try {
    const drained = await new Drain(memory).finish()
    const readyAt = performance.now()
    const found: (Found | undefined)[][] = lanesOf(writers).map(() => Array.from({ length: SLOTS }, () => undefined))
    for await (const { key, value, version } of memory.map<string>('lanes').entries()) {
      const [lane, slot] = key as unknown as [string, string]
      // With a log, the version of an entry is the LSN of its write.
      found[Number(lane)]![Number(slot)] = { value, lsn: version }
    }
    return { found, drained, readyAt }
  } finally {
    await memory.close()
  }
}

/** The newest entry of all: it was acknowledged. */
async function takeOut(server: PostgresServer, url: string): Promise<void> {
  await server.query(
    `DELETE FROM holdfast.entries WHERE version = (SELECT max(version) FROM holdfast.entries WHERE map = 'lanes')`,
    url,
  )
}

function writesOf(phase: Phase) {
  return {
    'write-back': phase['write-back'].writes,
    'write-ahead': phase['write-ahead'].writes,
    'write-through': phase['write-through'].writes,
  }
}

function countsOf(acts: readonly ActResult[], { seconds, writers }: OutageOptions): PartResult['counts'] {
  const sum = (of: (act: ActResult) => number) => acts.reduce((all, act) => all + of(act), 0)
  return {
    outages: acts.length,
    'seconds each': seconds,
    'writers of each durability': writers,
    'write-backs during them': sum(({ during }) => during['write-back'].writes),
    'write-aheads': sum(({ during }) => during['write-ahead'].writes),
    'write-throughs told to be behind': sum(({ behind }) => behind),
    'acknowledged and lost': sum(({ lost }) => lost),
    'lost within the bound of write-back': sum(({ lostWithinBound }) => lostWithinBound),
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
