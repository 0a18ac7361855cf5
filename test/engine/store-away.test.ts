// A memory that has its log opens while its store is away. It matches the store when that is back, before it gives it anything.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory, type AgentMemoryOptions, type UnsettledWriteError } from '../../src/index.js'
import { crashStates } from '../../src/testing/crash-states.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { newRefusals, refusing } from './refusing-store.js'
import { sharedStore } from './shared-store.js'
import { contentOf, turns, until } from './simulated.js'

class Site {
  disk = new SimulatedDisk()
  readonly clock = new ManualClock()
  readonly state = { isGone: false }

  open(folder: string, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
    return AgentMemory.open(folder, {
      fileSystem: this.disk,
      clock: this.clock,
      store: sharedStore(this.disk, this.state),
      segmentBytesMax: 64 * 1024,
      ...options,
    })
  }

  cutPower(): void {
    this.disk = this.disk.crash(seededRandom(1), { kind: 'nothing' })
  }

  /** Lets the store come back; returns whether the memory has taken it. */
  async comeBack(memory: AgentMemory): Promise<boolean> {
    this.state.isGone = false
    for (let round = 0; round < 60 && memory.status().store.state === 'down'; round++) {
      this.clock.advance(500)
      await turns(10)
    }
    return memory.status().store.state === 'up'
  }
}

/** A memory that was killed with some writes in the store and one in the log only; its store is away. */
async function killed(): Promise<Site> {
  const site = new Site()
  const memory = await site.open('/a')
  await memory.map('m').set('old', 1, { durability: 'write-through' })
  site.state.isGone = true
  await memory.map('m').set('new', 2)
  site.cutPower()
  return site
}

test('it opens from the log: writes go on, reads of what only the store has say so, and all arrives when it is back', async () => {
  const site = await killed()

  const memory = await site.open('/a')
  const map = memory.map<number>('m')
  const events: string[] = []
  memory.on('storeDown', ({ error }) => events.push(error.message))
  memory.on('storeUp', () => events.push('up'))
  await until(() => events.length === 1, 'the word that it is down')
  assert.match(events[0]!, /connection refused/)
  assert.equal(await map.get('new'), 2)
  await assert.rejects(map.get('elsewhere'), { code: 'STORE_DOWN' })
  await assert.rejects(contentOf(map), { code: 'STORE_DOWN' })
  await assert.rejects(map.set('elsewhere', 1, { expected: null }), { code: 'STORE_DOWN' })
  assert.equal((await map.set('ahead', 3)).reached, 'log')
  assert.equal((await map.set('back', 4, { durability: 'write-back' })).reached, 'tier')
  await map.update('new', n => n + 10)
  const through = map.set('through', 5, { durability: 'write-through' }).catch((error: unknown) => error)
  await turns(5)
  site.clock.advance(10_000)
  const behind = (await through) as UnsettledWriteError
  assert.deepEqual([behind.code, behind.reached], ['STORE_BEHIND', 'log'])
  assert.equal(await memory.checkpoint().catch(({ code }) => code), 'STORE_DOWN')

  assert.equal(await site.comeBack(memory), true)
  await memory.checkpoint()

  assert.equal(await behind.settled(), 'kept')
  assert.equal(events.at(-1), 'up')
  const content = { ahead: 3, back: 4, new: 12, old: 1, through: 5 }
  assert.deepEqual(await contentOf(map), content)
  assert.equal(memory.status().pending.entries, 0)
  await memory.close()
  const other = await site.open('/b')
  assert.deepEqual(await contentOf(other.map('m')), content, 'and is detached by a clean close')
  await other.close()
})

test('opened so and killed, again and again, it keeps everything, and goes on with its store', async () => {
  const site = await killed()
  for (let n = 0; n < 3; n++) {
    const memory = await site.open('/a')
    assert.equal(await memory.map('m').get('new'), 2)
    await memory.map('m').set(`k${n}`, n)
    if (n === 1) await memory.close()
    site.cutPower()
  }
  site.state.isGone = false
  const memory = await site.open('/a')
  assert.deepEqual(await contentOf(memory.map('m')), { old: 1, new: 2, k0: 0, k1: 1, k2: 2 })
  await memory.map('m').set('new', 3)
  await memory.close()
  const again = await site.open('/a')
  assert.equal(await again.map('m').get('new'), 3)
  await again.close()
})

