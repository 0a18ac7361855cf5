/**
 * A process that writes one write-back and then asks nothing more of its memory. It says on its output when timers have
 * brought a flush, or a checkpoint; `ends` lets it end by itself, without a close.
 */
import { AgentMemory } from '../../src/index.js'

const [folder, how] = process.argv.slice(2)
const memory = await AgentMemory.open(folder!, { segmentBytesMax: 64 * 1024, checkpointMs: 300 })
memory.on('flush', () => process.stdout.write('flush\n'))
memory.on('checkpoint', () => process.stdout.write('checkpoint\n'))
const { reached } = await memory.map('m', { durability: 'write-back' }).set('k', 1)
process.stdout.write(`${reached}\n`)
if (how !== 'ends') setInterval(() => {}, 1000)
