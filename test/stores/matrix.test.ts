// A sample of `npm run prove -- stores`: what a memory promises, over every store that there is. The store suites are run by
// the tests of each store.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveStores } from '../../prove/matrix.js'
import { STORES } from '../../prove/stores.js'

for (const store of STORES) {
  test(`over ${store}, a memory keeps what it promises of every durability`, async t => {
    const { failures, fields } = await proveStores({ stores: [store], withoutSuite: true })

    assert.deepEqual(failures, [])
    assert.equal(fields.length, 3)
    const notRun = fields.find(field => field.notRun)?.notRun
    if (notRun !== undefined) return t.skip(notRun)
    for (const { passed, of } of fields) assert.ok(passed >= 14, `${passed} cases of ${of}`)
  })
}

test('the store suite runs without a runner of tests, and each of its cases is counted', async () => {
  const { fields, counts, failures } = await proveStores({ stores: ['in-memory'], durabilities: [] })

  assert.deepEqual(failures, [])
  assert.equal(fields.length, 1)
  assert.ok(counts['cases of the store suite']! > 25, JSON.stringify(counts))
})
