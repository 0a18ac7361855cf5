/** The fault part of `prove peers`: every file call of a small program fails, and another process looks at what is left. */
import { mkdirSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { COUNT_ALL, callsOf, casesOf, type FaultCase } from './faults-cases.js'
import { PutHistory } from './peers-judge.js'
import { CHILD } from './peers-kill.js'
import { readControl, type Shim, writeControl } from './shim.js'
import type { Command, Report, SubjectName } from './subjects/child.js'
import { ReportingChild } from './subjects/reporting-child.js'

export interface FaultCounts {
  /** File calls of the program when nothing fails. */
  calls: number
  runs: number
  notFired: number
  acknowledged: number
  /** Acknowledged puts that another process did not find, after the fault was over. */
  lost: number
  /** Of them: acknowledged although the sync before had failed and let go of what it should have kept. */
  lostAfterFailedSync: number
  /** Values found that nobody had put. */
  wrong: number
  /** Puts that were rejected, and are there. */
  rejectedButThere: number
  /** Of them: the error had said that this may be. */
  rejectedInDoubt: number
  errors: number
  /** Errors that have no code by which a program can tell them apart. */
  untyped: number
  /** Errors that nobody was told of: unhandledRejection, uncaughtException. */
  untold: number
  /** Runs in which a call was not answered. */
  hangs: number
  /** Runs in which the process died by itself. */
  crashes: number
  /** Folders that another process could read only when the one that had failed had ended, though it had closed them. */
  held: number
  /** Folders that could not be read any more. */
  unreadable: number
}

export interface FaultOptions {
  shim: Shim
  /** An empty folder of its own. */
  folder: string
  seed: number
  /** At most so many cases, spread over all of them. */
  runs: number
  only: Partial<FaultCase>
  onRun?(): void
  /** Told of whatever must not be. */
  onFinding(what: string, of: FaultCase): void
}

/** Longer than any wait that is part of a program, a close with a deadline among them. */
const SILENCE_MS = 10_000
/** A call that is never answered takes that long, and no core: so others run meanwhile. */
const WORKERS: Readonly<Record<SubjectName, number>> = { holdfast: 1, lmdb: 8, sqlite: 1 }

export async function faultSubject(name: SubjectName, options: FaultOptions): Promise<FaultCounts> {
  const counts = noCounts()
  const clean = new Sweep(name, options, counts, 'clean')
  const cases = chosen(await clean.casesOfCleanRun(), options)
  await Promise.all(
    Array.from({ length: WORKERS[name] }, async (_, worker) => {
      const sweep = new Sweep(name, options, counts, String(worker))
      try {
        for (let next = cases.shift(); next !== undefined; next = cases.shift()) await sweep.run(next)
      } finally {
        await sweep.end()
      }
    }),
  )
  return counts
}

function chosen(cases: readonly FaultCase[], { only, runs }: FaultOptions): FaultCase[] {
  const wanted = cases.filter(each =>
    Object.entries(only).every(([key, value]) => value === undefined || each[key as keyof FaultCase] === value),
  )
  const share = Math.min(1, runs / wanted.length)
  return wanted.filter((_, index) => Math.floor(index * share) < Math.floor((index + 1) * share))
}

function noCounts(): FaultCounts {
  return {
    calls: 0,
    runs: 0,
    notFired: 0,
    acknowledged: 0,
    lost: 0,
    lostAfterFailedSync: 0,
    wrong: 0,
    rejectedButThere: 0,
    rejectedInDoubt: 0,
    errors: 0,
    untyped: 0,
    untold: 0,
    hangs: 0,
    crashes: 0,
    held: 0,
    unreadable: 0,
  }
}

class Sweep {
  readonly #name: SubjectName
  readonly #options: FaultOptions
  readonly #counts: FaultCounts
  readonly #folder: string
  readonly #root: string
  readonly #control: string
  #writer: ReportingChild<Report> | undefined
  #looker: ReportingChild<Report> | undefined
  #runs = 0

  constructor(name: SubjectName, options: FaultOptions, counts: FaultCounts, worker: string) {
    this.#name = name
    this.#options = options
    this.#counts = counts
    this.#folder = join(options.folder, worker)
    this.#root = join(this.#folder, 'root')
    this.#control = join(this.#folder, 'control')
    mkdirSync(this.#root, { recursive: true })
  }

  async end(): Promise<void> {
    await Promise.all([this.#writer?.end(), this.#looker?.end()])
    this.#writer = undefined
    this.#looker = undefined
  }

  async casesOfCleanRun(): Promise<FaultCase[]> {
    const trace = join(this.#folder, 'trace')
    writeControl(this.#control, { ...COUNT_ALL, recording: true })
    const run = new Run(noCounts())
    const ended = await this.#write(await this.#newFolder(), run, trace)
    await this.end()
    if (ended.how !== 'done' || run.findings.length > 0 || run.errors.length > 0) {
      throw new Error(`${this.#name} fails without a fault: ${[ended.how, ...run.findings, ...run.errors].join('; ')}`)
    }
    const { calls } = readControl(this.#control)
    this.#counts.calls = calls
    return casesOf('first', callsOf(trace, calls))
  }

  async run(each: FaultCase): Promise<void> {
    const counts = this.#counts
    writeControl(this.#control, { ...COUNT_ALL, fault: each.fault, at: each.call, sticky: each.mode === 'sticky' })
    const run = new Run(counts)
    const folder = await this.#newFolder()
    const ended = await this.#write(folder, run)
    const { hits, hit } = readControl(this.#control)
    writeControl(this.#control, COUNT_ALL)
    counts.runs += 1
    this.#options.onRun?.()
    if (hits === 0) counts.notFired += 1
    if (ended.how === 'hung') {
      counts.hangs += 1
      run.findings.push(`a call was not answered within ${SILENCE_MS} ms`)
    } else if (ended.how === 'died' && !(each.fault === 'kill' && hits > 0)) {
      counts.crashes += 1
      run.findings.push(`the process has died: ${ended.signal}, ${ended.errors.trim().split('\n').pop()}`)
    }
    await this.#judge(folder, run, each)
    await rm(folder, { recursive: true, force: true })
    for (const what of run.findings) {
      this.#options.onFinding(`${what} (${hit === undefined ? 'befell nothing' : `${hit.call} ${hit.path}`})`, each)
    }
  }

  async #write(folder: string, run: Run, trace?: string) {
    const places = { root: this.#root, control: this.#control, ...(trace !== undefined && { trace }) }
    this.#writer ??= new ReportingChild<Report>(CHILD, [this.#name], this.#options.shim.env(places))
    const command: Command = { do: 'program', folder, seed: this.#options.seed, serial: 0 }
    const ended = await this.#writer.run(command, { silenceMs: SILENCE_MS, onReport: run.onReport })
    if (ended.how !== 'done') {
      await this.#writer.end()
      this.#writer = undefined
    }
    return ended
  }

  /** Another process, whose calls do not fail, says what is there. */
  async #judge(folder: string, run: Run, each: FaultCase): Promise<void> {
    const counts = this.#counts
    let { found, trouble } = await this.#look(folder)
    if (trouble !== '') {
      run.findings.push(`another process cannot read it: ${trouble}`)
      await this.#writer?.end()
      this.#writer = undefined
      ;({ found, trouble } = await this.#look(folder))
      if (trouble === '') counts.held += 1
      else {
        counts.unreadable += 1
        run.findings.push(`nor when the process has ended: ${trouble}`)
      }
    }
    if (found === undefined) return
    const verdict = run.history.judge(found)
    counts.lost += verdict.lost.length
    if (each.fault === 'drop') counts.lostAfterFailedSync += verdict.lost.length
    counts.wrong += verdict.wrong.length
    counts.rejectedButThere += verdict.rejectedButThere.length
    counts.rejectedInDoubt += verdict.rejectedButThere.filter(number => run.inDoubt.has(number)).length
    for (const what of verdict.lost) run.findings.push(`acknowledged, and gone: ${what}`)
    for (const what of verdict.wrong) run.findings.push(`nobody has put it: ${what}`)
  }

  async #look(folder: string): Promise<{ found: [key: string, number: number][] | undefined; trouble: string }> {
    this.#looker ??= new ReportingChild<Report>(CHILD, [this.#name])
    let found: [key: string, number: number][] | undefined
    let trouble = ''
    const onReport = (report: Report) => {
      if ('found' in report) found = report.found
      else trouble += JSON.stringify(report)
    }
    const command: Command = { do: 'read', folder, seed: 0, serial: 0 }
    const ended = await this.#looker.run(command, { silenceMs: SILENCE_MS, onReport })
    if (ended.how !== 'done') {
      trouble += JSON.stringify(ended)
      await this.#looker.end()
      this.#looker = undefined
    }
    return { found, trouble }
  }

  async #newFolder(): Promise<string> {
    const folder = join(this.#root, `${this.#runs++}`)
    await mkdir(folder)
    return folder
  }
}

/** What one run has reported. */
class Run {
  readonly history = new PutHistory()
  /** Puts whose error said that they may be there. */
  readonly inDoubt = new Set<number>()
  readonly errors: string[] = []
  readonly findings: string[] = []
  readonly #counts: FaultCounts

  constructor(counts: FaultCounts) {
    this.#counts = counts
  }

  readonly onReport = (report: Report): void => {
    const { history } = this
    if ('put' in report) history.put(...report.put)
    else if ('resolved' in report) {
      history.resolved(report.resolved)
      this.#counts.acknowledged += 1
    } else if ('untold' in report) {
      this.#counts.untold += 1
      this.findings.push(report.untold)
    } else if ('error' in report) {
      if ('rejected' in report) {
        history.rejected(report.rejected)
        if (report.error.code === 'IN_DOUBT') this.inDoubt.add(report.rejected)
      }
      this.#counts.errors += 1
      this.errors.push(`${report.error.code}: ${report.error.message}`)
      if (report.error.code !== undefined) return
      this.#counts.untyped += 1
      this.findings.push(`an error without a code: ${report.error.message}`)
    }
  }
}
