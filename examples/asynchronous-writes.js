// Not waiting: a write is visible at once and has its place in the order; its promise says when it is as durable as asked.
import { AgentMemory } from 'holdfast'

const memory = await AgentMemory.open('./agent-memory')
try {
  const steps = memory.map('steps')

  // A hundred calls, one sync or two. Each promise is kept, and each is looked at: a failure must not go unseen.
  const writes = []
  for (let step = 0; step < 100; step++) writes.push(steps.set(`step-${step}`, { step }))
  console.log('visible at once:', await steps.get('step-99'))

  const results = await Promise.all(writes)
  console.log(
    'on stable storage:',
    results.every(({ reached }) => reached === 'log'),
  )
  console.log(
    'in the order of the calls:',
    results.every(({ lsn }, at) => at === 0 || lsn > results[at - 1].lsn),
  )
} finally {
  await memory.close()
}

// Prints:
// visible at once: { step: 99 }
// on stable storage: true
// in the order of the calls: true
