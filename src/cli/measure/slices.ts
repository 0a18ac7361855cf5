/**
 * Measures things side by side: they take turns in short slices, so that what the machine does meanwhile meets all of
 * them.
 */
import { type Spread, spreadOf } from '../statistics.js'

/** Something that is measured. */
export interface Side {
  name: string
  /** How many of its calls are under way at a time. */
  writers: number
  /** One call. What is done by returning need not return a promise. */
  run(): Promise<unknown> | undefined
  /** How many entries a call is about, if not one. */
  perCall?: number
  /** Puts things in order after a slice; not measured. */
  settle?(): Promise<unknown>
}

export interface Pace {
  rounds: number
  sliceMs: number
  /** A slice goes on until each of its writers has made so many calls, however slow they are, up to ten times its time. */
  callsMin: number
  /** And never beyond so many of each. */
  callsMax?: number
}

export interface Measured {
  name: string
  writers: number
  /** Per call, in microseconds. */
  latencyUs: Spread
  /** Per second: the median, smallest and largest slice. */
  perSecond: Spread
}

/** The first round lets code be compiled and files be made; it does not count. */
export async function measure(
  sides: readonly Side[],
  pace: Pace,
  onRound: (round: number) => void,
): Promise<Measured[]> {
  const taken = sides.map(side => ({ side, us: [] as number[], rates: [] as number[] }))
  for (let round = 0; round <= pace.rounds; round++) {
    onRound(round)
    for (const { side, us, rates } of taken) {
      const slice = await runSlice(side, pace)
      await side.settle?.()
      // Signals, and what else the loop has to do, get their turn.
      await new Promise(resolve => setImmediate(resolve))
      if (round === 0) continue
      for (const each of slice.us) us.push(each)
      rates.push((slice.us.length * (side.perCall ?? 1) * 1000) / slice.ms)
    }
  }
  return taken.map(({ side, us, rates }) => ({
    name: side.name,
    writers: side.writers,
    latencyUs: spreadOf(us),
    perSecond: spreadOf(rates),
  }))
}

async function runSlice(
  side: Side,
  { sliceMs, callsMin, callsMax = Number.POSITIVE_INFINITY }: Pace,
): Promise<{ ms: number; us: number[] }> {
  const us: number[] = []
  const started = performance.now()
  await Promise.all(Array.from({ length: side.writers }, write))
  return { ms: performance.now() - started, us }

  async function write(): Promise<void> {
    for (let calls = 0; ; calls++) {
      const began = performance.now()
      const elapsed = began - started
      if ((elapsed >= sliceMs && calls >= callsMin) || elapsed >= sliceMs * 10 || calls >= callsMax) return
      const done = side.run()
      if (done !== undefined) await done
      us.push((performance.now() - began) * 1000)
    }
  }
}
