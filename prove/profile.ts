/** `prove quick`, `prove ci`, `prove over-stores`: their parts, each in a process of its own, and one table at the end. */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Table from 'cli-table3'
import type { Command } from 'commander'
import { countsText, type PartResult } from './part.js'
import { proofText } from './report.js'

/** One run of a part. */
interface Step {
  part: string
  args: string[]
}

export type ProfileName = 'quick' | 'ci' | 'over-stores'

/** What takes longest comes first. */
const PROFILES: Record<ProfileName, Step[]> = {
  quick: [
    { part: 'faults', args: ['--every', '79', '--seed', '1'] },
    { part: 'power', args: ['--states', '4000', '--seed', '1'] },
    { part: 'real-power', args: ['--states', '200', '--seed', '1'] },
    { part: 'kill', args: ['--lives', '10', '--seed', '1'] },
    { part: 'flip', args: ['--quick'] },
    { part: 'stores', args: ['--no-suite'] },
    { part: 'fuzz', args: ['--runs', '2000', '--seed', '1'] },
  ],
  ci: [
    { part: 'kill', args: ['--lives', '1000', '--seed', '1'] },
    { part: 'faults', args: ['--seed', '1'] },
    { part: 'power', args: ['--states', '100000', '--seed', '1'] },
    { part: 'real-power', args: ['--states', '3000', '--seed', '1'] },
    { part: 'flip', args: ['--of', 'folder'] },
    { part: 'flip', args: ['--of', 'logs'] },
    { part: 'mutants', args: ['--jobs', '1'] },
    { part: 'peers', args: ['--lives', '40', '--runs', '100', '--seed', '1'] },
    { part: 'fuzz', args: ['--runs', '20000', '--seed', '1'] },
  ],
  'over-stores': [
    { part: 'power', args: ['--store', 'files', '--states', '5000', '--seed', '1'] },
    { part: 'stores', args: [] },
    { part: 'kill', args: ['--store', 'sqlite', '--lives', '100', '--seed', '1'] },
    { part: 'kill', args: ['--store', 'files', '--lives', '100', '--seed', '1'] },
    { part: 'faults', args: ['--store', 'sqlite', '--every', '11', '--seed', '1'] },
    { part: 'faults', args: ['--store', 'files', '--every', '29', '--seed', '1'] },
  ],
}

const DESCRIPTIONS: Record<ProfileName, string> = {
  quick: 'every part, each for a few seconds',
  ci: 'every part, as far as docs/proof.md says',
  'over-stores': 'the table of stores; kills, faults and power over those that are not the default',
}

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PROOF = join(ROOT, 'docs/proof.md')
/** Parts at a time: more than cores, since some of them wait most of the time for processes to be killed or to give up. */
const AT_A_TIME = 3
/** Only for a part that hangs: on slow cores, or beside other work, one that does not hang took half an hour. */
const STEP_MS_MAX = 90 * 60_000

/** A result with the command that it is of. */
export interface StepResult extends PartResult {
  command: string
}

export async function runProfile(name: ProfileName, onDone?: (result: StepResult) => void): Promise<StepResult[]> {
  const steps = PROFILES[name]
  const results = new Map<Step, StepResult>()
  const waiting = [...steps]
  const work = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const result = await runStep(step)
      results.set(step, result)
      onDone?.(result)
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  return steps.map(step => results.get(step)!)
}

export function registerProfiles(program: Command): void {
  for (const name of ['quick', 'ci', 'over-stores'] as const) {
    program
      .command(name)
      .description(DESCRIPTIONS[name])
      .option('--json', 'print the results as JSON')
      .option('--write', 'write docs/proof.md from this run')
      .action(async ({ json, write }: { json?: boolean; write?: boolean }) => {
        const started = performance.now()
        const results = await runProfile(name, ({ command, ms, failures }) => {
          if (!json) console.error(`${failures.length === 0 ? '✓' : '✗'} ${command} ${seconds(ms)}`)
        })
        const ms = performance.now() - started
        if (write) await writeFile(PROOF, proofText(name, results, ms))
        if (json) console.log(JSON.stringify(results, undefined, 2))
        else console.log(`${tableOf(results)}\n${seconds(ms)} in all.`)
        process.exitCode = results.some(({ failures }) => failures.length > 0) ? 1 : 0
      })
  }
}

async function runStep({ part, args }: Step): Promise<StepResult> {
  const started = performance.now()
  const command = `npm run prove -- ${[part, ...args].join(' ')}`
  const { output, errors } = await run([MAIN, part, ...args, '--json'])
  const line = output.split('\n').find(each => each.startsWith('{"name"'))
  if (line !== undefined) return { ...(JSON.parse(line) as PartResult), command }
  const what = `it has not come to its end: ${errors.trim().replaceAll(ROOT, '').slice(0, 1000)}`
  return {
    name: part,
    seed: 0,
    counts: {},
    failures: [{ what, replay: command }],
    ms: performance.now() - started,
    command,
  }
}

function run(args: string[]): Promise<{ output: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), STEP_MS_MAX)
    let [output, errors] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(timer)
      resolve({ output, errors })
    })
  })
}

function tableOf(results: readonly StepResult[]): string {
  const table = new Table({
    head: ['part', 'seed', 'looked at', 'broken', 'time'],
    style: { head: [], border: [] },
    colWidths: [12, 6, 84, 9, 9],
    wordWrap: true,
  })
  for (const { name, seed, counts, failures, notRun, ms } of results) {
    table.push([
      name,
      seed,
      notRun ?? countsText(counts),
      notRun === undefined ? failures.length : 'not run',
      seconds(ms),
    ])
  }
  const broken = results.flatMap(({ failures }) => failures)
  const told = broken.slice(0, 10).map(({ what, replay }) => `\nBROKEN: ${what}\n  again: ${replay}`)
  return [table.toString(), ...told].join('\n')
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
