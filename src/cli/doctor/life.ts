/**
 * One life of the kill harness, a process of its own: opens the memory, says what it has found, and writes with all
 * durabilities until it is killed. Its arguments are the folder, the number of the life, and what it writes (`Mix`).
 *
 * It reports by calls that have handed the line to the kernel when they return: a kill takes nothing of what was
 * reported before.
 */
import { writeSync } from 'node:fs'
import { AgentMemory, AgentMemoryError, type Durability } from '../../index.js'
import { reportLine } from '../../io/report-line.js'
import { contentOf, keyOf, type Mix, OPTIONS, type Report, type Value, valueFor } from './shape.js'

const ALL: readonly Durability[] = ['write-back', 'write-ahead', 'write-through']
const WRITERS_EACH = 2
const report: (line: Report) => void = reportLine

const [folder = '', number = '0', mix = 'all'] = process.argv.slice(2)
const life = Number(number)

// The parent holds the other end: without it, this process ends too.
process.stdin.on('end', () => process.exit()).resume()

try {
  await live()
} catch (error) {
  if (!(error instanceof AgentMemoryError)) throw error
  writeSync(2, `${error.code}: ${error.message}\n`)
  // The other writers would go on.
  process.exit(1)
}

async function live(): Promise<void> {
  const memory = await AgentMemory.open(folder, OPTIONS)
  const found = await contentOf(memory)
  report({ found })
  const map = memory.map<Value, string>('writes')
  let last = Math.max(0, ...found.map(({ serial }) => serial))
  const durabilities = (mix as Mix) === 'write-back' ? ['write-back' as const] : ALL
  const writers = durabilities.flatMap(durability => Array.from({ length: WRITERS_EACH }, () => write(durability)))
  await Promise.all(writers)

  async function write(durability: Durability): Promise<void> {
    for (;;) {
      // Accepted in the order of the calls, so that the numbers are the order of what a crash keeps.
      last += 1
      const serial = last
      const { reached } = await map.set(keyOf(serial), valueFor(serial, life), { durability })
      report({ serial, durability, reached })
      await new Promise(resolve => setImmediate(resolve))
    }
  }
}
