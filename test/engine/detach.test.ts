// A clean close detaches the log from a store that other folders reach: one of them may go on. Nothing is ever there twice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'
import { crashStates } from '../../src/testing/crash-states.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { newRefusals, refusing } from './refusing-store.js'
import { sharedStore } from './shared-store.js'
import { contentOf } from './simulated.js'

function open(disk: SimulatedDisk, folder: string, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
  const clock = new ManualClock()
  return AgentMemory.open(folder, {
    fileSystem: disk,
    clock,
    store: sharedStore(disk),
    segmentBytesMax: 64 * 1024,
    ...options,
  })
}

async function written(disk: SimulatedDisk, folder: string, content: Record<string, number>): Promise<number> {
  const memory = await open(disk, folder)
  let newest = 0
  for (const [key, value] of Object.entries(content)) newest = (await memory.map('m').set(key, value)).lsn
  await memory.close()
  return newest
}

const contentAt = async (disk: SimulatedDisk, folder: string) => {
  const memory = await open(disk, folder)
  const content = await contentOf(memory.map('m'))
  await memory.close()
  return content
}

test('after a clean close another folder goes on, with everything, under versions that rise', async () => {
  const disk = new SimulatedDisk()
  const last = await written(disk, '/a', { x: 1, y: 2 })

  const memory = await open(disk, '/b')
  const map = memory.map<number>('m')
  assert.deepEqual(await contentOf(map), { x: 1, y: 2 })
  const { version } = (await map.getEntry('y'))!
  assert.equal(version, last)
  const { lsn } = await map.set('y', 3, { expected: version })
  assert.ok(lsn > last, 'no LSN is given twice')
  assert.equal(memory.status().recovery.created, false)
  await memory.close()

  assert.deepEqual(await contentAt(disk, '/c'), { x: 1, y: 3 })
})

test('the same folder goes on after its clean close, again and again', async () => {
  const disk = new SimulatedDisk()
  let last = 0
  for (let n = 1; n <= 4; n++) {
    const lsn = await written(disk, '/a', { x: n })
    assert.ok(lsn > last)
    last = lsn
    assert.deepEqual(await contentAt(disk, '/a'), { x: n }, 'nor does a close without a write harm')
  }
})

for (const how of ['wrote and closed', 'wrote and was killed', 'only opened', 'has it open'] as const) {
  test(`the folder that had the store before another one ${how} is refused, and changes nothing`, async () => {
    const disk = new SimulatedDisk()
    await written(disk, '/a', { x: 1 })
    const memory = await open(disk, '/b')
    if (how !== 'only opened') await memory.map('m').set('x', 2, { durability: 'write-through' })
    if (how === 'wrote and closed' || how === 'only opened') await memory.close()
    const now = how === 'wrote and was killed' ? disk.crash(seededRandom(1), { kind: 'nothing' }) : disk

    await assert.rejects(open(now, '/a'), { code: 'WRONG_STORE', message: /another owner since.*epoch 2, ours 1/ })
    await assert.rejects(open(now, '/a', { onLogLost: 'proceed' }), { code: 'WRONG_STORE' })

    if (how === 'has it open') await memory.map('m').set('x', 2, { durability: 'write-through' })
    if (how === 'has it open') await memory.close()
    assert.deepEqual(await contentAt(now, '/b'), { x: how === 'only opened' ? 1 : 2 })
  })
}

test('a killed owner, and one whose store was down at its close, stay attached: another folder is LOG_LOST', async () => {
  const disk = new SimulatedDisk()
  const state = { isGone: false }
  const memory = await open(disk, '/a', { store: sharedStore(disk, state) })
  const map = memory.map<number>('m')
  await map.set('x', 1, { durability: 'write-through' })
  await map.set('x', 2)
  const killed = disk.clone()
  await assert.rejects(open(killed, '/b'), { code: 'LOG_LOST' })
  assert.deepEqual(await contentAt(killed, '/a'), { x: 2 })

  state.isGone = true
  await memory.close()
  await assert.rejects(open(disk, '/b'), { code: 'LOG_LOST' })
  assert.deepEqual(await contentAt(disk, '/a'), { x: 2 })
  assert.deepEqual(await contentAt(disk, '/b'), { x: 2 })
})

