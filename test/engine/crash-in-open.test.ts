import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashStates } from '../../src/testing/crash-states.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { contentOf, openOn, simulated } from './simulated.js'

test('the power may go at any call of the first open: the next one always works', async t => {
  const disk = new SimulatedDisk()
  const moments: SimulatedDisk[] = []
  disk.onCall = () => void moments.push(disk.clone())
  const memory = await openOn(disk)
  await memory.map('m').set('k', 1)
  disk.onCall = undefined

  let states = 0
  for (const [index, moment] of moments.entries()) {
    for (const state of crashStates(moment, { random: seededRandom(index), count: 24 })) {
      const where = `call ${index}, ${JSON.stringify(state.choice)}`
      const reopened = await openOn(state.disk).catch((error: unknown) => assert.fail(`${where}: ${String(error)}`))
      const found = await reopened.map('m').get('k')
      assert.ok(found === undefined || found === 1, where)
      await reopened.map('m').set('k', 2)
      states += 1
    }
  }
  t.diagnostic(`${moments.length} calls, ${states} states`)
})

test('the power may go at any call of a recovery, and again in the next one: nothing synced is lost', async t => {
  const { disk: source, memory } = await simulated()
  const map = memory.map<number | string>('m')
  for (let index = 0; index < 20; index++) await map.set(`k${index}`, index)
  await map.set('long', 'x'.repeat(9000))
  // The last frame is in the page cache only: a killed process leaves it so.
  source.faults.add({ at: { kind: 'dataSync' }, error: 'lie' })
  await map.set('unsynced', 1)
  const expected = await contentOf(map)
  const { unsynced: _unsynced, ...synced } = expected

  const disk = source.clone()
  const moments: { disk: SimulatedDisk; isServing: boolean }[] = []
  let isServing = false
  disk.onCall = () => void moments.push({ disk: disk.clone(), isServing })
  const reopened = await openOn(disk)
  isServing = true
  assert.deepEqual(await contentOf(reopened.map('m')), expected)
  moments.push({ disk: disk.clone(), isServing })

  let states = 0
  for (const [index, moment] of moments.entries()) {
    for (const state of crashStates(moment.disk, { random: seededRandom(index), count: 12 })) {
      const where = `call ${index}, ${JSON.stringify(state.choice)}`
      const again = await openOn(state.disk).catch((error: unknown) => assert.fail(`${where}: ${String(error)}`))
      const content = await contentOf(again.map('m'))
      // What a recovery has served must be there ever after.
      if (moment.isServing || 'unsynced' in content) assert.deepEqual(content, expected, where)
      else assert.deepEqual(content, synced, where)
      const third = await openOn(state.disk.crash(seededRandom(index), { kind: 'nothing' }))
      assert.deepEqual(await contentOf(third.map('m')), content, `${where}, and again`)
      states += 1
    }
  }
  t.diagnostic(`${moments.length} calls, ${states} states`)
})

test('the power may go at any call of a close', async t => {
  const { disk, memory } = await simulated()
  const map = memory.map<number>('m', { durability: 'write-back' })
  for (let index = 0; index < 30; index++) await map.set(`k${index}`, index)
  await memory.flush()
  const moments: SimulatedDisk[] = []
  disk.onCall = () => void moments.push(disk.clone())
  await memory.close()
  moments.push(disk.clone())

  for (const [index, moment] of moments.entries()) {
    for (const state of crashStates(moment, { random: seededRandom(index), count: 12 })) {
      const reopened = await openOn(state.disk)
      assert.equal(Object.keys(await contentOf(reopened.map('m'))).length, 30, `call ${index}`)
    }
  }
  t.diagnostic(`${moments.length} calls`)
})

test('an in-memory store takes everything from the log again at every open', async () => {
  const { disk, memory } = await simulated({ store: 'in-memory' })
  const map = memory.map<number>('m')
  for (let index = 0; index < 40; index++) await map.set(`k${index % 7}`, index)
  await map.delete('k3')
  await memory.checkpoint()
  const content = await contentOf(map)
  await memory.close()

  for (let round = 0; round < 3; round++) {
    const reopened = await openOn(disk, { store: 'in-memory', tierBytesMax: round === 1 ? 0 : 1 << 20 })
    assert.deepEqual(await contentOf(reopened.map('m')), content)
    if (round === 1) await reopened.checkpoint()
    assert.deepEqual(await contentOf(reopened.map('m')), content)
    await reopened.close()
  }
})
