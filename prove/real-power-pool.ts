/** The processes that open what power cuts have left. One that dies or hangs is told as such, and replaced. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { OpenReply, OpenRequest } from './real-power-opener.js'
import type { FoundReport } from './reported-history.js'

const OPENER = fileURLToPath(new URL('./real-power-opener.js', import.meta.url))
const OPEN_MS_MAX = 30_000

interface Job {
  folder: string
  resolve(found: FoundReport): void
  reject(error: Error): void
}

export class OpenerPool {
  readonly #openers: Opener[]
  readonly #waiting: Job[] = []

  constructor(size: number) {
    this.#openers = Array.from({ length: size }, () => new Opener())
  }

  /** Opens a memory and says what it holds. Rejects if it cannot be opened, whatever the opening process does. */
  open(folder: string): Promise<FoundReport> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ folder, resolve, reject })
      for (const opener of this.#openers) if (opener.isFree) void this.#work(opener)
    })
  }

  close(): void {
    for (const opener of this.#openers) opener.close()
  }

  async #work(opener: Opener): Promise<void> {
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      await opener.open(job.folder).then(job.resolve, job.reject)
    }
  }
}

class Opener {
  isFree = true
  #process: OpenerProcess | undefined
  #id = 0

  async open(folder: string): Promise<FoundReport> {
    this.isFree = false
    this.#process ??= new OpenerProcess()
    try {
      const reply = await this.#process.ask({ id: ++this.#id, folder })
      if ('error' in reply) throw new Error(reply.error)
      return reply
    } finally {
      if (this.#process.hasEnded) this.#process = undefined
      this.isFree = true
    }
  }

  close(): void {
    this.#process?.end('the laboratory has no more work for it')
  }
}

class OpenerProcess {
  readonly #child = fork(OPENER, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  #errors = ''
  #end: Error | undefined
  #answer: { resolve(reply: OpenReply): void; reject(error: Error): void } | undefined

  constructor() {
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    this.#child.on('message', (reply: OpenReply) => this.#answer?.resolve(reply))
    this.#child.on('error', error => this.end(String(error)))
    this.#child.on('close', (code, signal) => this.end(`it has ended with ${signal ?? code}`))
  }

  get hasEnded(): boolean {
    return this.#end !== undefined
  }

  async ask(request: OpenRequest): Promise<OpenReply> {
    const timer = setTimeout(() => this.end(`it takes more than ${OPEN_MS_MAX} ms`), OPEN_MS_MAX)
    try {
      return await new Promise<OpenReply>((resolve, reject) => {
        if (this.#end !== undefined) return reject(this.#end)
        this.#answer = { resolve, reject }
        this.#child.send(request)
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Also of a process that dies between two folders: then the next one is told, which is better than nobody. */
  end(why: string): void {
    this.#end ??= new Error(`the process that opens it: ${why} ${this.#errors.slice(0, 500)}`)
    this.#answer?.reject(this.#end)
    this.#child.kill('SIGKILL')
  }
}
