// A sample of the laboratory over SQLite: processes that are killed, and file calls that fail.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveFaults } from '../../prove/faults.js'
import { proveKill } from '../../prove/kill.js'

const SEED = 5

test('over SQLite, processes that are killed while they write break no promise', async () => {
  const { failures, acknowledged } = await proveKill({ lives: 8, seed: SEED, store: 'sqlite' })

  assert.deepEqual(failures, [], `seed ${SEED}`)
  assert.ok(acknowledged > 0)
})

test('over SQLite, whatever file call of a process fails, nothing acknowledged is lost', async t => {
  const { counts, failures, notRun } = await proveFaults({ seed: SEED, every: 101, store: 'sqlite' })
  if (notRun !== undefined) return t.skip(notRun)

  assert.deepEqual(failures, [])
  assert.ok(counts.runs! >= 15 && counts.acknowledged! > 100, JSON.stringify(counts))
})
