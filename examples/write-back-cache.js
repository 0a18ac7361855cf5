// A write-back cache: a write is acknowledged by memory and reaches the disk with the next flush. For what is written far
// more often than it matters: counters, last-seen times. What a crash may lose is a bound that is kept, not a hope.
import { AgentMemory } from 'holdfast'

const memory = await AgentMemory.open('./agent-memory')
try {
  const views = memory.map('views', {
    durability: 'write-back',
    maxLoss: { ms: 500, writes: 1000 },
  })

  let last
  for (let view = 1; view <= 100; view++) last = await views.set('page-1', view)
  console.log('reached:', last.reached)
  console.log('a crash now would lose at most', memory.status().atRisk.writes, 'writes')

  // Whoever needs more for one write asks for it: everything accepted before goes along.
  await last.durable()
  console.log('and now', memory.status().atRisk.writes)
  console.log('read:', await views.get('page-1'))
} finally {
  await memory.close()
}

// Prints:
// reached: tier
// a crash now would lose at most 100 writes
// and now 0
// read: 100
