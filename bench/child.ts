/** Runs one measurement in a process of its own, whose heap and compiled code no other run has shaped. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface ChildOptions {
  /** A command that starts Node for us, such as strace with its arguments. */
  through?: readonly string[]
  /** Flags for the Node of the child. */
  nodeFlags?: readonly string[]
  /** Called with the process id once the child runs. */
  onStart?(pid: number): void
}

const running = new Set<ChildProcess>()

/** For the end of our process, when nothing can be waited for. */
export function killChildren(): void {
  // Not SIGKILL: strace would let go of what it traces.
  for (const child of running) child.kill('SIGTERM')
}

/** Runs `dist/bench/<name>.js` with a task and returns the JSON that it prints. Throws if it fails. */
export async function runChild<T>(name: string, task: object, options: ChildOptions = {}): Promise<T> {
  const { text, code, signal } = await run(name, task, options)
  if (code !== 0) throw new Error(`${name} has ended with ${signal ?? code}`)
  return JSON.parse(text) as T
}

/** Runs a child that ends by killing itself. Throws if it ends in any other way. */
export async function runUntilKilled(name: string, task: object): Promise<void> {
  const { code, signal } = await run(name, task, {})
  if (signal !== 'SIGKILL') throw new Error(`${name} has ended with ${signal ?? code}`)
}

/** What this child is to do. */
export function childTask<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T
}

/** The end of a child that wants to be killed: nothing of it runs after this. */
export function killSelf(): Promise<never> {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
}

async function run(name: string, task: object, { through = [], nodeFlags = [], onStart }: ChildOptions) {
  const script = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
  const [command, ...rest] = [...through, process.execPath, '--no-warnings', ...nodeFlags, script, JSON.stringify(task)]
  const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  running.add(child)
  child.once('spawn', () => onStart?.(child.pid!))
  let text = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', chunk => {
    text += chunk
  })
  const [code, signal] = await once(child, 'close')
  running.delete(child)
  return { text, code: code as number | null, signal: signal as NodeJS.Signals | null }
}
