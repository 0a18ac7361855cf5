import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inThread } from './in-thread.js'
import type * as deeds from './in-thread-deeds.js'

const DEEDS = new URL('./in-thread-deeds.js', import.meta.url)

test('what a function gives in a thread comes back, whole', async () => {
  const given = { counts: new Map([['a', 1]]), bytes: new Uint8Array([1, 2]), missing: undefined }

  assert.deepEqual(await inThread<typeof deeds.give>(DEEDS, 'give', given), given)
})

test('a check that fails in a thread fails the test, with its message', async () => {
  await assert.rejects(inThread<typeof deeds.fail>(DEEDS, 'fail', 'seed 7'), /seed 7/)
})

test('so does a promise that is rejected behind the result, and one that never settles', async () => {
  await assert.rejects(inThread<typeof deeds.failLater>(DEEDS, 'failLater'), /nobody waits for it/)
  await assert.rejects(inThread<typeof deeds.hang>(DEEDS, 'hang'), /hang has ended its thread with code 13/)
})
