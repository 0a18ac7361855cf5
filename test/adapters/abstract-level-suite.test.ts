// The suite that abstract-level publishes for databases, run against the adapter at each durability.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { doorOf, runOutside } from './outside.js'

/** How many tests of the suite are for what the adapter does not claim. docs/adapters.md says why for each. */
const NOT_CLAIMED = {
  createIfMissing: 2,
  errorIfExists: 1,
  explicitSnapshots: 84,
  getSync: 26,
  implicitSnapshots: 38,
  signals: 36,
}
const TESTS = 1322
const ASSERTIONS = 4296

describe('the suite of abstract-level', { concurrency: true }, () => {
  for (const durability of ['write-back', 'write-ahead', 'write-through']) {
    test(`passes with ${durability}, and leaves out only what the adapter does not claim`, async () => {
      const output = await runOutside(['level-suite.mjs', doorOf('abstract-level'), durability])
      assert.doesNotMatch(output, /^not ok /m, failures(output))
      assert.equal(output.match(/^ok /gm)?.length, ASSERTIONS, output.slice(-2000))
      assert.doesNotMatch(output, /^ok .*# (SKIP|TODO)/m)
      const report = JSON.parse(output.match(/^\{.*\}$/m)?.[0] ?? '{}')
      assert.equal(report.tests, TESTS)
      assert.deepEqual(report.notClaimed, NOT_CLAIMED)
      assert.deepEqual({ ...report.closed, inStore: 0 }, { inStore: 0, inLog: 0, inDoubt: 0, lost: 0 })
    })
  }
})

function failures(tap: string): string {
  return tap
    .split(/^(?=ok |not ok |# )/m)
    .filter(block => block.startsWith('not ok '))
    .slice(0, 5)
    .join('')
}
