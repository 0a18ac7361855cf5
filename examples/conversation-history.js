// Conversations: an append costs microseconds, however long the conversation is, and `history` gives a model its window.
import { AgentMemory } from 'holdfast'

const memory = await AgentMemory.open('./agent-memory')
try {
  const conversations = memory.conversations({ keepLast: 100 })

  await conversations.append('chat-1', { role: 'user', content: 'What is the capital of Brazil?' })
  await conversations.append('chat-1', { role: 'assistant', content: 'Brasília.' })
  await conversations.append('chat-1', { id: 'm3', role: 'user', content: 'Since when?' })

  // A retry after a lost answer: the id is there already, so nothing is appended twice.
  const [retried] = (await conversations.append('chat-1', { id: 'm3', role: 'user', content: 'Since when?' })).messages
  console.log('is new:', retried.isNew)

  for (const { message } of await conversations.history('chat-1', 2)) console.log(`${message.role}: ${message.content}`)

  // Everything so far is on stable storage from here on, whatever happens.
  await memory.flush()
} finally {
  await memory.close()
}

// Prints:
// is new: false
// assistant: Brasília.
// user: Since when?
