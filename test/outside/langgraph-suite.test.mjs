// The suites of LangGraph for checkpointers on HoldfastSaver, at each durability. For vitest, with its globals: HOLDFAST_DOOR
// is the URL of the compiled adapter.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deltaChannelHistoryTests, validate } from '@langchain/langgraph-checkpoint-validation'

const door = process.env.HOLDFAST_DOOR
const { HoldfastSaver } = await import(door)
const { AgentMemory } = await import(new URL('../../index.js', door).href)

/** Savers over a memory of their own, each in a map of its own: it is empty. */
function initializerFor(durability) {
  let folder
  let memory
  let savers = 0
  return {
    checkpointerName: durability,
    async beforeAll() {
      folder = mkdtempSync(join(tmpdir(), 'holdfast-langgraph-'))
      // A tier without room: what is in the log or in the store is read from there.
      memory = await AgentMemory.open(folder, { tierBytesMax: 0, segmentBytesMax: 64 * 1024 })
    },
    async afterAll() {
      await memory.close()
      rmSync(folder, { recursive: true })
    },
    async createCheckpointer() {
      savers += 1
      return new HoldfastSaver(memory, { durability, map: `langgraph-${savers}` })
    },
    async destroyCheckpointer(saver) {
      await saver.close()
    },
  }
}

for (const durability of ['write-back', 'write-ahead', 'write-through']) {
  describe(durability, () => {
    validate(initializerFor(durability))
    const initializer = initializerFor(durability)
    describe('history', () => {
      beforeAll(initializer.beforeAll)
      afterAll(initializer.afterAll)
      deltaChannelHistoryTests(initializer)
    })
  })
}
