/**
 * Lives of real processes on one memory, one after another: each ends by itself, is killed at some file call, or loses
 * its power. At many calls of each life the disks that a power cut may leave there are opened and judged; the next life
 * starts on one of them, so that its recovery, and what it writes then, is cut short as well.
 */
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DiskState } from '../src/testing/disk-state.js'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import { expectSame } from './crash-again.js'
import { type Content, judge } from './history.js'
import { recordLife } from './real-power-life.js'
import type { OpenerPool } from './real-power-pool.js'
import type { FoundReport } from './reported-history.js'
import type { Shim, ShimSetting } from './shim.js'
import { readTrace, type TraceCall } from './trace.js'
import { TraceDisk } from './trace-disk.js'
import { nothingPromised, STATEMENTS, type Standing, TraceHistory } from './trace-history.js'
import { differenceTo, disksLeft, type LeftDisk, materialise } from './trace-states.js'

/** Its parents are made by the first open, too. */
const FOLDER = '/agent/memory'
const STORE = `${FOLDER}/store`
const LIVES = 5
const STATES_PER_MOMENT = 6
const OPENING_AT_ONCE = 6

export interface ChainOptions {
  shim: Shim | undefined
  pool: OpenerPool
  seed: number
  /** A folder to work in. */
  work: string
  /** Disks that are opened in one life. */
  statesPerLife: number
  /** Whether every sync lies: for the proof that the laboratory would see it. */
  isLying: boolean
  /** Where the traces of an earlier run are, which are looked at again instead of running processes. */
  replay: string | undefined
  /** What disks hold that were opened before, by their fingerprints. */
  known: Map<string, Promise<FoundReport>>
  counts: ChainCounts
  /** Whether enough has been seen. */
  isDone(): boolean
}

export interface ChainCounts {
  states: number
  /** Of them, those that a power cut has left within the recovery from another crash, and in a life that began so. */
  withinRecovery: number
  afterRecovery: number
  checks: number
  moments: number
  lives: number
  kills: number
  calls: number
  writes: number
  acknowledged: number
}

export interface ChainFailure {
  life: number
  what: string
}

/** How a life begins. */
interface Start {
  disk: DiskState
  standing: Standing
  /** It is what a power cut has left; else the process before it was killed, or has ended. */
  isCut: boolean
  isCrash: boolean
}

export class Chain {
  readonly failures: ChainFailure[] = []
  readonly #options: ChainOptions
  readonly #random: Random
  readonly #root: string
  #folders = 0

  constructor(options: ChainOptions) {
    this.#options = options
    this.#random = seededRandom(options.seed)
    this.#root = join(options.work, 'root')
  }

  async run(): Promise<void> {
    let start: Start = { disk: new DiskState(), standing: nothingPromised(), isCut: true, isCrash: false }
    for (let life = 0; life < LIVES && this.failures.length === 0 && !this.#options.isDone(); life++) {
      start = await this.#live(life, start)
    }
  }

  async #live(life: number, start: Start): Promise<Start> {
    const { counts } = this.#options
    // Drawn first, whatever comes: a replay draws the same.
    const setting = this.#setting(life)
    const steps = 15 + randomBelow(this.#random, 60)
    const seed = this.#options.seed * 1000 + life
    const before = start.disk.clone()
    const calls = await this.#record(life, start, { seed, steps, setting })
    const history = new TraceHistory(calls, start.standing)
    counts.lives += 1
    counts.calls += calls.length
    counts.writes += history.calls
    counts.acknowledged += history.acknowledged
    if (!history.hasEnded) counts.kills += 1
    return this.#check(life, { ...start, disk: before }, calls, history)
  }

  #setting(life: number): ShimSetting {
    const random = this.#random
    // Longer than the engine stays on the event loop for, now and then.
    const syncUs = [0, 0, 300, 300, 12_000][randomBelow(random, 5)]!
    // Sometimes while it opens, mostly while it writes, and beyond its last call it ends by itself.
    const at = random() < 0.3 ? randomBelow(random, 90) : 90 + randomBelow(random, 600)
    if (this.#options.isLying) return { fault: 'lie', sticky: true, syncUs }
    return life === 0 && random() < 0.5 ? { syncUs } : { fault: random() < 0.5 ? 'kill' : 'kill-after', at, syncUs }
  }

