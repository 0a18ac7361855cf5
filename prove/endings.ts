/** What has to be ended whatever ends the process: its work, an error, Ctrl-C. But for SIGKILL, which nobody hears. */
import { constants } from 'node:os'

type End = () => Promise<unknown>

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const endings = new Set<End>()
let isEnding = false

/** Calls `end` once when `work` is over; or when a signal ends the process, the newest first. */
export async function ending<T>(end: End, work: () => Promise<T>): Promise<T> {
  let ended: Promise<unknown> | undefined
  const once = () => {
    ended ??= end()
    return ended
  }
  if (endings.size === 0) for (const signal of SIGNALS) process.on(signal, endAll)
  endings.add(once)
  try {
    return await work()
  } finally {
    // Whatever has come of the work: what it worked with is being taken from it, and the process is about to exit.
    if (isEnding) await new Promise(() => {})
    await once()
    endings.delete(once)
    if (endings.size === 0) for (const signal of SIGNALS) process.off(signal, endAll)
  }
}

async function endAll(signal: NodeJS.Signals): Promise<void> {
  if (isEnding) return
  isEnding = true
  for (const end of [...endings].reverse()) await end().catch((error: unknown) => console.error(error))
  process.exit(128 + constants.signals[signal])
}
