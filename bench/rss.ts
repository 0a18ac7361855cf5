/** The anonymous memory of a process, seen from outside: a loop that blocks is just when memory grows. */
import { readFileSync } from 'node:fs'

const SAMPLE_MS = 100
const MIB = 1 << 20

export interface RssSample {
  /** In ms since 1970: the watched process has the same clock. */
  at: number
  bytes: number
}

export class RssWatch {
  readonly samples: RssSample[] = []
  #timer: NodeJS.Timeout | undefined

  start(pid: number): void {
    this.#timer = setInterval(() => this.#take(pid), SAMPLE_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** In MiB, of the samples from `from` to `to`; `undefined` if there is none: only Linux tells it. */
  peakMib(from = 0, to = Number.POSITIVE_INFINITY): number | undefined {
    const during = this.samples.filter(({ at }) => at > from && at <= to)
    return during.length === 0 ? undefined : Math.max(...during.map(({ bytes }) => bytes)) / MIB
  }

  /** Only Linux tells anonymous memory apart from the pages of files, which the system takes back when it wants them. */
  #take(pid: number): void {
    try {
      const kilobytes = /^RssAnon:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      if (kilobytes !== undefined) this.samples.push({ at: Date.now(), bytes: Number(kilobytes) * 1024 })
    } catch {
      // Not Linux, or the child has just ended: there is nothing to take.
    }
  }
}
