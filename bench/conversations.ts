/** conversations: what an append and a history cost as a conversation grows, in multiples of their cost with ten messages. */
import { join } from 'node:path'
import { runChild } from './child.js'
import type { ConversationsRun } from './conversations-child.js'
import { inFolder } from './folders.js'
import { type Line, lineOf } from './line.js'
import type { BenchOptions } from './options.js'
import { progress } from './progress.js'
import { compare } from './statistics.js'

const SHORT = 10
const LONG = 10_000
const LONGEST = 1_000_000
const GOAL = 0.25

const OPERATIONS: { name: keyof ConversationsRun; what: string }[] = [
  { name: 'append', what: 'append' },
  { name: 'history', what: 'history of 10' },
]

export function conversations(options: BenchOptions): AsyncGenerator<Line> {
  const { pairs, keys, quick, input } = options
  const lengths = [SHORT, LONG, ...(keys > LONG ? [Math.min(keys, LONGEST)] : [])]
  return measured()

  async function* measured(): AsyncGenerator<Line> {
    const rounds = await inFolder(async parent => {
      const task = { folder: join(parent, 'memory'), lengths, slices: quick ? 20 : 100, input }
      progress(`filling conversations of up to ${lengths.at(-1)!.toLocaleString('en-US')} messages`)
      await runChild('conversations-fill-child', task)
      const runs: ConversationsRun[] = []
      for (let round = 1; round <= pairs; round++) {
        progress(`conversations ${round}/${pairs}`)
        runs.push(await runChild<ConversationsRun>('conversations-child', { ...task, seed: round }))
      }
      return runs
    })
    for (const { name, what } of OPERATIONS) {
      for (const [index, length] of lengths.entries()) {
        const head = {
          case: 'conversations',
          what: `${what}, ${length.toLocaleString('en-US')} messages`,
          peer: `ours with ${SHORT} messages`,
          unit: 'µs',
          better: 'flat',
          goal: length === SHORT ? null : GOAL,
        } as const
        const costs = rounds.map(round => ({ ours: round[name][index]!, theirs: round[name][0]! }))
        yield lineOf(head, compare(costs), { keys: length })
      }
    }
  }
}
