import assert from 'node:assert/strict'
import { mkdirSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import type { Measured } from '../../src/cli/measure/slices.js'
import { jsonOf, newPath } from './helpers.js'

test('bench measures every durability, reads and the bare disk side by side, and leaves no trace', async t => {
  const folder = newPath(t)
  mkdirSync(folder)

  const { code, json } = await jsonOf('bench', folder)

  const { ok, measured } = json as unknown as { ok: boolean; measured: Measured[] }
  assert.equal(code, 0)
  assert.equal(ok, true)
  assert.deepEqual(
    measured.map(({ name, writers }) => `${name} by ${writers}`),
    [
      'bare write + fdatasync by 1',
      ...['write-back', 'write-ahead', 'write-through'].flatMap(durability =>
        [1, 64, 256].map(writers => `set, ${durability} by ${writers}`),
      ),
      'get, held in RAM by 1',
      'get, from the store by 1',
      'scan of 5,000 entries by 1',
    ],
  )
  for (const { name, latencyUs, perSecond } of measured) {
    for (const { count, min, median, max } of [latencyUs, perSecond]) {
      assert.ok(count > 0 && min > 0 && min <= median && median <= max, name)
    }
  }
  assert.deepEqual(readdirSync(folder), [])
})
