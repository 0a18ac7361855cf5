/** Progress on stderr: a bar on a terminal, a few plain lines elsewhere. */
import { SingleBar } from 'cli-progress'

export interface Progress {
  update(done: number): void
  stop(): void
}

const LINES = 4

export function startProgress(what: string, total: number): Progress {
  return process.stderr.isTTY ? bar(what, total) : lines(what, total)
}

function bar(what: string, total: number): Progress {
  const format = `${what} [{bar}] {value}/{total}, {duration_formatted}`
  const single = new SingleBar({ format, barsize: 30, hideCursor: true, stream: process.stderr })
  single.start(total, 0)
  return {
    update: done => single.update(Math.min(done, total)),
    stop: () => {
      single.update(total)
      single.stop()
    },
  }
}

function lines(what: string, total: number): Progress {
  let told = 0
  const update = (done: number) => {
    const share = Math.floor((Math.min(done, total) / total) * LINES)
    if (share <= told) return
    told = share
    console.error(`${what}: ${Math.round((share / LINES) * 100)} %`)
  }
  return { update, stop: () => update(total) }
}
