/** Runs one process on a real folder under the shim, and hands back what it did, call by call. */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Shim, type ShimSetting, writeControl } from './shim.js'
import { readTrace, type TraceCall } from './trace.js'
import { STATEMENTS } from './trace-history.js'

const CHILD = fileURLToPath(new URL('./real-power-child.js', import.meta.url))
const LIFE_MS_MAX = 60_000

export interface LifeOptions {
  shim: Shim
  /** The folder whose calls are recorded; the memory is in one below it. */
  root: string
  folder: string
  trace: string
  seed: number
  /** Numbers of values start above it. */
  serial: number
  steps: number
  setting: ShimSetting
}

/** Resolves when the process is gone. `fault` says what was wrong with it; being killed by the shim is right. */
export async function recordLife(options: LifeOptions): Promise<{ calls: TraceCall[]; fault: string | undefined }> {
  const { shim, root, folder, trace, seed, serial, steps, setting } = options
  const control = `${trace}.control`
  rmSync(join(root, STATEMENTS), { force: true })
  writeControl(control, setting)
  const args = [CHILD, root, folder, String(seed), String(serial), String(steps)]
  const fault = await run(args, shim.env({ root, trace, control }))
  const calls = [...readTrace(trace)]
  if (calls.length === 0) throw new Error('the shim has recorded nothing')
  return { calls, fault }
}

async function run(args: string[], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, LIFE_MS_MAX)
  const ended = await new Promise<string>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(String(signal ?? code)))
  })
  clearTimeout(timer)
  if (isLate) return `the process has not ended after ${LIFE_MS_MAX} ms`
  if (ended === 'SIGKILL' || ended === '0') return undefined
  return `the process ended with ${ended}: ${errors.slice(0, 2000)}`
}
