/** Sequences of actions on lists, each compared with the model after every step. */
import fc from 'fast-check'
import type { AgentMemoryOptions } from '../../src/index.js'
import { type Action, actions, ListsRun } from './lists-run.js'

export async function listsGoAsArrays(options: AgentMemoryOptions, numRuns: number): Promise<void> {
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
    { numRuns },
  )
}
