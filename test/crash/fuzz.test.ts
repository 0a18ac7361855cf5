import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveFuzz } from '../../prove/fuzz.js'

const SEED = 7
const RUNS = 1500

test('whatever bytes a log or a value has, it is read right, or an error of ours comes soon', async () => {
  const { failures, counts } = await proveFuzz({ runs: RUNS, seed: SEED })

  assert.deepEqual(failures, [], `seed ${SEED}`)
  assert.equal(counts['damaged logs'], RUNS)
  assert.ok(counts['refused logs']! > RUNS / 2 && counts['logs that end early, as if cut short']! > 10)
})
