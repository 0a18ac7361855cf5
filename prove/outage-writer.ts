/** The process that writes, seen from outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Acknowledged, OutageReport, Phase, Tally } from './outage-lanes.js'

/** What was heard so long ago is of no more interest. */
const HEARD_MS = 10_000

export interface WriterPlan {
  url: string
  folder: string
  /** Of each durability. */
  writers: number
  storeDeadlineMs: number
}

type ReportOf<Kind extends OutageReport['kind']> = Extract<OutageReport, { kind: Kind }>

export class Writer {
  /** What it has said last. */
  tally!: Tally
  #heard: { at: number; acknowledged: readonly Acknowledged[] }[] = []
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown[]>
  readonly #ended: Promise<never>
  readonly #waiting = new Map<OutageReport['kind'], (report: never) => void>()

  static async start({ url, folder, writers, storeDeadlineMs }: WriterPlan): Promise<Writer> {
    const file = fileURLToPath(new URL('./outage-child.js', import.meta.url))
    const args = [file, url, folder, `${writers}`, `${storeDeadlineMs}`]
    const writer = new Writer(spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }))
    await writer.#next('open')
    await writer.#next('tally')
    return writer
  }

  private constructor(child: ChildProcess) {
    this.#child = child
    // Behind all that it has said.
    this.#closed = once(child, 'close')
    this.#ended = this.#closed.then(([code, signal]) => {
      throw new Error(`the writers' process has ended with ${signal ?? code}`)
    })
    this.#ended.catch(() => {})
    child.stdin!.on('error', () => {})
    createInterface({ input: child.stdout! }).on('line', line => this.#take(line))
  }

  /** The figures since the last ask. */
  async phase(): Promise<Phase> {
    this.#child.stdin!.write('phase\n')
    return (await this.#next('phase')).phase
  }

  /** Ends the writing and waits until the store has everything. */
  async end(msMax: number): Promise<ReportOf<'drained'>['drained']> {
    this.#child.stdin!.write('end\n')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the backlog was not in the store after ${msMax} ms`)), msMax)
    })
    try {
      const { drained, tally } = await Promise.race([this.#next('drained'), late])
      this.tally = tally
      await Promise.race([this.#closed, late])
      return drained
    } finally {
      clearTimeout(timer)
    }
  }

  /** Kills it, and says what was heard how long before that, in ms. */
  async kill(): Promise<{ ms: number; acknowledged: readonly Acknowledged[] }[]> {
    const at = performance.now()
    this.#child.kill('SIGKILL')
    await this.#closed
    return this.#heard.map(({ at: heard, acknowledged }) => ({ ms: at - heard, acknowledged }))
  }

  /** For whatever has gone wrong. */
  abandon(): void {
    this.#child.kill('SIGKILL')
  }

  #next<Kind extends OutageReport['kind']>(kind: Kind): Promise<ReportOf<Kind>> {
    const said = new Promise<ReportOf<Kind>>(resolve => this.#waiting.set(kind, resolve))
    return Promise.race([said, this.#ended])
  }

  #take(line: string): void {
    // The last line of a process that was killed may have no end.
    if (this.#child.killed && !isWhole(line)) return
    const report = JSON.parse(line) as OutageReport
    if (report.kind === 'tally') {
      this.tally = report.tally
      const at = performance.now()
      this.#heard.push({ at, acknowledged: report.tally.acknowledged })
      while (this.#heard[0]!.at < at - HEARD_MS) this.#heard.shift()
    }
    const resolve = this.#waiting.get(report.kind) as ((report: OutageReport) => void) | undefined
    this.#waiting.delete(report.kind)
    resolve?.(report)
  }
}

function isWhole(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}
