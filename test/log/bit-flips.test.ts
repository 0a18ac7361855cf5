import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inThread } from '../in-thread.js'
import type { flipBitsOf } from './bit-flips.js'

const flipped = (options: Parameters<typeof flipBitsOf>[0]) =>
  inThread<typeof flipBitsOf>(new URL('./bit-flips.js', import.meta.url), 'flipBitsOf', options)

test('no single flipped bit of a log serves a wrong record, or drops one without a word', async t => {
  const outcomes = await flipped({ isClosed: false, segmentBytes: 5 * 4096, segments: 1 })

  t.diagnostic(JSON.stringify([...outcomes]))
  assert.ok((outcomes.get('refused') ?? 0) > 3 * 96 * 8)
})

test('the same for a log that was closed, and for a full segment before the last one', async t => {
  const closed = await flipped({ isClosed: true, segmentBytes: 5 * 4096, segments: 1 })
  t.diagnostic(JSON.stringify([...closed]))

  const rotated = await flipped({ isClosed: false, segmentBytes: 3 * 4096, segments: 2 })
  t.diagnostic(JSON.stringify([...rotated]))
})
