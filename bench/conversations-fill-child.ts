/** Fills a memory with one conversation of each length, and closes it. */
import { AgentMemory } from '../src/index.js'
import { childTask } from './child.js'
import { type ConversationsTask, conversationOf, messagesOf } from './conversations-shape.js'

const BATCH = 1000

const { folder, lengths, input } = childTask<ConversationsTask>()
const messages = messagesOf(0, input)
const memory = await AgentMemory.open(folder)
const conversations = memory.conversations({ keepLast: null })
for (const length of lengths) {
  for (let done = 0; done < length; done += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, length - done) }, (_, n) => messages[n % messages.length]!)
    await conversations.appendMany(conversationOf(length), batch)
  }
}
await memory.close()
process.stdout.write('{}\n')
