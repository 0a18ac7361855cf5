// The suites that LangGraph publishes for its checkpointers, run against the adapter at each durability.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { doorOf, runOutside } from './outside.js'

interface Report {
  testResults: { assertionResults: { fullName: string; status: string; failureMessages: string[] }[] }[]
}

test('the suites of LangGraph pass at each durability, and nothing of them is skipped', async () => {
  const files = ['langgraph-suite.test.mjs']
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--globals', '--reporter=json', ...files]
  const output = await runOutside(args, { HOLDFAST_DOOR: doorOf('langgraph') })
  const line = output.match(/^\{"numTotalTestSuites".*\}$/m)?.[0]
  assert.ok(line !== undefined, output)
  const results = (JSON.parse(line) as Report).testResults.flatMap(file => file.assertionResults)
  const failed = results.filter(result => result.status !== 'passed')
  assert.deepEqual(failed, [])
  for (const durability of ['write-back', 'write-ahead', 'write-through']) {
    assert.equal(results.filter(result => result.fullName.startsWith(`${durability} `)).length, 726, durability)
  }
})
