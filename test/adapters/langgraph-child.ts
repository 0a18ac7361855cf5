// A process that a test kills: turns of a graph that asks before it answers, each step told once it is acknowledged.
import { writeSync } from 'node:fs'
import { AIMessage, HumanMessage } from '@langchain/core/messages'
import { Command, interrupt, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import { HoldfastSaver } from '../../src/adapters/langgraph/index.js'

export function askingGraph(saver: HoldfastSaver) {
  return new StateGraph(MessagesAnnotation)
    .addNode('answer', ({ messages }) => {
      const given = interrupt(`may I answer ${messages.length}?`) as string
      return { messages: [new AIMessage(`${given} ${'b'.repeat(300)}`)] }
    })
    .addEdge(START, 'answer')
    .compile({ checkpointer: saver })
}

export const CONFIG = { configurable: { thread_id: 't' }, durability: 'sync' as const }

if (process.argv[1] === import.meta.filename) {
  const graph = askingGraph(HoldfastSaver.from(process.argv[2]!))
  let state = await graph.getState(CONFIG)
  for (;;) {
    const count = (state.values.messages as unknown[] | undefined)?.length ?? 0
    // What a crash has left half done is finished first.
    if (count % 2 === 0) await graph.invoke({ messages: [new HumanMessage(`${count} ${'a'.repeat(300)}`)] }, CONFIG)
    writeSync(1, `asked ${Math.floor(count / 2)}\n`)
    await graph.invoke(new Command({ resume: 'yes' }), CONFIG)
    writeSync(1, `answered ${Math.floor(count / 2)}\n`)
    state = await graph.getState(CONFIG)
  }
}
