/** What an append and a history cost in conversations of each length, which take turns, in a process of its own. */
import { AgentMemory } from '../src/index.js'
import { childTask } from './child.js'
import { type ConversationsTask, conversationOf, messagesOf } from './conversations-shape.js'
import { median } from './statistics.js'

/** In µs, for each length. */
export interface ConversationsRun {
  append: number[]
  history: number[]
}

const APPENDS = 64
const HISTORIES = 64
const WARM_SLICES = 5

const { folder, lengths, slices, seed, input } = childTask<ConversationsTask>()
const messages = messagesOf(seed, input)
const memory = await AgentMemory.open(folder)
const conversations = memory.conversations({ keepLast: null })
const [short] = lengths
const costs = lengths.map(() => ({ append: [] as number[], history: [] as number[] }))

for (let slice = -WARM_SLICES; slice < slices; slice++) {
  // The order changes from slice to slice, so that what the one leaves behind does not always meet the other.
  const order = lengths.map((_, index) => (slice % 2 === 0 ? index : lengths.length - 1 - index))
  for (const index of order) {
    const length = lengths[index]!
    const id = length === short ? await newShort(length, slice) : conversationOf(length)
    // It is in memory then, as that of an agent at work.
    await conversations.history(id)
    const append = await timed(APPENDS, n => conversations.append(id, messages[n % messages.length]!))
    const history = await timed(HISTORIES, () => conversations.history(id))
    if (slice < 0) continue
    costs[index]!.append.push(append)
    costs[index]!.history.push(history)
  }
  // What is written behind has its turn, and is not measured with whoever comes next.
  await memory.flush()
}
await memory.close()
const run: ConversationsRun = {
  append: costs.map(({ append }) => median(append)),
  history: costs.map(({ history }) => median(history)),
}
process.stdout.write(`${JSON.stringify(run)}\n`)

/** A conversation that has just begun: by the appends of a slice it is not short any more. */
async function newShort(length: number, slice: number): Promise<string> {
  const id = `short-${seed}-${String(slice + WARM_SLICES).padStart(4, '0')}`
  await conversations.appendMany(id, messages.slice(0, length))
  return id
}

/** µs for each call, one after the other. */
async function timed(count: number, call: (n: number) => Promise<unknown>): Promise<number> {
  const started = performance.now()
  for (let n = 0; n < count; n++) await call(n)
  return ((performance.now() - started) * 1000) / count
}
