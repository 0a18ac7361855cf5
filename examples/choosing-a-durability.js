// Which durability for which data? Ask by the kind of data, and say what your own kinds mean.
import { AgentMemory, chooseDurability, memoryLayers } from 'holdfast'

for (const dataClass of ['user_payment', 'auth_token', 'access_log', 'cache_hit', 'tool_result']) {
  console.log(dataClass.padEnd(13), chooseDurability(dataClass))
}
console.log('tool_result'.padEnd(13), chooseDurability('tool_result', { tool_result: 'write-back' }))

const memory = await AgentMemory.open('./agent-memory')
try {
  const tokens = memory.map('tokens', { dataClass: 'auth_token' })
  console.log((await tokens.set('user-1', 'secret')).reached)

  // Or by the layer of an agent's memory: what it is doing, what happened, what it knows, how things are done.
  const facts = memory.map('facts', memoryLayers.semantic)
  const scratchpad = memory.map('scratchpad', memoryLayers.working)
  console.log((await facts.set('user-1', 'has a dog')).reached, (await scratchpad.set('plan', ['search'])).reached)
} finally {
  await memory.close()
}

// Prints:
// user_payment  write-through
// auth_token    write-through
// access_log    write-back
// cache_hit     write-back
// tool_result   write-ahead
// tool_result   write-back
// store
// store tier
