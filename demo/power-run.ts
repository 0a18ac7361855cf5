/**
 * The replay on a simulated disk whose power is cut: at random calls of the disk, several of the states that a cut may
 * leave there are opened and compared with what had been acknowledged at that moment.
 *
 * The input is played in slices, each on a disk of its own, so that opening one again after each cut stays cheap.
 */
import { type CrashChoice, systematicChoices } from '../src/testing/crash-plan.js'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { Life, machineMs } from './life.js'
import { mapsOf, openSimulated, readAll, type Sabotage } from './memory.js'
import { makePlan, type Plan } from './plan.js'
import { Player } from './player.js'
import type { Run } from './run.js'
import { Tally, type Verdict, verify, verifyUnreadable } from './verify.js'

export interface PowerRunOptions {
  cuts: number
  seed: number
  sabotage: Sabotage
  onProgress(done: number): void
}

/** States of the disk that are compared for one moment. */
const STATES_A_MOMENT = 3
const RUNS_A_SLICE = 10
/** A cut comes so many calls of the disk, at most, after the write that it was planned for. */
const CALLS_LATE_MAX = 6

/** What was on the disk, and what had been told, at one moment. */
interface Moment {
  disk: SimulatedDisk
  life: Life
  at: number
}

export async function runWithPowerCuts(runs: readonly Run[], options: PowerRunOptions): Promise<Tally> {
  const tally = new Tally()
  const random = seededRandom(options.seed + 1)
  const slices = Math.ceil(runs.length / RUNS_A_SLICE)
  for (let slice = 0; slice < slices; slice++) {
    const plan = makePlan(runs.slice(slice * RUNS_A_SLICE, (slice + 1) * RUNS_A_SLICE))
    // What is left is shared by the slices that are left, so that the sum is right.
    let left = Math.round((options.cuts - tally.crashes) / (slices - slice))
    const moments = await play(plan, Math.ceil(left / STATES_A_MOMENT), random, options.sabotage)
    for (const [index, moment] of moments.entries()) {
      const count = Math.ceil(left / (moments.length - index))
      for (const choice of choices(moment.disk, random, count)) {
        const disk = moment.disk.crash(random, choice)
        const where = `after power cut ${tally.crashes + 1} (kept: ${choice.kind})`
        tally.add(await compare(plan, { ...moment, disk }), where)
        left -= 1
      }
      options.onProgress(tally.crashes)
    }
  }
  return tally
}

/** What the cuts of one moment keep: first nothing, then by turns any subset, and one plain case: a tear, a prefix, … */
function choices(disk: SimulatedDisk, random: Random, count: number): CrashChoice[] {
  const plain = systematicChoices(disk.unsynced())
  return Array.from({ length: count }, (_, nth): CrashChoice => {
    if (nth === 0) return { kind: 'nothing' }
    return nth % 2 === 1 ? { kind: 'random' } : plain[randomBelow(random, plain.length)]!
  })
}

/** Plays a slice to its end, and looks at the disk at `count` moments on the way. */
async function play(plan: Plan, count: number, random: Random, sabotage: Sabotage): Promise<Moment[]> {
  const disk = new SimulatedDisk()
  const memory = await openSimulated(disk, sabotage)
  const life = new Life(0, memory.status().lsn.accepted)
  const moments: Moment[] = []
  const targets = Array.from({ length: count }, (_, nth) => ((nth + random()) * plan.ops.length) / count)
  let callsLeft = randomBelow(random, CALLS_LATE_MAX)
  disk.onCall = ({ kind }) => {
    const target = targets[moments.length]
    if (target === undefined || life.issuedTo < target) return
    // Before a sync there is the most to lose.
    if (kind !== 'dataSync' && callsLeft-- > 0) return
    moments.push({ disk: disk.clone(), life: life.copy(), at: machineMs() })
    callsLeft = randomBelow(random, CALLS_LATE_MAX)
  }
  const listener = {
    issuing: (end: number) => {
      life.issuedTo = end
    },
    acknowledged: (index: number, { lsn, reached }: { lsn: number; reached: 'tier' | 'log' | 'store' }, ms: number) => {
      life.acks.set(index, { lsn, reached, ms, at: machineMs() })
    },
  }
  await new Player(plan, mapsOf(memory), 0, listener).play()
  await memory.close()
  return moments
}

/** What the real engine makes of what a power cut has left. */
async function compare(plan: Plan, { disk, life, at }: Moment): Promise<Verdict> {
  try {
    const memory = await openSimulated(disk, undefined)
    const verdict = verify(plan, new Map(), life, await readAll(memory), at)
    await memory.close()
    return verdict
  } catch (error) {
    return verifyUnreadable(plan, life, error, at)
  }
}
