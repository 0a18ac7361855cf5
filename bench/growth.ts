/** P9: what reads and writes cost as a memory grows, in multiples of their cost with ten thousand keys. */
import { runChild } from './child.js'
import { filledMemory } from './filled.js'
import type { GrowthRun } from './growth-child.js'
import { type Line, lineOf } from './line.js'
import type { BenchOptions } from './options.js'
import { progress } from './progress.js'
import { compare } from './statistics.js'

const SMALLEST = 10_000
const GOAL = 0.25

const OPERATIONS: { name: keyof GrowthRun; what: string }[] = [
  { name: 'put', what: 'put, 256 writers' },
  { name: 'held', what: 'get of a held entry' },
  { name: 'stored', what: 'get from the data store' },
]

export async function* growth(options: BenchOptions): AsyncGenerator<Line> {
  const { pairs, quick, input } = options
  const sizes: number[] = []
  for (let size = SMALLEST; size <= options.keys; size *= 10) sizes.push(size)
  const runs = new Map<number, GrowthRun[]>(sizes.map(size => [size, []]))
  for (const size of sizes) await filledMemory(size, options)
  for (let round = 1; round <= pairs; round++) {
    progress(`P9 ${round}/${pairs}`)
    // The order changes from round to round, so that what the one leaves behind does not always meet the other.
    for (const size of round % 2 === 1 ? sizes : sizes.toReversed()) {
      const task = {
        folder: await filledMemory(size, options),
        keys: size,
        putMs: quick ? 500 : 2000,
        seed: round,
        input,
      }
      runs.get(size)!.push(await runChild<GrowthRun>('growth-child', task))
    }
  }
  for (const { name, what } of OPERATIONS) {
    for (const size of sizes) {
      const smallest = runs.get(SMALLEST)!
      const rounds = runs.get(size)!.map((run, round) => ({ ours: run[name], theirs: smallest[round]![name] }))
      const head = {
        case: 'P9',
        what: `${what}, ${size.toLocaleString('en-US')} keys`,
        peer: `ours with ${SMALLEST.toLocaleString('en-US')} keys`,
        unit: 'µs',
        better: 'flat',
        goal: size === SMALLEST ? null : GOAL,
      } as const
      yield lineOf(head, compare(rounds), { keys: size })
    }
  }
}
