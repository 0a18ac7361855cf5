// A write-through cache: each write is in the data store when its promise resolves, and reads are answered from memory.
// For what must survive the loss of this process, its log and its memory: payments, permissions, account balances.
import { AgentMemory } from 'holdfast'

const memory = await AgentMemory.open('./agent-memory')
try {
  const balances = memory.map('balances', { durability: 'write-through' })

  const { reached } = await balances.set('acme', { euros: 120 })
  console.log('reached:', reached)

  // Nobody else can have changed it in between: an update is atomic.
  const { value } = await balances.update('acme', balance => ({ euros: balance.euros - 20 }))
  console.log('after the payment:', value)
  console.log('read:', await balances.get('acme'))
} finally {
  await memory.close()
}

// Prints:
// reached: store
// after the payment: { euros: 100 }
// read: { euros: 100 }