test('a folder without a log does not open, and says that it needs the store', async () => {
  const site = new Site()
  site.state.isGone = true
  await assert.rejects(site.open('/a'), {
    code: 'STORE_DOWN',
    message: /no log of it yet.*Open it again once the store/,
  })
  site.state.isGone = false
  const memory = await site.open('/a')
  await memory.close()
  const broken = { ...sharedStore(site.disk, site.state), open: () => Promise.reject(new Error('no such user')) }
  await assert.rejects(site.open('/a', { store: broken }), /no such user/, 'what is no outage is told at once')
})

test('a store that another folder has had meanwhile is not taken: nothing of either is changed', async () => {
  const site = new Site()
  const first = await site.open('/a')
  await first.map('m').set('x', 1)
  await first.close()
  const other = await site.open('/b')
  await other.map('m').set('x', 2)
  await other.close()
  site.state.isGone = true

  const memory = await site.open('/a')
  const told: string[] = []
  memory.on('storeDown', ({ error }) => told.push(error.message))
  await memory.map('m').set('x', 3)
  assert.equal(await site.comeBack(memory), false)

  assert.match(told.at(-1)!, /another owner since/)
  assert.equal(told.length, 2, 'told once')
  assert.match(memory.status().store.error!, /another owner since/)
  const report = await memory.close()
  assert.equal(report.inLog, 1)
  await assert.rejects(site.open('/a'), { code: 'WRONG_STORE' })
  const again = await site.open('/b')
  assert.deepEqual(await contentOf(again.map('m')), { x: 2 })
  await again.close()
})

test('an older copy of the store is not taken', async () => {
  const site = new Site()
  const memory = await site.open('/a')
  await memory.map('m').set('x', 1, { durability: 'write-through' })
  const file = await site.disk.open('/store/journal', 'read')
  const older = Buffer.alloc(await file.size())
  await file.read(older, 0)
  await file.close()
  await memory.map('m').set('x', 2, { durability: 'write-through' })
  await memory.close()
  site.state.isGone = true
  const again = await site.open('/a')
  const copy = await site.disk.open('/store/journal', 'write')
  await copy.truncate(0)
  await copy.write(older, 0)
  await copy.sync()
  await copy.close()

  assert.equal(await site.comeBack(again), false)
  assert.match(again.status().store.error!, /older copy/)
  await again.close()
})

test('what it has refused is known again when it is back, told once, and what was discarded stays so', async () => {
  const site = new Site()
  const refusals = newRefusals('bad', 'worse')
  const open = () => site.open('/a', { store: refusing(sharedStore(site.disk, site.state), refusals) })
  const first = await open()
  await first.map('m').set('bad', 1)
  await first.map('m').set('worse', 1)
  await first.checkpoint()
  await first.deadLetters.discard(first.deadLetters.list()[1]!.id)
  site.state.isGone = true
  site.cutPower()

  const memory = await open()
  const letters: unknown[] = []
  memory.on('deadLetter', letter => letters.push(letter))
  assert.equal(await site.comeBack(memory), true)

  assert.deepEqual(letters, [])
  assert.deepEqual(await contentOf(memory.map('m')), { bad: 1 })
  assert.equal(await memory.map('m').get('worse'), undefined)
  assert.equal(memory.deadLetters.list().length, 1)
  refusals.keys.clear()
  assert.deepEqual(await memory.deadLetters.replay(), { replayed: 1, refused: [] })
  await memory.close()
})

test('the power may go at any call of such an open and of what follows: nothing acknowledged is lost', async t => {
  const site = await killed()
  const moments: { disk: SimulatedDisk; acknowledged: Record<string, number> }[] = []
  const acknowledged: Record<string, number> = { old: 1, new: 2 }
  site.disk.onCall = () => void moments.push({ disk: site.disk.clone(), acknowledged: { ...acknowledged } })
  const memory = await site.open('/a')
  await memory.map('m').set('later', 3)
  acknowledged.later = 3
  await site.comeBack(memory)
  await memory.checkpoint()
  site.disk.onCall = undefined

  let states = 0
  for (const [index, moment] of moments.entries()) {
    if (index % 3 !== 0) continue
    for (const { disk } of crashStates(moment.disk, { random: seededRandom(index), count: 2 })) {
      const after = new Site()
      after.disk = disk
      after.state.isGone = index % 2 === 0
      const reopened = await after.open('/a')
      if (after.state.isGone) assert.equal(await after.comeBack(reopened), true, `call ${index}`)
      const { later, ...rest } = await contentOf(reopened.map<number>('m'))
      assert.deepEqual(rest, { old: 1, new: 2 }, `call ${index}`)
      if (moment.acknowledged.later !== undefined) assert.equal(later, 3, `call ${index}`)
      states += 1
    }
  }
  t.diagnostic(`${moments.length} calls, ${states} states`)
})
