/**
 * `prove faults`: every file call of a program fails, in every way, once or from then on. The process, its disk and
 * its LevelDB are real; the faults are put in by the shim.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callsOf, casesOf, FAULTS, type FaultCase, LIVES } from './faults-cases.js'
import type { FaultEnding } from './faults-life.js'
import { CaseRunner, type FaultMutant, type Legacy } from './faults-run.js'
import type { PartResult } from './part.js'
import { Shim } from './shim.js'
import { labStore, nameOver, type StoreName, storeFlag } from './stores.js'

export interface FaultsOptions {
  seed?: number
  /** Only these calls. */
  calls?: { from: number; to: number }
  /** Only cases of this kind. */
  only?: { [Field in keyof FaultCase]?: FaultCase[Field] | undefined }
  /** Only every so manieth case. */
  every?: number
  workers?: number
  mutant?: FaultMutant | undefined
  /** The first failure is the last. */
  first?: boolean | undefined
  store?: StoreName
  onProgress?(done: number, total: number): void
}

/** More than there are cores, since the waits of the engine before it tries again take no time of a core. */
const WORKERS = 3

export async function proveFaults(options: FaultsOptions = {}): Promise<PartResult> {
  const started = performance.now()
  const { seed = 1, mutant, store = 'level', onProgress } = options
  const counts = { calls: 0, runs: 0, 'befell nothing': 0, judgements: 0, acknowledged: 0, errors: 0 }
  const result: PartResult = { name: nameOver('faults', store), seed, counts, failures: [], ms: 0 }
  const notRun = labStore(store).notRun?.()
  if (notRun !== undefined) return { ...result, notRun }
  const shim = Shim.build()
  if (shim.notRun !== undefined) return { ...result, notRun: shim.notRun }

  const folder = await mkdtemp(join(tmpdir(), 'holdfast-faults-'))
  try {
    const clean = await runWithoutFaults(shim, folder, seed, store)
    counts.calls = clean.calls
    const cases = clean.cases.filter(chosenBy(options))
    const waiting = killsLast(cases)
    const work = async (_: unknown, worker: number) => {
      const own = join(folder, String(worker))
      await mkdir(own)
      const runner = new CaseRunner({ shim, folder: own, seed, mutant, store })
      try {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const ending = endingOf(next)
          const done = await runner.run(next, ending, next.life === 'first' ? undefined : clean.legacy)
          counts.runs += 1
          counts['befell nothing'] += done.befell === undefined ? 1 : 0
          counts.judgements += done.judged
          counts.acknowledged += done.acknowledged
          counts.errors += done.errors
          const what = `${nameOf(next)}, ${done.befell ?? 'which befell nothing'} (${ending})`
          for (const each of done.broken) {
            result.failures.push({ what: `${what}: ${each}`, replay: replayOf(next, options) })
          }
          onProgress?.(counts.runs, cases.length)
          if (options.first && result.failures.length > 0) waiting.length = 0
        }
      } finally {
        await runner.end()
      }
    }
    await Promise.all(Array.from({ length: options.workers ?? WORKERS }, work))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return { ...result, ms: performance.now() - started }
}

interface CleanRun {
  calls: number
  cases: FaultCase[]
  legacy: Legacy
}

/** Both lives without a fault: their calls are what can fail, and what the first one leaves is where the second begins. */
async function runWithoutFaults(shim: Shim, parent: string, seed: number, store: StoreName): Promise<CleanRun> {
  const clean: CleanRun = { calls: 0, cases: [], legacy: { folder: '', reports: [] } }
  for (const life of LIVES) {
    const folder = join(parent, life)
    await mkdir(folder)
    const trace = join(folder, 'trace')
    const runner = new CaseRunner({ shim, folder, seed, trace, store })
    try {
      const { result, legacy } = await runner.runClean(life, life === 'first' ? undefined : clean.legacy)
      if (result.broken.length > 0) throw new Error(`the program fails without a fault: ${result.broken.join('; ')}`)
      clean.calls += result.calls
      clean.cases.push(...casesOf(life, callsOf(trace, result.calls)))
      if (life === 'first') clean.legacy = legacy
    } finally {
      await runner.end()
    }
  }
  return clean
}

/** A process that is not killed is faster with each case: the code that it runs is compiled by then. */
function killsLast(cases: readonly FaultCase[]): FaultCase[] {
  const kills = cases.filter(({ fault }) => fault === 'kill')
  return [...cases.filter(({ fault }) => fault !== 'kill'), ...kills]
}

/** A fault that stays is lifted before the close, or after it, in turns: each call meets both, by one fault or another. */
function endingOf({ mode, fault, call }: FaultCase): FaultEnding {
  return mode === 'sticky' && (call + FAULTS.indexOf(fault)) % 2 === 1 ? 'close' : 'mend'
}

function chosenBy({ calls, only = {}, every = 1 }: FaultsOptions): (each: FaultCase, index: number) => boolean {
  return (each, index) =>
    index % every === 0 &&
    (calls === undefined || (each.call >= calls.from && each.call <= calls.to)) &&
    Object.entries(only).every(([key, value]) => value === undefined || each[key as keyof FaultCase] === value)
}

function nameOf({ life, fault, mode, call }: FaultCase): string {
  return `${fault} ${mode} at call ${call} of the ${life} life`
}

function replayOf(
  { life, fault, mode, call }: FaultCase,
  { seed = 1, mutant, store = 'level' }: FaultsOptions,
): string {
  const flags = `--seed ${seed} --life ${life} --fault ${fault} --mode ${mode} --call ${call}${storeFlag(store)}`
  return `npm run prove -- faults ${flags}${mutant === undefined ? '' : ` --mutant ${mutant}`}`
}
