// Checkpoints move what the log has into the data store, so that the log stays short: every 300 s by default, sooner when
// there is much, and when you ask. They run by themselves, beside the writes, and change nothing about what is safe.
import { AgentMemory } from 'holdfast'

// A checkpoint alone keeps no process alive: this stands for what an agent does meanwhile.
const agent = setInterval(() => {}, 1000)

const memory = await AgentMemory.open('./agent-memory', { checkpointMs: 100 })
try {
  const done = new Promise(resolve => memory.on('checkpoint', resolve))
  const runs = memory.map('runs')
  await runs.setMany([
    ['run-1', { step: 1 }],
    ['run-2', { step: 1 }],
  ])

  // Nothing else is written: the timer does it.
  const { entries, bytes, durationMs } = await done
  console.log('by the clock:', entries, 'entries', bytes > 0, durationMs >= 0)

  await runs.set('run-1', { step: 2 })
  await memory.checkpoint()
  console.log('when asked:', memory.status().pending.entries, 'entries wait')
} finally {
  clearInterval(agent)
  await memory.close()
}

// Prints:
// by the clock: 2 entries true true
// when asked: 0 entries wait
