// A sample of the laboratory over a store of files: power cuts, processes that are killed, and file calls that fail.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveFaults } from '../../prove/faults.js'
import { proveKill } from '../../prove/kill.js'
import type { PowerOptions, provePower } from '../../prove/power.js'
import { inThread } from '../in-thread.js'

const SEED = 5

test('over files, whatever a power cut leaves, every promise is kept', async () => {
  const power = new URL('../../prove/power.js', import.meta.url)
  const options: PowerOptions = { states: 200, seed: SEED, store: 'files' }
  const { failures, counts } = await inThread<typeof provePower>(power, 'provePower', options)

  assert.equal(failures.map(({ what, replay }) => `${what}\n  again: ${replay}`).join('\n'), '')
  assert.ok(counts['different disks']! >= 200 && counts['of them crashed again']! >= 10, JSON.stringify(counts))
})

test('over files, processes that are killed while they write break no promise', async () => {
  const { failures, acknowledged } = await proveKill({ lives: 6, seed: SEED, store: 'files' })

  assert.deepEqual(failures, [], `seed ${SEED}`)
  assert.ok(acknowledged > 0)
})

test('over files, whatever file call of a process fails, nothing acknowledged is lost', async t => {
  const { counts, failures, notRun } = await proveFaults({ seed: SEED, every: 397, store: 'files' })
  if (notRun !== undefined) return t.skip(notRun)

  assert.deepEqual(failures, [])
  assert.ok(counts.runs! >= 15 && counts.acknowledged! > 100, JSON.stringify(counts))
})
