/** Sequences of actions on a memory, each compared with the model after every step. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { AgentMemoryOptions } from '../../src/index.js'
import { type Action, actions, Run } from './run.js'

export async function goesAsTheModelSays(options: AgentMemoryOptions, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(actions, { minLength: 5, maxLength: 60, size: 'max' }),
      fc.nat(),
      async (sequence: Action[], seed) => {
        const run = await Run.start(options, seed)
        for (const action of sequence) await run.step(action)
        await run.finish()
        assert.ok(run.checks > 0)
      },
    ),
    { numRuns },
  )
}
