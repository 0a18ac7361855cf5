// One memory, many durabilities: of a write, of keys, of a map, of the memory; the most specific counts. There is one log
// and one order, so that a crash keeps a prefix of everything, whatever the mix.
import { AgentMemory, anySegment } from 'holdfast'

const memory = await AgentMemory.open('./agent-memory', {
  durability: 'write-ahead',
  rules: [
    { map: 'sessions', durability: 'write-back' },
    { map: 'sessions', prefix: [anySegment, 'payment'], durability: 'write-through' },
  ],
})
try {
  const sessions = memory.map('sessions')
  const seen = await sessions.set(['user-1', 'last-seen'], 1700000000)
  const payment = await sessions.set(['user-1', 'payment'], { euros: 12 })
  const said = await sessions.set(['user-1', 'draft'], 'Hello', { durability: 'write-ahead' })
  const other = await memory.map('runs').set('run-1', { step: 1 })
  console.log(seen.reached, payment.reached, said.reached, other.reached)

  const { durability, reason } = memory.durabilityFor('sessions', ['user-2', 'payment'])
  console.log(durability)
  console.log(reason)
} finally {
  await memory.close()
}

// Prints:
// tier store log log
// write-through
// The rule of the memory for the map "sessions", keys that start with [any, "payment"] says write-through
