/** Lets a part of the laboratory loose on a copy with a planted bug, in a process of its own. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { countsText, type PartResult } from '../part.js'
import type { Hunter, Mutant } from './mutant.js'

export interface Hunt {
  hunter: Hunter
  isCaught: boolean
  /** What it has found, in a line. */
  found: string
  /** How much it had looked at by then. */
  after: string
  ms: number
}

/** Enough for each to find what it is meant to find, and for a mutant that none finds to be told soon. */
const ARGUMENTS: Record<string, string[]> = {
  power: ['--states', '10000', '--seed', '7', '--first'],
  flip: ['--quick', '--of', 'logs'],
  fuzz: ['--runs', '3000'],
  kill: ['--lives', '20', '--seed', '7'],
  stores: ['--no-suite'],
  faults: ['--fault', 'drop', '--mode', 'once', '--life', 'second', '--first'],
}
/** Only a runner of tests prints such a line. */
const FAILED_TEST = /^ *not ok \d+ - .*\n/m
const HUNT_MS_MAX = 180_000
/** A mutant that cannot even run is found by everybody, which proves nothing. */
const NOT_A_MUTANT = /SyntaxError|ReferenceError|TypeError|does not provide an export|ERR_MODULE_NOT_FOUND/

export function isPart(hunter: Hunter): boolean {
  return hunter in ARGUMENTS
}

/** The arguments with which a part hunts a mutant. */
export function argumentsOf(hunter: Hunter, mutant: Mutant): readonly string[] {
  return (hunter === mutant.caughtBy ? mutant.args : undefined) ?? ARGUMENTS[hunter] ?? []
}

export async function hunt(folder: string, hunter: Hunter, args: readonly string[]): Promise<Hunt> {
  const started = performance.now()
  const { code, output, errors } = await run(
    isPart(hunter)
      ? [join(folder, 'prove/main.js'), hunter, ...args, '--json']
      : // Not with --test, which would run the file in a process of its own, and leave that behind if it hangs.
        ['--test-reporter=tap', join(folder, `test/${fileOf(hunter)}.test.js`)],
  )
  const ms = performance.now() - started
  const { found, after } = isPart(hunter) ? readResult(output, errors) : readTap(output, errors)
  const broken = NOT_A_MUTANT.exec(found + errors)
  if (broken !== null) throw new Error(`The mutant does not run: ${found}\n${errors.slice(0, 1000)}`)
  // A part ends by itself when it has found something; one that was stopped has only been slow.
  const isCaught = code !== 0 && !(code === null && isPart(hunter))
  return { hunter, isCaught, found: isCaught ? found : '', after, ms }
}

function fileOf(hunter: Hunter): string {
  return hunter === 'model' ? 'model/model' : hunter.slice('test:'.length)
}

function readResult(output: string, errors: string): { found: string; after: string } {
  const line = output
    .trim()
    .split('\n')
    .find(each => each.startsWith('{'))
  if (line === undefined) return { found: firstLine(errors) || 'it does not come to its end', after: '' }
  const { failures, counts } = JSON.parse(line) as PartResult
  return { found: firstLine(failures[0]?.what ?? ''), after: countsText(counts) }
}

function readTap(output: string, errors: string): { found: string; after: string } {
  // Parents come after their children, so the first that is not well is the smallest.
  const failed = /^ *not ok \d+ - (.*)$/m.exec(output)?.[1]
  const tests = output.match(/^ *(not )?ok \d+ - /gm)?.length
  return { found: failed ?? (firstLine(errors) || 'it does not come to its end'), after: `${tests ?? 'no'} tests` }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]!.slice(0, 300)
}

function run(args: string[]): Promise<{ code: number | null; output: string; errors: string }> {
  return new Promise((resolve, reject) => {
    // A runner of tests that was told that it runs within another one would run nothing.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    const timer = setTimeout(() => child.kill('SIGKILL'), HUNT_MS_MAX)
    let [output, errors] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      // A test that has found it is enough; the rest of its file would only take time.
      if (FAILED_TEST.test(output)) child.kill('SIGKILL')
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.on('error', reject)
    child.on('close', code => {
      clearTimeout(timer)
      resolve({ code, output, errors })
    })
  })
}
