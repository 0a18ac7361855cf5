import { test } from 'node:test'
import type { AgentMemoryOptions } from '../../src/index.js'
import { inThread } from '../in-thread.js'
import type { listsGoAsArrays } from './lists-sequences.js'

const SEQUENCES = new URL('./lists-sequences.js', import.meta.url)

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
    await inThread<typeof listsGoAsArrays>(SEQUENCES, 'listsGoAsArrays', options, runs)
  })
}
