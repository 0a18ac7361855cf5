// Kills itself in the middle of its work, and comes back: nothing that was acknowledged is gone.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AgentMemory } from 'holdfast'

const isChild = process.argv[2] === 'child'

if (isChild) {
  const memory = await AgentMemory.open('./agent-memory')
  const steps = memory.map('steps')
  for (let step = 1; ; step++) {
    await steps.set(`step-${step}`, { step })
    // The write above was acknowledged. No close, no flush: the process is gone at once.
    if (step === 25) process.kill(process.pid, 'SIGKILL')
  }
}

const { signal } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), 'child'])
console.log('the agent died of', signal)

const memory = await AgentMemory.open('./agent-memory')
try {
  let count = 0
  for await (const _ of memory.map('steps').entries()) count++
  console.log('steps that are there:', count)
} finally {
  await memory.close()
}

// Prints:
// the agent died of SIGKILL
// steps that are there: 25
