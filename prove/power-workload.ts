/**
 * One random program on a simulated disk, and the judgement of what a power cut at any of its file calls leaves. A seed
 * repeats it, also with only some of its steps and at only one of its calls.
 */
import { AgentMemory, type DataStore, type StoreOpener } from '../src/index.js'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { ignoreClosing } from './calls.js'
import { CrashChecker, type Failure, type Snapshot } from './crash-check.js'
import { type DiskStoreName, diskStore } from './disk-stores.js'
import { History } from './history.js'
import { LabClock, turns } from './lab-clock.js'
import { FOLDER, guarded } from './recovered.js'
import type { Refusals } from './refusing-store.js'
import { BOUNDS, MAX_LOSS } from './shape.js'
import { Workload } from './workload.js'

export interface WorkloadChoice {
  seed: number
  /** @defaultValue 'journal' */
  store?: DiskStoreName | undefined
  /** The most different disks to look at. */
  states: number
  /** Only these of its steps. Then every call that can be cut is, and not a sample of them. */
  steps?: ReadonlySet<number> | undefined
  /** Only the call with this number. */
  call?: number | undefined
  /** What a crash has left is not crashed again. */
  isPlain?: boolean
  /** Goes on behind the first moment that breaks a promise. */
  isThorough?: boolean
}

export interface WorkloadResult {
  states: number
  compound: number
  checks: number
  moments: number
  /** Calls that were accepted. */
  writes: number
  /** What it did, step by step. */
  story: readonly string[]
  failures: Failure[]
}

/** Different disks that are looked at in one workload, and at one call of it. */
const STATES_PER_WORKLOAD = 400
const STATES_PER_MOMENT = 7

export async function judgeWorkload(choice: WorkloadChoice): Promise<WorkloadResult> {
  const { seed, states, call, isPlain, isThorough } = choice
  const { history, snapshots, store, story, fault } = await runWorkload(choice)
  const checker = new CrashChecker(history, store, seed, isPlain)
  if (fault !== undefined) checker.failures.push({ call: 0, before: 'its end', crash: 'none', broken: String(fault) })
  let moments = 0
  for (const snapshot of snapshots) {
    if (call !== undefined && snapshot.call !== call) continue
    await checker.check(snapshot, STATES_PER_MOMENT)
    moments += 1
    const { states: plain, compound } = checker.counts
    if ((checker.failures.length > 0 && !isThorough) || plain + compound >= states) break
  }
  const { compound, checks } = checker.counts
  const seen = checker.counts.states + compound
  return { states: seen, compound, checks, moments, writes: history.calls.length, story, failures: checker.failures }
}

/** How many steps the workload of a seed has. */
export function stepsOf(seed: number): number {
  const random = seededRandom(seed)
  return 20 + randomBelow(random, 60)
}

/** Runs it, with copies of its disk at some of its calls. */
async function runWorkload({ seed, steps, store: kind = 'journal' }: WorkloadChoice) {
  const random = seededRandom(seed)
  const lab = seededRandom(seed + 0x51ed270b)
  const count = 20 + randomBelow(random, 60)
  const disk = new SimulatedDisk()
  const clock = new LabClock()
  const history = new History(BOUNDS)
  const refusals: Refusals = { areOn: true }
  const store = diskStore(kind, random() < 0.5, refusals)
  const isSlow = random() < 0.4
  const letters = new LettersGivenAgain(refusals, lab)
  const openMemory = openerOf(disk, clock, random, {
    kind,
    async open(create) {
      const opened = await store.open(disk, FOLDER, create)
      return isSlow ? slowToRead(opened, lab) : opened
    },
  })
  const workload = new Workload(history, random, {
    async open() {
      letters.memory = await openMemory()
      return letters.memory
    },
    pass: async () => {
      clock.advance(randomBelow(lab, 40))
      if (kind === 'refusing') letters.pass()
      await turns(isSlow ? 6 : 2)
    },
    storeRefuses: kind === 'refusing',
    // On a slow disk a sync may last longer than the bound: what is acknowledged under it has no age that is bounded.
    nowMs: () => (isSlow ? 0 : clock.timerMs),
  })
  const snapshots: Snapshot[] = []
  const keep = (call: number, before: string) => {
    snapshots.push({ disk: disk.clone(), moment: history.moment(isSlow ? 0 : clock.timerMs), call, before })
  }
  disk.onCall = ({ index, kind, path }) => {
    if (isSlow && kind === 'dataSync') clock.holdUp(11)
    if (lab() < 0.5) keep(index, `call ${index}, ${kind} ${path}`)
  }
  if (isSlow) disk.delay = () => (lab() < 0.5 ? turns(1 + randomBelow(lab, 3)) : undefined)
  let fault: unknown
  try {
    await guarded(
      workload.open().then(() => workload.run(count, steps)),
      'a workload',
    )
  } catch (error) {
    fault = error
  }
  fault ??= letters.fault
  // What is opened on a crashed disk meets the rule again.
  refusals.areOn = true
  disk.onCall = undefined
  if (fault === undefined) keep(disk.calls, 'its end')
  disk.powerOff()
  const { story } = workload
  return { history, snapshots: steps === undefined ? sample(snapshots, lab) : snapshots, store, story, fault }
}

function openerOf(disk: SimulatedDisk, clock: LabClock, random: Random, store: StoreOpener) {
  const pendingEntriesMax = random() < 0.5 ? 40 : 100_000
  const logBytesMax = random() < 0.5 ? 256 * 1024 : 1 << 30
  const tierBytesMax = random() < 0.3 ? 2000 : 1 << 20
  return () =>
    AgentMemory.open(FOLDER, {
      fileSystem: disk,
      clock,
      store,
      maxLoss: MAX_LOSS,
      segmentBytesMax: 64 * 1024,
      frameBytesMax: 64 * 1024,
      pendingEntriesMax,
      logBytesMax,
      tierBytesMax,
    })
}

/** Now and then the rule is mended for a while, and the dead letters are given to the store again, whether it is or not. */
class LettersGivenAgain {
  memory: AgentMemory | undefined
  fault: unknown
  readonly #refusals: Refusals
  readonly #random: Random

  constructor(refusals: Refusals, random: Random) {
    this.#refusals = refusals
    this.#random = random
  }

  pass(): void {
    if (this.#random() < 0.2) this.#refusals.areOn = !this.#refusals.areOn
    if (this.#random() >= 0.1) return
    this.memory?.deadLetters.replay().catch((error: unknown) => {
      try {
        ignoreClosing(error)
      } catch {
        this.fault ??= error
      }
    })
  }
}

/** What was read takes its time to come, so that it may be old by then. */
function slowToRead(store: DataStore, random: Random): DataStore {
  const getNow = store.get.bind(store)
  store.get = async key => {
    const value = await getNow(key)
    await turns(randomBelow(random, 80))
    return value
  }
  return store
}

/** As many as a workload may have, evenly spread over it. */
function sample(snapshots: Snapshot[], random: Random): Snapshot[] {
  const count = Math.min(snapshots.length, Math.ceil(STATES_PER_WORKLOAD / STATES_PER_MOMENT))
  const offset = random()
  return Array.from({ length: count }, (_, n) => snapshots[Math.floor(((n + offset) * snapshots.length) / count)]!)
}
