import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveOutage } from '../../prove/outage.js'
import { skip } from './helpers.js'

test('a server that is stopped, killed and held up under writers, and they too, loses nothing acknowledged', {
  skip,
}, async () => {
  const { failures, counts } = await proveOutage(1)

  assert.deepEqual(failures, [])
  assert.equal(counts.outages, 4)
  // What waits for the disk of this machine only goes on.
  assert.ok(counts['during, too']! > 0 && counts.during! > 0, JSON.stringify(counts))
})
