import { test } from 'node:test'
import fc from 'fast-check'
import type { AgentMemoryOptions } from '../../src/index.js'
import { type Action, actions, ListsRun } from './lists-run.js'

const shapes: { name: string; options: AgentMemoryOptions; runs: number }[] = [
  { name: 'a roomy tier', options: {}, runs: 50 },
  { name: 'a tier that holds nothing', options: { tierBytesMax: 0 }, runs: 50 },
  {
    name: 'a small tier and checkpoints at every turn',
    options: { tierBytesMax: 4000, pendingEntriesMax: 9 },
    runs: 30,
  },
  { name: 'an in-memory store', options: { store: 'in-memory', tierBytesMax: 0 }, runs: 30 },
]

for (const { name, options, runs } of shapes) {
  test(`with ${name}, lists go as arrays do, through reopens, kills and power cuts`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(actions, { minLength: 5, maxLength: 50, size: 'max' }),
        fc.nat(),
        async (sequence: Action[], seed) => {
          const run = await ListsRun.start(options, seed)
          for (const action of sequence) await run.step(action)
          await run.step({ kind: 'power cut' })
          await run.step({ kind: 'reopen' })
        },
      ),
      { numRuns: runs },
    )
  })
}
