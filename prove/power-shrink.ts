/**
 * Makes a failure small: the fewest steps of its workload that still break a promise, and of the crashes that show it
 * the simplest. Steps are left out in halves, quarters, and at last one by one, for as long as something still breaks.
 */
import type { Failure } from './crash-check.js'
import type { DiskStoreName } from './disk-stores.js'
import { judgeWorkload, stepsOf } from './power-workload.js'

export interface Shrunk {
  /** Numbers of the steps that are left. */
  steps: number[]
  /** What they do, in words. */
  story: readonly string[]
  failure: Failure
}

const SHRINK_MS_MAX = 60_000
const STATES_MAX = 100_000

/** `undefined` if the workload of this seed breaks nothing when every call of it is cut. */
export async function shrink(seed: number, store?: DiskStoreName): Promise<Shrunk | undefined> {
  const until = performance.now() + SHRINK_MS_MAX
  const all = Array.from({ length: stepsOf(seed) }, (_, step) => step)
  // A single crash is simpler than a crash of what a crash has left.
  const isPlain = await breaks({ seed, store, steps: all, isPlain: true })
  if (!isPlain && !(await breaks({ seed, store, steps: all, isPlain }))) return undefined
  let steps = all
  for (let size = Math.ceil(steps.length / 2); ; size = Math.min(Math.ceil(size / 2), steps.length)) {
    let hasShrunk = false
    // From the end: what comes behind the crash is the first thing that is not needed.
    for (let end = steps.length; end > 0 && performance.now() < until; end -= size) {
      const fewer = [...steps.slice(0, Math.max(0, end - size)), ...steps.slice(end)]
      if (!(await breaks({ seed, store, steps: fewer, isPlain }))) continue
      steps = fewer
      hasShrunk = true
    }
    if (performance.now() >= until || (size <= 1 && !hasShrunk)) break
  }
  const chosen = { seed, store, states: STATES_MAX, steps: new Set(steps), isPlain, isThorough: true }
  const { failures, story } = await judgeWorkload(chosen)
  return { steps, story, failure: simplest(failures) }
}

interface Choice {
  seed: number
  store: DiskStoreName | undefined
  steps: number[]
  isPlain: boolean
}

async function breaks({ steps, ...choice }: Choice): Promise<boolean> {
  const { failures } = await judgeWorkload({ ...choice, states: STATES_MAX, steps: new Set(steps) })
  return failures.length > 0
}

/** Plain crashes before torn writes, those before random ones; of equal ones the earliest. */
const SIMPLE_FIRST = ['none', 'killed', 'nothing', 'everything', 'names only', 'data only', 'prefix', 'drop', 'keep']

function simplest(failures: readonly Failure[]): Failure {
  const rank = ({ crash, call }: Failure) => {
    const place = SIMPLE_FIRST.findIndex(word => crash.includes(word))
    return (place < 0 ? SIMPLE_FIRST.length + (crash.includes('random') ? 1 : 0) : place) * 1e9 + call
  }
  return [...failures].sort((a, b) => rank(a) - rank(b))[0]!
}
