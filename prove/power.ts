/**
 * `prove power`: random workloads on a simulated disk. At many of their file calls the power is cut in many ways, and
 * the real engine is opened on each disk that this leaves. What breaks is made small before it is told.
 */
import { SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import { type DiskStoreName, diskStoreOption } from './disk-stores.js'
import { listOption, numberOption } from './options.js'
import { type PartResult, tellPart } from './part.js'
import { shrink } from './power-shrink.js'
import { judgeWorkload } from './power-workload.js'

export interface PowerOptions {
  /** Different disks to open. */
  states: number
  seed: number
  /** @defaultValue 'journal' */
  store?: DiskStoreName | undefined
  /** Only these steps of the first workload, and only its call with this number. */
  steps?: readonly number[] | undefined
  call?: number | undefined
  /** Makes the first failure small, and goes on to others; without it the first is the last. */
  isShrunk?: boolean
  onProgress?(states: number): void
}

const NAMES: Record<DiskStoreName, string> = {
  journal: 'power',
  files: 'power on files',
  refusing: 'power on a store that refuses rows',
}
/** A failing prover stops soon: what is broken once is broken often. */
const FAILURES_MAX = 5

export async function provePower(options: PowerOptions): Promise<PartResult> {
  const started = performance.now()
  const counts = {
    'different disks': 0,
    'of them crashed again': 0,
    judgements: 0,
    'moments at which the power was cut': 0,
    workloads: 0,
    'accepted calls': 0,
  }
  const failures: PartResult['failures'] = []
  const steps = options.steps && new Set(options.steps)
  const failuresMax = options.isShrunk ? FAILURES_MAX : 1
  for (let seed = options.seed; counts['different disks'] < options.states && failures.length < failuresMax; seed++) {
    const states = options.states - counts['different disks']
    const result = await judgeWorkload({ seed, store: options.store, states, steps, call: options.call })
    counts['different disks'] += result.states
    counts['of them crashed again'] += result.compound
    counts.judgements += result.checks
    counts['moments at which the power was cut'] += result.moments
    counts.workloads += 1
    counts['accepted calls'] += result.writes
    options.onProgress?.(counts['different disks'])
    const [failure] = result.failures
    if (failure !== undefined) {
      const isFirst = failures.length === 0
      failures.push(
        isFirst && options.isShrunk ? await shrunkFailure(seed, options.store) : plainFailure(seed, options, failure),
      )
    }
    if (steps !== undefined || options.call !== undefined) break
  }
  const name = NAMES[options.store ?? 'journal']
  return { name, seed: options.seed, counts, failures, ms: performance.now() - started }
}

export function registerPower(program: Command): void {
  program
    .command('power')
    .description('cut the power of a simulated disk at every kind of moment, and open the real engine on what is left')
    .option('--states <count>', 'different disks to open', numberOption, 10_000)
    .option('--seed <number>', 'first workload', numberOption, 1)
    .option('--steps <numbers>', 'only these steps of that workload, such as 3,17,18', listOption)
    .option('--call <number>', 'only before this call of its disk', numberOption)
    .addOption(diskStoreOption())
    .option('--first', 'stop at the first failure and tell it as it was found')
    .option('--json', 'print the result as JSON')
    .action(async ({ states, seed, steps, call, store, first, json }: Flags) => {
      const bar = json || !process.stderr.isTTY ? undefined : new SingleBar({ stream: process.stderr })
      bar?.start(states, 0)
      const onProgress = (done: number) => bar?.update(Math.min(done, states))
      // What is small already is told as it is.
      const isShrunk = !first && steps === undefined && call === undefined
      const result = await provePower({ states, seed, store, steps, call, isShrunk, onProgress })
      bar?.stop()
      tellPart(result, json)
    })
}

interface Flags {
  states: number
  seed: number
  steps?: number[]
  call?: number
  store?: DiskStoreName
  first?: boolean
  json?: boolean
}

function plainFailure(
  seed: number,
  { steps, store }: PowerOptions,
  failure: { call: number; before: string; crash: string; broken: string },
) {
  const only = steps === undefined ? '' : ` --steps ${steps.join(',')} --call ${failure.call}`
  return {
    what: `${failure.broken}\n  power cut before ${failure.before}; left: ${failure.crash}`,
    replay: `npm run prove -- power --seed ${seed}${flagOf(store)}${only}`,
  }
}

async function shrunkFailure(seed: number, store: DiskStoreName | undefined): Promise<PartResult['failures'][number]> {
  const small = await shrink(seed, store)
  // A sample of its calls has shown it, and all of them, each seen for itself, do not: that is told as well.
  if (small === undefined)
    return {
      what: 'a failure that does not come again',
      replay: `npm run prove -- power --seed ${seed}${flagOf(store)}`,
    }
  const { steps, story, failure } = small
  const told = story.map((step, index) => `\n    ${index + 1}. ${step}`).join('')
  return {
    what: `${failure.broken}\n  ${steps.length} steps are enough:${told}\n  power cut before ${failure.before}; left: ${failure.crash}`,
    replay: `npm run prove -- power --seed ${seed}${flagOf(store)} --steps ${steps.join(',') || 'none'} --call ${failure.call}`,
  }
}

function flagOf(store: DiskStoreName = 'journal'): string {
  return store === 'journal' ? '' : ` --store ${store}`
}