test('a log that is thrown away after a clean close is not missed', async () => {
  const disk = new SimulatedDisk()
  const last = await written(disk, '/a', { x: 1 })
  for (const name of await disk.list('/a/log')) await disk.unlink(`/a/log/${name}`)
  await disk.syncFolder('/a/log')
  const memory = await open(disk, '/a')
  assert.deepEqual(await contentOf(memory.map('m')), { x: 1 })
  assert.ok((await memory.map('m').set('x', 2)).lsn > last)
  await memory.close()
})

test('dead letters go along', async () => {
  const disk = new SimulatedDisk()
  const refusals = newRefusals('bad')
  const strict = refusing(sharedStore(disk), refusals)
  const memory = await open(disk, '/a', { store: strict })
  await memory.map('m').set('bad', 1)
  await memory.map('m').set('good', 1)
  await memory.close()

  const next = await open(disk, '/b')
  assert.equal(next.deadLetters.list().length, 1)
  assert.deepEqual(await contentOf(next.map('m')), { bad: 1, good: 1 })
  await next.deadLetters.replay()
  await next.close()
  assert.deepEqual(await contentAt(disk, '/c'), { bad: 1, good: 1 })
})

test('the power may go at any call of the close that detaches: one folder can go on, and nothing is lost', async t => {
  const disk = new SimulatedDisk()
  const memory = await open(disk, '/a')
  await memory.map('m').set('x', 1)
  await memory.map('m').set('y', 2, { durability: 'write-back' })
  await memory.flush()
  const moments: SimulatedDisk[] = []
  disk.onCall = () => void moments.push(disk.clone())
  await memory.close()
  moments.push(disk.clone())
  disk.onCall = undefined

  const counts = { states: 0, detached: 0 }
  for (const [index, moment] of moments.entries()) {
    for (const { disk: state } of crashStates(moment, { random: seededRandom(index), count: 2 })) {
      counts.states += 1
      assert.deepEqual(await contentAt(state.clone(), '/a'), { x: 1, y: 2 }, `call ${index}: its own folder`)
      const other = await open(state, '/b').catch((error: { code: string }) => error.code)
      if (typeof other === 'string') {
        assert.equal(other, 'LOG_LOST', `call ${index}`)
        assert.deepEqual(await contentAt(state, '/a'), { x: 1, y: 2 }, `call ${index}: after the other was refused`)
        continue
      }
      counts.detached += 1
      assert.deepEqual(await contentOf(other.map('m')), { x: 1, y: 2 }, `call ${index}: the other folder`)
      await other.map('m').set('x', 3, { durability: 'write-through' })
      await assert.rejects(open(state.clone(), '/a'), { code: 'WRONG_STORE' }, `call ${index}: the old folder`)
      await other.close()
    }
  }
  t.diagnostic(`${moments.length} calls, ${counts.states} states, ${counts.detached} of them detached`)
  assert.ok(counts.detached > 0 && counts.detached < counts.states)
})

test('the power may go at any call of a takeover: it can be begun again, or the old folder goes on, and never both', async t => {
  const disk = new SimulatedDisk()
  await written(disk, '/a', { x: 1 })
  const moments: SimulatedDisk[] = []
  disk.onCall = () => void moments.push(disk.clone())
  const memory = await open(disk, '/b')
  moments.push(disk.clone())
  disk.onCall = undefined
  await memory.close()

  const counts = { states: 0, old: 0 }
  for (const [index, moment] of moments.entries()) {
    if (index % 2 === 1) continue
    for (const { disk: state } of crashStates(moment, { random: seededRandom(index), count: 2 })) {
      counts.states += 1
      const where = `call ${index}`
      const taken = state.clone()
      const other = await open(taken, '/b')
      assert.deepEqual(await contentOf(other.map('m')), { x: 1 }, where)
      await other.map('m').set('x', 2, { durability: 'write-through' })
      await assert.rejects(open(taken.clone(), '/a'), { code: 'WRONG_STORE' }, where)

      const old = await open(state, '/a').catch((error: { code: string }) => error.code)
      if (old === 'WRONG_STORE') continue
      assert.ok(typeof old !== 'string', `${where}: ${old}`)
      counts.old += 1
      await old.map('m').set('x', 4, { durability: 'write-through' })
      await assert.rejects(open(state.clone(), '/b'), { code: /LOG_LOST|WRONG_STORE/ }, where)
      await old.close()
    }
  }
  t.diagnostic(`${moments.length} calls, ${counts.states} states, ${counts.old} of which the old folder can go on with`)
  assert.ok(counts.old > 0 && counts.old < counts.states)
})
