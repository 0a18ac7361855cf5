import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ACTS, proveOutage } from '../../prove/outage.js'
import { skip } from './helpers.js'

test('a server that is stopped, held up and killed under writers, and they too, loses nothing acknowledged', {
  skip,
}, async () => {
  const { failures, acts } = await proveOutage({ seconds: 1, writers: 3 })

  assert.deepEqual(failures, [])
  assert.deepEqual(
    acts.map(({ act }) => act),
    Object.keys(ACTS),
  )
  for (const { during, drained } of acts) {
    // What waits for the disk of this machine only goes on.
    assert.ok(during['write-ahead'].writes > 0 && during['write-back'].writes > 0)
    assert.ok(drained.entries > 0)
  }
})

test('an acknowledged entry that is taken out of the database is told', { skip }, async () => {
  const { failures } = await proveOutage({ seconds: 1, writers: 2, acts: ['killed'], plant: true })

  assert.match(failures.map(({ what }) => what).join('\n'), /killed: lane \d+ .* lost/)
})
