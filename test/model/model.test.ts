import { test } from 'node:test'
import type { AgentMemoryOptions } from '../../src/index.js'
import { inThread } from '../in-thread.js'
import type { goesAsTheModelSays } from './sequences.js'

const goes = (options: AgentMemoryOptions, runs: number) =>
  inThread<typeof goesAsTheModelSays>(new URL('./sequences.js', import.meta.url), 'goesAsTheModelSays', options, runs)

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
    await goes(options, runs)
  })
}

test('with an in-memory store the log alone carries everything', () =>
  goes({ store: 'in-memory', tierBytesMax: 400 }, 30))
