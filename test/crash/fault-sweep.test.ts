// Every file call of a small program fails, in every way, once or for good: nothing that was acknowledged is lost, every
// error is one of ours, and nothing hangs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inThread } from '../in-thread.js'
import type { sweepCalls } from './fault-sweep.js'

const SWEEP = new URL('./fault-sweep.js', import.meta.url)

for (const error of ['EIO', 'ENOSPC', 'short'] as const) {
  for (const sticky of [false, true]) {
    test(`each file call of a program fails ${sticky ? 'for good' : 'once'} with ${error}: nothing acknowledged is lost`, async () => {
      const calls = await inThread<typeof sweepCalls>(SWEEP, 'sweepCalls', error, sticky)

      assert.ok(calls > 100)
    })
  }
}
