import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AgentMemoryOptions } from '../../src/index.js'
import { type Action, actions, Run } from './run.js'

const shapes: { name: string; options: AgentMemoryOptions; runs: number }[] = [
  { name: 'a roomy tier', options: {}, runs: 60 },
  { name: 'a tier that holds nothing', options: { tierBytesMax: 0 }, runs: 60 },
  {
    name: 'small frames and little room in the log',
    options: { frameBytesMax: 64 * 1024, pendingEntriesMax: 4 },
    runs: 40,
  },
  { name: 'checkpoints at every turn', options: { tierBytesMax: 600, pendingEntriesMax: 9 }, runs: 40 },
]

for (const { name, options, runs } of shapes) {
  test(`with ${name}, every sequence of writes, reads, kills and power cuts goes as the model says`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(actions, { minLength: 5, maxLength: 60, size: 'max' }),
        fc.nat(),
        async (sequence: Action[], seed) => {
          const run = await Run.start(options, seed)
          for (const action of sequence) await run.step(action)
          await run.finish()
        },
      ),
      { numRuns: runs },
    )
  })
}

test('with an in-memory store the log alone carries everything', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(actions, { minLength: 5, maxLength: 60, size: 'max' }),
      fc.nat(),
      async (sequence: Action[], seed) => {
        const run = await Run.start({ store: 'in-memory', tierBytesMax: 400 }, seed)
        for (const action of sequence) await run.step(action)
        await run.finish()
        assert.ok(run.checks > 0)
      },
    ),
    { numRuns: 30 },
  )
})
