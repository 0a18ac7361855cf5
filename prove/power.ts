/**
 * `prove power`: random workloads on a simulated disk. At many of their file calls the power is cut in many ways, and
 * the real engine is opened on each disk that this leaves.
 */
import { AgentMemory } from '../src/index.js'
import { openJournalStore } from '../src/testing/journal-store.js'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { type Counts, CrashChecker, type Failure, type Snapshot } from './crash-check.js'
import { History } from './history.js'
import { LabClock, turns } from './lab-clock.js'
import { MUTANTS, type Mutant } from './mutants.js'
import { FOLDER, guarded } from './recovered.js'
import { BOUNDS, MAX_LOSS } from './shape.js'
import { Workload } from './workload.js'

export interface PowerOptions {
  states: number
  seed: number
  mutant?: string | undefined
  onProgress?(states: number): void
}

export interface PowerResult extends Counts {
  workloads: number
  writes: number
  /** Calls of the disk at which the power was cut. */
  moments: number
  /** By workload: the seed that repeats it alone. */
  failures: (Failure & { seed: number })[]
  ms: number
}

/** Different disks that are looked at in one workload, and at one call of it. */
const STATES_PER_WORKLOAD = 400
const STATES_PER_MOMENT = 7
/** A failing prover stops soon: what is broken once is broken often. */
const FAILURES_MAX = 20

export async function provePower(options: PowerOptions): Promise<PowerResult> {
  const started = performance.now()
  const result: PowerResult = {
    states: 0,
    compound: 0,
    checks: 0,
    workloads: 0,
    writes: 0,
    moments: 0,
    failures: [],
    ms: 0,
  }
  const mutant = options.mutant === undefined ? undefined : MUTANTS[options.mutant]
  for (let seed = options.seed; result.states < options.states; seed++) {
    await proveWorkload(seed, mutant, options, result)
    if (result.failures.length >= FAILURES_MAX || (mutant !== undefined && result.failures.length > 0)) break
  }
  result.ms = performance.now() - started
  return result
}

async function proveWorkload(
  seed: number,
  mutant: Mutant | undefined,
  options: PowerOptions,
  result: PowerResult,
): Promise<void> {
  const { history, snapshots, durableCommit, fault } = await runWorkload(seed, mutant)
  const checker = new CrashChecker(history, durableCommit, seededRandom(seed + 0x9e3779b9))
  if (fault !== undefined) checker.failures.push({ before: 'its end', crash: 'none', broken: String(fault) })
  const before = result.states
  for (const snapshot of snapshots) {
    await checker.check(snapshot, STATES_PER_MOMENT)
    result.moments += 1
    result.states = before + checker.counts.states + checker.counts.compound
    options.onProgress?.(result.states)
    if (checker.failures.length > 0 || result.states >= options.states) break
  }
  result.workloads += 1
  result.writes += history.calls.length
  result.compound += checker.counts.compound
  result.checks += checker.counts.checks
  result.failures.push(...checker.failures.map(failure => ({ ...failure, seed })))
}

/** One workload, with copies of its disk at some of its calls, in a random order. */
async function runWorkload(seed: number, mutant: Mutant | undefined) {
  const random = seededRandom(seed)
  const lab = seededRandom(seed + 0x51ed270b)
  const disk = new SimulatedDisk()
  const clock = new LabClock()
  const history = new History(BOUNDS)
  const durableCommit = random() < 0.5
  const isSlow = random() < 0.4
  const open = openerOf(disk, clock, durableCommit, random, mutant)
  const workload = new Workload(history, random, {
    open,
    pass: async () => {
      clock.advance(randomBelow(lab, 40))
      await turns(isSlow ? 6 : 2)
    },
    // On a slow disk a sync may last longer than the bound: what is acknowledged under it has no age that is bounded.
    nowMs: () => (isSlow ? 0 : clock.timerMs),
  })
  const snapshots: Snapshot[] = []
  const keep = (before: string) => {
    workload.learn()
    snapshots.push({ disk: disk.clone(), moment: history.moment(isSlow ? 0 : clock.timerMs), before })
  }
  disk.onCall = ({ index, kind, path }) => {
    if (isSlow && kind === 'dataSync') clock.holdUp(11)
    if (lab() < 0.5) keep(`call ${index}, ${kind} ${path}`)
  }
  if (isSlow) disk.delay = () => (lab() < 0.5 ? turns(1 + randomBelow(lab, 3)) : undefined)
  let fault: unknown
  try {
    await guarded(
      workload.open().then(() => workload.run(20 + randomBelow(random, 60))),
      'a workload',
    )
  } catch (error) {
    fault = error
  }
  disk.onCall = undefined
  if (fault === undefined) keep('its end')
  disk.powerOff()
  return { history, snapshots: sample(snapshots, lab), durableCommit, fault }
}

function openerOf(
  disk: SimulatedDisk,
  clock: LabClock,
  durableCommit: boolean,
  random: Random,
  mutant: Mutant | undefined,
): () => Promise<AgentMemory> {
  const fileSystem = mutant?.fileSystem?.(disk) ?? disk
  const pendingEntriesMax = random() < 0.5 ? 40 : 100_000
  const logBytesMax = random() < 0.5 ? 256 * 1024 : 1 << 30
  const tierBytesMax = random() < 0.3 ? 2000 : 1 << 20
  const open = async () => {
    const store = await openJournalStore(disk, `${FOLDER}/store`, { durableCommit })
    return mutant?.store?.(store) ?? store
  }
  return () =>
    AgentMemory.open(FOLDER, {
      fileSystem,
      clock,
      store: { kind: 'journal', open },
      maxLoss: MAX_LOSS,
      segmentBytesMax: 64 * 1024,
      frameBytesMax: 128 * 1024,
      pendingEntriesMax,
      logBytesMax,
      tierBytesMax,
    })
}

/** As many as a workload may have, evenly spread over it. */
function sample(snapshots: Snapshot[], random: Random): Snapshot[] {
  const count = Math.min(snapshots.length, Math.ceil(STATES_PER_WORKLOAD / STATES_PER_MOMENT))
  const offset = random()
  return Array.from({ length: count }, (_, n) => snapshots[Math.floor(((n + offset) * snapshots.length) / count)]!)
}
