/**
 * `prove real-power`: real processes on a real file system, with the default store, whose file calls are recorded. The
 * disks that a power cut may leave at these calls are rebuilt, and the real engine is opened on each.
 */
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { numberOption } from './options.js'
import { type PartResult, tellPart } from './part.js'
import { Chain, type ChainCounts, type ChainFailure } from './real-power-chain.js'
import { OpenerPool } from './real-power-pool.js'
import type { FoundReport } from './reported-history.js'
import { Shim } from './shim.js'

export interface RealPowerOptions {
  states: number
  seed: number
  /** Every sync lies, which must be found. */
  isLying?: boolean
  /** Looks at the traces in this folder again, which a failure has left. */
  replay?: string
}

const STATES_PER_LIFE = 150
const FAILURES_MAX = 20

export async function proveRealPower({ states, seed, isLying = false, replay }: RealPowerOptions): Promise<PartResult> {
  const started = performance.now()
  const counts = {
    states: 0,
    withinRecovery: 0,
    afterRecovery: 0,
    checks: 0,
    moments: 0,
    lives: 0,
    kills: 0,
    calls: 0,
    writes: 0,
    acknowledged: 0,
  }
  const failures: PartResult['failures'] = []
  const result = (notRun?: string): PartResult => ({
    name: 'real-power',
    seed,
    counts: notRun === undefined ? countsOf(counts) : {},
    failures,
    ...(notRun === undefined ? {} : { notRun }),
    ms: performance.now() - started,
  })
  const shim = replay === undefined ? Shim.build() : undefined
  if (shim?.notRun !== undefined) return result(shim.notRun)
  const work = mkdtempSync(join(fastFolder(), 'holdfast-real-power-'))
  const cores = availableParallelism()
  const pool = new OpenerPool(cores)
  const known = new Map<string, Promise<FoundReport>>()
  const isDone = () => counts.states >= states || failures.length >= FAILURES_MAX
  let nextSeed = seed
  const runChains = async () => {
    while (!isDone()) {
      const chainSeed = nextSeed++
      const folder = mkdtempSync(join(work, `${chainSeed}-`))
      const chain = new Chain({
        shim,
        pool,
        seed: chainSeed,
        work: folder,
        statesPerLife: STATES_PER_LIFE,
        isLying,
        replay,
        known,
        counts,
        isDone,
      })
      try {
        await chain.run()
        if (chain.failures.length > 0) failures.push(...toldOf(chain, chainSeed, isLying, replay))
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
      if (replay !== undefined) return
    }
  }
  try {
    // While one chain waits for its process, the openers have what another one has left.
    const ends = await Promise.allSettled(Array.from({ length: replay === undefined ? cores : 1 }, runChains))
    // Only now: the openers must stay until no chain has anything left for them.
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  } finally {
    pool.close()
    rmSync(work, { recursive: true, force: true })
  }
  return result()
}

export function registerRealPower(program: Command): void {
  program
    .command('real-power')
    .description('cut the power of real processes: rebuild what it may leave of their files, and open each')
    .option('--states <count>', 'different disks to open', numberOption, 3000)
    .option('--seed <number>', 'first chain of lives', numberOption, 1)
    .option('--lie', 'let every sync lie, which must be found')
    .option('--replay <folder>', 'look at the traces again that a failure has left there')
    .option('--json', 'print the result as JSON')
    .action(async ({ states, seed, lie, replay, json }: Flags) => {
      tellPart(await proveRealPower({ states, seed, isLying: lie ?? false, ...(replay && { replay }) }), json)
    })
}

interface Flags {
  states: number
  seed: number
  lie?: boolean
  replay?: string
  json?: boolean
}

/** Keeps the traces of a chain that has failed: processes do not run the same way twice, but traces do. */
function toldOf(chain: Chain, seed: number, isLying: boolean, replay: string | undefined): PartResult['failures'] {
  const folder = replay ?? join(tmpdir(), `holdfast-real-power-seed-${seed}`)
  // What lies is meant to fail: nobody looks at that twice.
  if (!isLying) chain.keepTraces(folder)
  const again = isLying ? '--lie' : `--replay ${folder}`
  return chain.failures.map(({ what }: ChainFailure) => ({
    what: `seed ${seed}: ${what}`,
    replay: `npm run prove -- real-power --seed ${seed} ${again}`,
  }))
}

function countsOf(counts: ChainCounts): PartResult['counts'] {
  return {
    'different disks': counts.states,
    'of them within a recovery': counts.withinRecovery,
    'after one': counts.afterRecovery,
    judgements: counts.checks,
    moments: counts.moments,
    'lives of processes': counts.lives,
    'of them killed': counts.kills,
    'file calls': counts.calls,
    'accepted writes': counts.writes,
    acknowledged: counts.acknowledged,
  }
}

/** In RAM where that can be: thousands of folders are made and removed. */
function fastFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK)
    return '/dev/shm'
  } catch {
    return tmpdir()
  }
}