  async #record(
    life: number,
    start: Start,
    { seed, steps, setting }: { seed: number; steps: number; setting: ShimSetting },
  ): Promise<TraceCall[]> {
    const { shim, replay, work } = this.#options
    if (replay !== undefined || shim === undefined) return [...readTrace(join(replay!, traceName(life)))]
    if (start.isCut) {
      rmSync(this.#root, { recursive: true, force: true })
      mkdirSync(this.#root, { recursive: true })
      materialise(start.disk, this.#root)
    }
    const { calls, fault } = await recordLife({
      shim,
      root: this.#root,
      folder: join(this.#root, FOLDER),
      trace: join(work, traceName(life)),
      seed,
      serial: life * 1_000_000,
      steps,
      setting,
    })
    if (fault !== undefined) this.#fail(life, fault)
    return calls
  }

  /** Judges what power cuts within a life may leave, and says how the next one starts. */
  async #check(life: number, start: Start, calls: readonly TraceCall[], history: TraceHistory): Promise<Start> {
    const { counts, statesPerLife, replay } = this.#options
    const disk = new TraceDisk(start.disk, folder => folder === STORE)
    const moments = this.#moments(calls, Math.ceil(statesPerLife / STATES_PER_MOMENT))
    const opening = new Set<Promise<void>>()
    let next: Start | undefined
    for (const [index, call] of calls.entries()) {
      if (moments.has(index)) {
        counts.moments += 1
        const standing = history.at(index)
        for (const left of disksLeft(disk, STATES_PER_MOMENT, seededRandom(this.#options.seed * 7919 + index))) {
          // One of them all, each with the same chance.
          if (randomBelow(this.#random, statesPerLife) === 0)
            next = { disk: left.state, standing, isCut: true, isCrash: true }
          const found = this.#open(left)
          if (start.isCrash && found.isNew) counts[index < history.foundAt ? 'withinRecovery' : 'afterRecovery'] += 1
          const where = `before call ${index} of life ${life} (${call.call} ${call.path}); left: ${choiceText(left)}`
          const unserved = start.isCut && index < history.foundAt ? history.found : undefined
          const judged = this.#judge(life, found.report, standing, unserved, where).finally(() =>
            opening.delete(judged),
          )
          opening.add(judged)
          while (opening.size >= OPENING_AT_ONCE) await Promise.race(opening)
        }
      }
      if (call.path !== STATEMENTS) disk.apply(call)
    }
    await Promise.all(opening)
    const difference = replay === undefined ? differenceTo(disk.state, this.#root, isUnseen) : undefined
    if (difference !== undefined) throw new Error(`the trace does not lead to what is there: ${difference}`)
    const isCrash = !history.hasEnded
    return next ?? { disk: disk.state, standing: history.at(calls.length), isCut: false, isCrash }
  }

  /** Calls before which the power is cut: so many, evenly spread over those that are on the memory. */
  #moments(calls: readonly TraceCall[], count: number): Set<number> {
    const indexes = calls.flatMap(({ path, call }, index) => (path === STATEMENTS || call === 'close' ? [] : [index]))
    const offset = this.#random()
    const chosen = Math.min(count, indexes.length)
    return new Set(
      Array.from({ length: chosen }, (_, n) => indexes[Math.floor(((n + offset) * indexes.length) / chosen)]!),
    )
  }

  /** What is found on a disk; one that was seen before need not be opened again. */
  #open({ fingerprint, state }: LeftDisk): { report: Promise<FoundReport>; isNew: boolean } {
    const { known, counts, pool, work } = this.#options
    const before = known.get(fingerprint)
    if (before !== undefined) return { report: before, isNew: false }
    counts.states += 1
    const root = join(work, `left-${this.#folders++}`)
    mkdirSync(root)
    materialise(state, root)
    const report = pool.open(join(root, FOLDER)).finally(() => rmSync(root, { recursive: true, force: true }))
    known.set(fingerprint, report)
    return { report, isNew: true }
  }

  async #judge(
    life: number,
    opened: Promise<FoundReport>,
    { history, moment }: Standing,
    unserved: Content | undefined,
    where: string,
  ): Promise<void> {
    let found: FoundReport
    try {
      found = await opened
    } catch (error) {
      // Two failures of one kind should read the same: folders differ.
      const why = (error as Error).message.replace(/\/\S*\/left-\d+/g, '')
      this.#fail(life, `recovery refuses or fails: ${why}\n  power cut ${where}`)
      return
    }
    this.#options.counts.checks += 1
    const content: Content = new Map(found.found.map(([key, value, version]) => [key, { value, version }]))
    const { broken } = judge(history, moment, content)
    if (broken !== undefined) this.#fail(life, `${broken}\n  power cut ${where}`)
    if (found.lastLsn < moment.lastLsn) {
      this.#fail(life, `LSN ${found.lastLsn + 1} would be handed out a second time\n  power cut ${where}`)
    }
    if (unserved === undefined) return
    try {
      // What a power cut has left is durable: a recovery that is cut short must not change what it is.
      expectSame(content, unserved, 'a power cut within its recovery')
    } catch (error) {
      this.#fail(life, `${(error as Error).message}\n  power cut ${where}`)
    }
  }

  #fail(life: number, what: string): void {
    this.failures.push({ life, what })
  }

  /** Keeps the traces, from which everything can be seen again. */
  keepTraces(folder: string): void {
    mkdirSync(folder, { recursive: true })
    const { work, replay } = this.#options
    if (replay !== undefined) return
    cpSync(work, folder, { recursive: true, filter: path => path === work || path.endsWith('.trace') })
  }
}

function traceName(life: number): string {
  return `life-${life}.trace`
}

/** Statements are no part of the disk. */
function isUnseen(path: string): boolean {
  return path === STATEMENTS
}

function choiceText({ choice }: LeftDisk): string {
  return JSON.stringify(choice).replaceAll('"', '')
}
