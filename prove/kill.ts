/**
 * `prove kill`: real processes write to a real folder and are killed with SIGKILL at random moments. Each next process
 * reports what it has found, which is judged by what the dead one had reported.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import { contentOf } from './content.js'
import { ending } from './endings.js'
import type { Report } from './kill-child.js'
import { type FoundReport, foundIn, ReportedHistory } from './reported-history.js'
import { withServers } from './servers.js'
import { openOver, type StoreName } from './stores.js'

export interface KillOptions {
  lives: number
  seed: number
  store?: StoreName
  onProgress?(lives: number): void
}

export interface KillResult {
  lives: number
  /** Killed with accepted writes unanswered. */
  killedWriting: number
  killedOpening: number
  accepted: number
  acknowledged: number
  unanswered: number
  unansweredKept: number
  /** Acknowledged as write-back, and lost within the bound. */
  lostWriteBack: number
  failures: { life: number; broken: string }[]
  /** Why the store cannot run here. */
  notRun?: string
  ms: number
}

const CHILD = fileURLToPath(new URL('./kill-child.js', import.meta.url))
/** A life that says nothing for so long hangs. */
const SILENCE_MS = 30_000
/** From when it has opened on. */
const LIFE_MS_MIN = 10
const LIFE_MS_RANGE = 120
/** From the start of its process on: long enough for some to be in the midst of opening. */
const OPENING_MS_MIN = 50
const OPENING_MS_RANGE = 400
const KILLED_OPENING_SHARE = 0.1

export async function proveKill(options: KillOptions): Promise<KillResult> {
  const started = performance.now()
  const { store = 'level' } = options
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-prove-'))
  const prover = new KillProver(join(folder, 'memory'), options)
  await ending(
    () => rm(folder, { recursive: true, force: true }),
    () =>
      withServers([store], async notRun => {
        const why = notRun(store)
        if (why === undefined) await prover.run()
        else prover.result.notRun = why
      }),
  )
  return { ...prover.result, ms: performance.now() - started }
}

class KillProver {
  readonly result: Omit<KillResult, 'ms'> = {
    lives: 0,
    killedWriting: 0,
    killedOpening: 0,
    accepted: 0,
    acknowledged: 0,
    unanswered: 0,
    unansweredKept: 0,
    lostWriteBack: 0,
    failures: [],
  }
  readonly #folder: string
  readonly #store: StoreName
  readonly #options: KillOptions
  readonly #random: Random
  readonly #history = new ReportedHistory()

  constructor(folder: string, options: KillOptions) {
    this.#folder = folder
    this.#store = options.store ?? 'level'
    this.#options = options
    this.#random = seededRandom(options.seed)
  }

  async run(): Promise<void> {
    for (let life = 0; life < this.#options.lives && this.result.failures.length === 0; life++) {
      await this.#live(life)
      this.result.lives += 1
      this.#options.onProgress?.(this.result.lives)
    }
    if (this.result.failures.length === 0) await this.#lookAtTheEnd()
  }

  async #live(life: number): Promise<void> {
    const seed = this.#options.seed * 100_003 + life
    const child = spawn(process.execPath, [CHILD, this.#store, this.#folder, String(seed), String(life * 1_000_000)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = endOf(child)
    const isKilledOpening = this.#random() < KILLED_OPENING_SHARE
    const lifeMs = LIFE_MS_MIN + randomBelow(this.#random, LIFE_MS_RANGE)
    const openingMs = OPENING_MS_MIN + randomBelow(this.#random, OPENING_MS_RANGE)
    let hasOpened = false
    let timer = setTimeout(() => child.kill('SIGKILL'), isKilledOpening ? openingMs : SILENCE_MS)
    for await (const line of createInterface({ input: child.stdout! })) {
      const report = parse(line)
      if (report === undefined) continue
      this.#take(report, life)
      if (!('found' in report) || isKilledOpening) continue
      hasOpened = true
      clearTimeout(timer)
      timer = setTimeout(() => child.kill('SIGKILL'), lifeMs)
    }
    const { signal, errors } = await ended
    clearTimeout(timer)
    // Nothing but the kill ends a life.
    if (signal !== 'SIGKILL') this.#fail(life, `the process ended by itself: ${errors.slice(0, 2000)}`)
    else if (!hasOpened && !isKilledOpening) this.#fail(life, `opening took more than ${SILENCE_MS} ms: ${errors}`)
    this.#afterDeath(hasOpened)
  }

  #take(report: Report, life: number): void {
    if ('found' in report) {
      this.#judge(report, life)
      return
    }
    this.#history.take(report)
    if ('acknowledged' in report) this.result.acknowledged += 1
  }

  #judge(report: FoundReport, life: number): void {
    const { broken, ...counts } = this.#history.found(report)
    if (broken !== undefined) this.#fail(life, `found after the kill: ${broken}`)
    this.result.accepted += counts.accepted
    this.result.unanswered += counts.unanswered
    this.result.unansweredKept += counts.unansweredKept
    this.result.lostWriteBack += counts.lostWriteBack
  }

  #afterDeath(hasOpened: boolean): void {
    this.#history.died()
    if (!hasOpened) this.result.killedOpening += 1
    else if (this.#history.hasUnanswered) this.result.killedWriting += 1
  }

  async #lookAtTheEnd(): Promise<void> {
    const memory = await openOver(this.#store, this.#folder)
    try {
      this.#judge(foundIn(memory, await contentOf(memory)), this.result.lives)
    } finally {
      await memory.close()
    }
  }

  #fail(life: number, broken: string): void {
    this.result.failures.push({ life, broken })
  }
}

function parse(line: string): Report | undefined {
  try {
    return JSON.parse(line) as Report
  } catch {
    // The kill came in the middle of a report: what it was about has not been done yet, or need not be known.
    return undefined
  }
}

async function endOf(child: ChildProcess): Promise<{ signal: NodeJS.Signals | null; errors: string }> {
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (_, signal) => resolve({ signal, errors }))
  })
}
