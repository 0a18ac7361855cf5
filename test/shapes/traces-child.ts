/** One life of a process that keeps recorded runs as conversations, message by message, from where the last life has come. */
import { readRuns } from '../../demo/input.js'
import { AgentMemory } from '../../src/index.js'
import { reportLine } from '../../src/io/report-line.js'

export interface TracesReport {
  /** Messages that were there when the life began, or are now. */
  found?: number
  /** Messages that were acknowledged by now, in all lives, and what the last of them has reached. */
  acknowledged?: number
  reached?: string
}

const [folder = '', file = '', maxLossWrites = ''] = process.argv.slice(2)
const runs = readRuns(file)
const memory = await AgentMemory.open(folder)
const conversations = memory.conversations({ keepLast: null, maxLoss: { writes: Number(maxLossWrites) } })
const counts: number[] = []
for (const { id } of runs) counts.push((await conversations.history(id, Number.MAX_SAFE_INTEGER)).length)
const found = counts.reduce((sum, count) => sum + count, 0)
reportLine({ found })
let acknowledged = found
for (const [index, { id, messages }] of runs.entries()) {
  for (const message of messages.slice(counts[index])) {
    const { reached } = await conversations.append(id, message)
    acknowledged += 1
    reportLine({ acknowledged, reached })
  }
}
await memory.close()
