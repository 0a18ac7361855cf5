/** A database server of our own for one case: on a socket in its folder, started by us and ended with us. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Server {
  /** Where its socket is. */
  address: string
  stop(): Promise<void>
}

export interface ServerPlan {
  command: readonly string[]
  address: string
  /** What it prints once it may be asked. */
  readyText: string
  /** Where it writes its process id, which is not that of our child if that is strace. */
  pidFile: string
  stopSignal: NodeJS.Signals
  /** Whom it runs as, if not as us. */
  user?: { uid: number; gid: number } | undefined
}

const running = new Set<string>()

/** Resolves once it is ready. Throws with what it has printed if it ends before. */
export async function startServer({
  command,
  address,
  readyText,
  pidFile,
  stopSignal,
  user,
}: ServerPlan): Promise<Server> {
  const [program, ...args] = command
  const child = spawn(program!, args, { ...user, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  const ended = new Promise<void>(resolve => {
    child.once('close', () => resolve())
    child.once('error', error => {
      printed += error.message
      resolve()
    })
  })
  const ready = new Promise<void>(resolve => {
    for (const stream of [child.stdout, child.stderr]) {
      // Read to its end, so that the server never waits for us to take what it prints.
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed = (printed + text).slice(-2000)
        if (printed.includes(readyText)) resolve()
      })
    }
  })
  const isReady = await Promise.race([ready.then(() => true), ended.then(() => false)])
  if (!isReady) throw new Error(`${program} has ended before it was ready: ${printed.trim().slice(-300)}`)
  running.add(pidFile)
  return {
    address,
    async stop() {
      signal(pidFile, stopSignal)
      await ended
      running.delete(pidFile)
    },
  }
}

/** For the end of our process, when nothing can be waited for. */
export function killServers(): void {
  for (const pidFile of running) signal(pidFile, 'SIGQUIT')
  running.clear()
}

function signal(pidFile: string, name: NodeJS.Signals): void {
  try {
    process.kill(Number.parseInt(readFileSync(pidFile, 'utf8'), 10), name)
  } catch (error) {
    // It has ended by itself, or has taken its file away because it is about to.
    if (!['ESRCH', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
