// A write-ahead cache, the default: a write is in the log, on stable storage, when its promise resolves. It goes to the data
// store later. For a run's saved state: it must survive a crash, and must not wait for a database.
import { AgentMemory } from 'holdfast'

const memory = await AgentMemory.open('./agent-memory')
try {
  const runs = memory.map('runs')

  const { reached } = await runs.set('run-1', { step: 1, plan: ['search', 'answer'] })
  console.log('reached:', reached)

  // Many writes at once share one sync of the disk.
  const results = await Promise.all([2, 3, 4].map(step => runs.set(`run-${step}`, { step })))
  console.log('written:', results.length)
  console.log('read:', await runs.get('run-1'))
} finally {
  await memory.close()
}

// Prints:
// reached: log
// written: 3
// read: { step: 1, plan: [ 'search', 'answer' ] }
