// The suite that Keyv publishes for its stores, run against the adapter at each durability.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { doorOf, runOutside } from './outside.js'

interface Report {
  testResults: { assertionResults: { fullName: string; status: string; failureMessages: string[] }[] }[]
}

test('the suite of Keyv passes at each durability, and nothing of it is skipped', async () => {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=json', 'keyv-suite.test.mjs']
  const output = await runOutside(args, { HOLDFAST_DOOR: doorOf('keyv') })
  const line = output.match(/^\{"numTotalTestSuites".*\}$/m)?.[0]
  assert.ok(line !== undefined, output)
  const results = (JSON.parse(line) as Report).testResults.flatMap(file => file.assertionResults)
  const failed = results.filter(result => result.status !== 'passed')
  assert.deepEqual(failed, [])
  for (const durability of ['write-back', 'write-ahead', 'write-through']) {
    assert.equal(results.filter(result => result.fullName.startsWith(`${durability} `)).length, 42, durability)
  }
})
