import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { memoryLayers } from '../../src/index.js'
import { openOn, simulated } from '../engine/simulated.js'

const DAY_MS = 86_400_000

test('each layer is as durable as its table says, across a power cut, and expires when it says', async () => {
  const { memory, disk, clock } = await simulated()
  const reached: Record<string, string> = {}
  for (const [layer, options] of Object.entries(memoryLayers)) {
    reached[layer] = (await memory.map(layer, options).set('k', layer)).reached
  }
  assert.deepEqual(reached, { working: 'tier', episodic: 'log', semantic: 'store', procedural: 'store' })
  await memory.map('working').set('k', 'lost')

  const again = await openOn(disk.crash(Math.random, { kind: 'nothing' }), { clock })
  const values = () => Promise.all(Object.keys(memoryLayers).map(layer => again.map(layer).get('k')))
  // Group commits have taken the first write-back along.
  assert.deepEqual(await values(), ['working', 'episodic', 'semantic', 'procedural'])
  clock.advance(DAY_MS - 1)
  assert.deepEqual(await values(), ['working', 'episodic', 'semantic', 'procedural'])
  clock.advance(1)
  assert.deepEqual(await values(), [undefined, 'episodic', 'semantic', 'procedural'])
  clock.setWall(clock.wallMs() + 89 * DAY_MS)
  assert.deepEqual(await values(), [undefined, undefined, 'semantic', 'procedural'])
  clock.setWall(clock.wallMs() + 100_000 * DAY_MS)
  assert.deepEqual(await values(), [undefined, undefined, 'semantic', 'procedural'])
  await Promise.all([memory.close(), again.close()])
})

test('a layer can be changed by spreading it, and not otherwise', async () => {
  const { memory } = await simulated()
  const map = memory.map('notes', { ...memoryLayers.working, ttlMs: 5, maxLoss: { writes: 1 } })

  assert.deepEqual([(await map.set('a', 1)).reached, (await map.set('b', 2)).reached], ['tier', 'log'])
  assert.ok(Object.values(memoryLayers).every(Object.isFrozen) && Object.isFrozen(memoryLayers))
  await memory.close()
})

test('the table of the documents is that of the code', () => {
  const text = readFileSync(new URL('../../../docs/durability.md', import.meta.url), 'utf8')
  for (const [layer, { durability, ttlMs }] of Object.entries(memoryLayers)) {
    const days = ttlMs === undefined ? 'never' : `after ${ttlMs / DAY_MS} days?`
    assert.match(text, new RegExp(`\\| \`${layer}\` \\|[^|]*\\| ${durability} \\|[^|]*\\| ${days} \\|`))
  }
})
