// A node of direct mode: increments a counter so many times, and appends to a conversation as often.
import { AgentMemory } from '../../src/index.js'

const [, , url = '', times = '0', name = ''] = process.argv
const memory = await AgentMemory.open(url, { log: 'none' })
const counters = memory.map<number>('counters')
const chat = memory.conversations<{ id: string }>({ keepLast: null })
for (let n = 0; n < Number(times); n++) {
  await counters.update('n', value => value + 1, { initial: 0 })
  if (n % 20 === 0) await chat.append('c', { id: `${name}-${n}` })
  process.stdout.write('.')
}
await memory.close()
