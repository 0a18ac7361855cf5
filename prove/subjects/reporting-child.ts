/** A child program that takes commands as lines of JSON and answers each with reports, the last of which says `done`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** How a command has ended. `died`: the process has ended, by itself or by a signal. `hung`: it was silent for too long. */
export type Ending = { how: 'done' } | { how: 'hung' | 'died'; signal: NodeJS.Signals | null; errors: string }

export interface CommandOptions<Report> {
  /** A child that reports nothing for so long hangs; it is killed then. */
  silenceMs: number
  onReport(report: Report): void
}

const ERRORS_SHOWN = 4000

export class ReportingChild<Report> {
  readonly #process: ChildProcess
  readonly #ended: Promise<NodeJS.Signals | null>
  #errors = ''
  #isOver = false
  #onLine: (line: string) => void = () => {}

  constructor(script: URL, args: readonly string[], environment: NodeJS.ProcessEnv = process.env) {
    this.#process = spawn(process.execPath, ['--no-warnings', fileURLToPath(script), ...args], {
      env: environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-ERRORS_SHOWN)
    })
    // A command that is written to a process that has died is no trouble: the end of the process is what is told.
    this.#process.stdin!.on('error', () => {})
    createInterface({ input: this.#process.stdout! }).on('line', line => this.#onLine(line))
    this.#ended = new Promise((resolve, reject) => {
      this.#process.on('error', reject)
      this.#process.on('close', (_, signal) => {
        this.#isOver = true
        resolve(signal)
      })
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Sends a command and passes on its reports until it is done, or the process is over. */
  async run(command: unknown, { silenceMs, onReport }: CommandOptions<Report>): Promise<Ending> {
    let timer: NodeJS.Timeout | undefined
    let hasHung = false
    const listen = () => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        hasHung = true
        this.kill()
      }, silenceMs)
    }
    const done = new Promise<Ending>(resolve => {
      this.#onLine = line => {
        listen()
        const report = parse<Report>(line)
        if (report === undefined) return
        if (typeof report === 'object' && report !== null && 'done' in report) resolve({ how: 'done' })
        else onReport(report)
      }
    })
    const over = this.#ended.then(
      (signal): Ending => ({ how: hasHung ? 'hung' : 'died', signal, errors: this.#errors }),
    )
    listen()
    this.#process.stdin!.write(`${JSON.stringify(command)}\n`)
    try {
      return await Promise.race([done, over])
    } finally {
      clearTimeout(timer)
      this.#onLine = () => {}
    }
  }

  /** Tells the child something while it runs a command. */
  tell(message: unknown): void {
    this.#process.stdin!.write(`${JSON.stringify(message)}\n`)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** Ends the child, whatever it does. */
  async end(): Promise<void> {
    if (!this.#isOver) this.kill()
    await this.#ended
  }
}

function parse<Report>(line: string): Report | undefined {
  try {
    return JSON.parse(line) as Report
  } catch {
    // A kill came in the middle of a report: what it was about has not been done yet, or need not be known.
    return undefined
  }
}
