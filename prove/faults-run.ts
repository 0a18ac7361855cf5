/** Runs one case of `prove faults`: a life in a folder, one fault, a look by another process, and an open by the same. */
import { mkdirSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { COUNT_ALL, type FaultCase, type LifeName, settingOf } from './faults-cases.js'
import type { ChildCommand } from './faults-child.js'
import type { FaultEnding, FaultReport, LifeCommand } from './faults-life.js'
import { ReportedHistory } from './reported-history.js'
import { readControl, type Shim, writeControl } from './shim.js'
import type { StoreName } from './stores.js'
import { type Ending, ReportingChild } from './subjects/reporting-child.js'

export interface CaseResult {
  /** What the fault befell; `undefined` if it befell nothing. */
  befell: string | undefined
  /** Calls that were counted. */
  calls: number
  /** How often somebody looked, and what was found agreed with what had been told. */
  judged: number
  acknowledged: number
  /** Errors that callers got: all of them ours, and documented. */
  errors: number
  broken: string[]
}

/** Mistakes that the prover has to find. */
export const FAULT_MUTANTS = ['ignores-failed-syncs'] as const
export type FaultMutant = (typeof FAULT_MUTANTS)[number]

export interface RunnerOptions {
  shim: Shim
  /** An empty folder of its own. */
  folder: string
  seed: number
  mutant?: FaultMutant | undefined
  store: StoreName
  /** Where the calls of the process are recorded. */
  trace?: string
}

/** What a first life without a fault has left, and what it has told. */
export interface Legacy {
  folder: string
  reports: readonly FaultReport[]
}

const CHILD = new URL('./faults-child.js', import.meta.url)
/** A generous limit, which only a hang reaches: waits of the engine are shorter, and each step is reported. */
const SILENCE_MS = 40_000
const STEPS: Readonly<Record<LifeName, number>> = { first: 2, second: 2 }
const SERIALS: Readonly<Record<LifeName, number>> = { first: 0, second: 1000 }

export class CaseRunner {
  readonly #options: RunnerOptions
  readonly #root: string
  readonly #control: string
  /** Nothing ever befalls the process that looks. */
  readonly #lookerControl: string
  #writer: ReportingChild<FaultReport> | undefined
  #looker: ReportingChild<FaultReport> | undefined
  #cases = 0

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#root = join(options.folder, 'root')
    this.#control = join(options.folder, 'control')
    this.#lookerControl = join(options.folder, 'control-of-looker')
    mkdirSync(this.#root)
    writeControl(this.#lookerControl, COUNT_ALL)
  }

  async run(fault: FaultCase, ending: FaultEnding, legacy: Legacy | undefined): Promise<CaseResult> {
    const run = await this.#begin(legacy)
    writeControl(this.#control, settingOf(fault))
    await this.#live(run, fault.life, ending, { isInThread: fault.call % 3 === 0, mayBeKilled: fault.fault === 'kill' })
    await this.#look(run)
    // The same process has to be able to open it as well: it has left nothing open, and nothing locked. A dead one has not.
    if (run.result.broken.length === 0 && this.#writer !== undefined) await this.#command(run, this.#lookAt(run))
    if (run.result.broken.length > 0) await this.end()
    await rm(run.folder, { recursive: true, force: true })
    return run.result
  }

  /** A life without a fault. Its folder stays. */
  async runClean(life: LifeName, legacy: Legacy | undefined): Promise<{ result: CaseResult; legacy: Legacy }> {
    const run = await this.#begin(legacy)
    writeControl(this.#control, { ...COUNT_ALL, recording: this.#options.trace !== undefined })
    await this.#live(run, life, 'mend', { isInThread: false, mayBeKilled: false })
    return { result: run.result, legacy: { folder: run.folder, reports: run.reports } }
  }

  async end(): Promise<void> {
    await Promise.all([this.#writer?.end(), this.#looker?.end()])
    this.#writer = undefined
    this.#looker = undefined
  }

  async #begin(legacy: Legacy | undefined): Promise<CaseRun> {
    const run = new CaseRun(join(this.#root, `memory-${this.#cases++}`))
    if (legacy === undefined) return run
    for (const report of legacy.reports) run.onReport(report)
    await cp(legacy.folder, run.folder, { recursive: true, preserveTimestamps: true })
    return run
  }

  #lookAt({ folder }: CaseRun): ChildCommand {
    return { look: folder, store: this.#options.store }
  }

  async #live(run: CaseRun, life: LifeName, ending: FaultEnding, { isInThread, mayBeKilled }: Manner): Promise<void> {
    const command: LifeCommand = {
      store: this.#options.store,
      folder: run.folder,
      seed: this.#options.seed,
      serial: SERIALS[life],
      steps: STEPS[life],
      ending,
      isInThread: isInThread && this.#options.store === 'level',
    }
    await this.#command(run, command, mayBeKilled)
    const { calls, hits, hit } = readControl(this.#control)
    run.result.calls = calls
    if (hits > 0) run.result.befell = `${hit!.call} ${hit!.path}`
    writeControl(this.#control, COUNT_ALL)
  }

  async #look(run: CaseRun): Promise<void> {
    this.#looker ??= new ReportingChild(CHILD, [], this.#environment(this.#lookerControl))
    const ended = await this.#looker.run(this.#lookAt(run), {
      silenceMs: SILENCE_MS,
      onReport: run.onReport,
    })
    if (ended.how !== 'done') run.broken(`the process that looks has ${ended.how}: ${ended.errors}`)
  }

  async #command(run: CaseRun, command: ChildCommand, mayBeKilled = false): Promise<void> {
    const { trace, mutant } = this.#options
    this.#writer ??= new ReportingChild(CHILD, [this.#control, mutant ?? ''], this.#environment(this.#control, trace))
    const ended = await this.#writer.run(command, { silenceMs: SILENCE_MS, onReport: run.onReport })
    if (ended.how === 'done') return
    run.died(ended, mayBeKilled && readControl(this.#control).hits > 0)
    await this.#writer.end()
    this.#writer = undefined
  }

  #environment(control: string, trace?: string): NodeJS.ProcessEnv {
    return this.#options.shim.env({ root: this.#root, control, ...(trace !== undefined && { trace }) })
  }
}

interface Manner {
  isInThread: boolean
  mayBeKilled: boolean
}

class CaseRun {
  readonly folder: string
  readonly reports: FaultReport[] = []
  readonly result: CaseResult = { befell: undefined, calls: 0, judged: 0, acknowledged: 0, errors: 0, broken: [] }
  readonly #history = new ReportedHistory()

  constructor(folder: string) {
    this.folder = folder
  }

  readonly onReport = (report: FaultReport): void => {
    this.reports.push(report)
    const { result } = this
    if ('broken' in report) this.broken(report.broken)
    else if ('lifted' in report) result.befell = report.lifted
    else if ('error' in report) result.errors += 1
    else if ('found' in report) {
      const { broken } = this.#history.found(report)
      if (broken !== undefined) this.broken(broken)
      result.judged += 1
    } else if (!('done' in report)) {
      if ('acknowledged' in report) result.acknowledged += 1
      this.#take(report)
    }
  }

  died(ended: Exclude<Ending, { how: 'done' }>, isMeant: boolean): void {
    this.#history.died()
    if (ended.how === 'hung') this.broken(`nothing has happened for ${SILENCE_MS} ms`)
    else if (!isMeant) this.broken(`the process has died (${ended.signal}): ${ended.errors}`)
  }

  broken(what: string): void {
    this.result.broken.push(what)
  }

  #take(report: Parameters<ReportedHistory['take']>[0]): void {
    try {
      this.#history.take(report)
    } catch (error) {
      this.broken(String(error))
    }
  }
}
