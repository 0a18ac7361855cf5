/** Fills a memory with every key once, moves all of it to the data store and closes: a store with an empty log. */
import { AgentMemory } from '../src/index.js'
import { childTask } from './child.js'
import { putAll, shuffledNumbers, valuesOf } from './workload.js'

const { folder, keys, input } = childTask<{ folder: string; keys: number; input: string | undefined }>()
const memory = await AgentMemory.open(folder)
const map = memory.map<string>('bench')
await putAll(shuffledNumbers(keys, 1), valuesOf(1, input), 256, (key, value) => map.set(key, value))
await memory.checkpoint()
await memory.close()
process.stdout.write('{}\n')
