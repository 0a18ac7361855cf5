// Writes that take effect together, over several maps: after a crash all of them are there, or none.
import { AgentMemory } from 'holdfast'

const memory = await AgentMemory.open('./agent-memory')
try {
  const orders = memory.map('orders')
  const stock = memory.map('stock')
  await stock.setMany([
    ['apples', 10],
    ['pears', 4],
  ])

  const apples = await stock.getEntry('apples')
  await memory.batch(batch => {
    batch.set(orders, 'order-1', { apples: 3 })
    // Only if nobody has taken any meanwhile.
    batch.set(stock, 'apples', apples.value - 3, { expected: apples.version })
  })
  console.log(await orders.get('order-1'), await stock.get('apples'))

  try {
    await memory.batch(batch => {
      batch.set(orders, 'order-2', { apples: 5 })
      batch.set(stock, 'apples', apples.value - 5, { expected: apples.version })
    })
  } catch (error) {
    console.log(error.code, await orders.get('order-2'), await stock.get('apples'))
  }
} finally {
  await memory.close()
}

// Prints:
// { apples: 3 } 7
// VERSION_CONFLICT undefined 7
