/** A process that opens a memory, writes, says so on its output, and keeps it open until it is killed. */
import { AgentMemory } from '../../src/index.js'

const memory = await AgentMemory.open(process.argv[2]!, { segmentBytesMax: 64 * 1024 })
const map = memory.map<number>('m')
for (let index = 0; index < 20; index++) await map.set(`k${index}`, index)
await map.set('stored', 1, { durability: 'write-through' })
await map.set('logged', 2)
process.stdout.write('written\n')
setInterval(() => {}, 1000)
