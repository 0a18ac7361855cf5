import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTANTS } from '../../prove/mutants.js'
import { type PowerResult, provePower } from '../../prove/power.js'

const SEED = 7
const STATES = 1500

test('whatever a power cut leaves, every promise is kept', async () => {
  const result = await provePower({ states: STATES, seed: SEED })

  assert.equal(describe(result), '')
  assert.ok(result.states >= STATES, `${result.states} states`)
  assert.ok(result.compound >= STATES / 10, `${result.compound} states after crashes of a recovery or after it`)
  assert.ok(result.moments >= 100 && result.writes >= 50, `${result.moments} moments, ${result.writes} writes`)
})

for (const [name, { what }] of Object.entries(MUTANTS)) {
  test(`the mistake "${name}" is found: ${what}`, async () => {
    const result = await provePower({ states: 3000, seed: SEED, mutant: name })

    assert.ok(result.failures.length > 0, `not found with seed ${SEED} in ${result.states} states`)
  })
}

function describe({ failures }: PowerResult): string {
  return failures
    .slice(0, 3)
    .map(({ seed, before, crash, broken }) => `${broken}\n  seed ${seed}, before ${before}; left: ${crash}`)
    .join('\n')
}
