import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FlipOptions, type proveFlip, QUICK } from '../../prove/flip.js'
import { inThread } from '../in-thread.js'

const proved = (options: FlipOptions) =>
  inThread<typeof proveFlip>(new URL('../../prove/flip.js', import.meta.url), 'proveFlip', options)

test('no flipped bit of a log or of a folder brings a wrong value or loses one without a word', async () => {
  const { failures, counts } = await proved(QUICK)

  assert.equal(failures.map(({ what, replay }) => `${what}\n  again: ${replay}`).join('\n'), '')
  assert.ok(counts['bits of logs refused']! > 1000 && counts['bits of folders refused at open']! > 10)
})

test('one bit that is named is flipped, and nothing else', async () => {
  const only = { reference: 'folder', file: 'store/CURRENT', bit: 3 }
  const { failures, counts } = await proved({ ...QUICK, only })

  assert.deepEqual(failures, [])
  assert.equal(counts['bits of folders'], 1)
  assert.equal(counts['bits of folders refused at open'], 1)
  assert.equal(counts['bits of folders named by verify'], 1)
})
