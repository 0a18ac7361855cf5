/** Runs one measurement in a process of its own, whose heap and compiled code no other run has shaped. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface ChildOptions {
  /** A command that starts Node for us, such as strace with its arguments. */
  through?: readonly string[]
  /** Called with the process id once the child runs. */
  onStart?(pid: number): void
}

/** Runs `dist/bench/<name>.js` and returns the JSON that it prints. Throws if it fails. */
export async function runChild<T>(name: string, args: readonly string[], options: ChildOptions = {}): Promise<T> {
  const script = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
  const [command, ...rest] = [...(options.through ?? []), process.execPath, '--no-warnings', script, ...args]
  const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  child.once('spawn', () => options.onStart?.(child.pid!))
  let text = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', chunk => {
    text += chunk
  })
  const [code, signal] = await once(child, 'close')
  if (code !== 0) throw new Error(`${name} ${args.join(' ')} has ended with ${signal ?? code}`)
  return JSON.parse(text) as T
}
