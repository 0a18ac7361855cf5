/** One life of a process that appends numbers to two sequences, the same to both in one batch now and then, until killed. */
import { AgentMemory, type Durability, type Sequence } from '../../src/index.js'
import { reportLine } from '../../src/io/report-line.js'
import { randomBelow, seededRandom } from '../../src/testing/random.js'

export const NAMES = ['all', 'last'] as const
export const KEEP_LAST = 50
export const MAX_LOSS_WRITES = 60

export interface Found {
  found: { first: number; next: number; values: number[] }[]
}

export interface Answered {
  /** The position of the last item that was appended, by sequence; left out if nothing was. */
  last: (number | undefined)[]
  reached: string
}

export type AppendsReport = Found | Answered

const DURABILITIES: Durability[] = ['write-back', 'write-back', 'write-back', 'write-ahead', 'write-through']

// What else imports this file wants its words only.
if (process.argv[2] !== undefined && process.argv[1]?.endsWith('appends-child.js')) {
  await live(process.argv[2], seededRandom(Number(process.argv[3])))
}

async function live(folder: string, random: () => number): Promise<void> {
  const memory = await AgentMemory.open(folder, {
    maxLoss: { writes: MAX_LOSS_WRITES },
    segmentBytesMax: 256 * 1024,
    pendingEntriesMax: 200,
    tierBytesMax: 64 * 1024,
  })
  const sequences = [memory.sequence<number>('all'), memory.sequence<number>('last', { keepLast: KEEP_LAST })]
  const found = await Promise.all(sequences.map(contentOf))
  reportLine({ found })
  const next = found.map(each => each.next)
  const answer = (index: number, result: Promise<{ reached: string }>, position: number) =>
    result.then(({ reached }) => {
      const last = sequences.map((_, each) => (index === each ? position : undefined))
      reportLine({ last, reached })
    })
  for (;;) {
    const pending: Promise<unknown>[] = []
    for (let count = 1 + randomBelow(random, 20); count > 0; count--) {
      const durability = DURABILITIES[randomBelow(random, DURABILITIES.length)]!
      const index = randomBelow(random, 2)
      if (random() < 0.1) {
        const positions = next.map(each => each)
        for (const each of [0, 1]) next[each]! += 1
        const batch = memory.batch(
          batch => {
            for (const [each, sequence] of sequences.entries()) batch.append(sequence, positions[each]!)
          },
          { durability },
        )
        pending.push(batch.then(({ reached }) => reportLine({ last: positions, reached })))
        continue
      }
      const values = Array.from({ length: 1 + randomBelow(random, 3) }, () => next[index]!++)
      pending.push(answer(index, sequences[index]!.appendMany(values, { durability }), next[index]! - 1))
    }
    await Promise.all(pending)
    await new Promise(setImmediate)
  }
}

async function contentOf(sequence: Sequence<number>): Promise<{ first: number; next: number; values: number[] }> {
  const values: number[] = []
  for await (const { position, value } of sequence.read()) {
    if (position !== value) throw new Error(`${sequence.name} has ${value} at ${position}`)
    values.push(value)
  }
  return { ...(await sequence.bounds()), values }
}
