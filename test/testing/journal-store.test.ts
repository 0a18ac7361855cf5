import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Change, DataStore } from '../../src/stores/data-store.js'
import { crashStates } from '../../src/testing/crash-states.js'
import { openJournalStore } from '../../src/testing/journal-store.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

const IDENTITY = { storeId: 'ab'.repeat(16), logId: undefined, epoch: 1 }

test('entries, mark and identity are there after opening again', async () => {
  const disk = new SimulatedDisk()
  const store = await openJournalStore(disk, '/store')
  assert.equal(await store.identity(), undefined)
  assert.deepEqual(await store.mark(), { appliedLsn: 0, appliedPosition: 0 })
  await store.setIdentity(IDENTITY)
  await store.apply([set('a', '1'), set('b', '2'), set('\xff\0', '')], { appliedLsn: 3, appliedPosition: 4096 })
  await store.apply([{ key: 'b', value: undefined }], { appliedLsn: 2 ** 50, appliedPosition: 2 ** 51 })
  await store.close()

  const again = await openJournalStore(disk, '/store')

  assert.deepEqual(await again.identity(), IDENTITY)
  assert.deepEqual(await again.mark(), { appliedLsn: 2 ** 50, appliedPosition: 2 ** 51 })
  assert.deepEqual(await again.getMany(['b', 'a', '\xff\0']), [undefined, Buffer.from('1'), Buffer.alloc(0)])
  assert.equal(await again.flushedLsn(), 2 ** 50)
})

test('a page is in the order of the keys, with its lower end and without its upper', async () => {
  const store = await openJournalStore(new SimulatedDisk(), '/store')
  await store.apply(
    ['a', 'b', 'c', 'd'].map(key => set(key, key)),
    { appliedLsn: 4, appliedPosition: 1 },
  )

  const keys = async (reverse: boolean, limit: number) =>
    (await store.page({ from: 'b', to: 'd', reverse, limit })).map(entry => entry.key)
  assert.deepEqual(await keys(false, 10), ['b', 'c'])
  assert.deepEqual(await keys(true, 10), ['c', 'b'])
  assert.deepEqual(await keys(true, 1), ['c'])
})

for (const durableCommit of [true, false]) {
  const how = durableCommit ? 'with durable commits' : 'with commits that only a flush makes durable'

  test(`${how}, every power cut leaves an exact prefix, no shorter than promised`, async () => {
    const disk = new SimulatedDisk()
    const moments: { disk: SimulatedDisk; flushedLsn: number; isIdentified: boolean }[] = []
    const promised = { flushedLsn: 0, isIdentified: false }
    disk.onCall = () => void moments.push({ disk: disk.clone(), ...promised })

    const store = await openJournalStore(disk, '/store', { durableCommit })
    await store.setIdentity(IDENTITY)
    promised.isIdentified = true
    for (let lsn = 1; lsn <= 6; lsn += 1) {
      await store.apply(changesOf(lsn), { appliedLsn: lsn, appliedPosition: lsn * 4096 })
      if (lsn % 3 === 0) await store.flush()
      promised.flushedLsn = await store.flushedLsn()
    }
    assert.equal(promised.flushedLsn, 6)
    moments.push({ disk: disk.clone(), ...promised })

    let checked = 0
    for (const moment of moments) {
      for (const state of crashStates(moment.disk, { random: seededRandom(4), count: 60 })) {
        const reopened = await openJournalStore(state.disk, '/store', { durableCommit })
        const message = JSON.stringify(state.choice)
        await checkPrefix(reopened, moment.flushedLsn, message)
        if (moment.isIdentified) assert.deepEqual(await reopened.identity(), IDENTITY, message)
        checked += 1
      }
    }
    assert.ok(checked > 50)
  })
}

test('the power may be cut again while the store is opened after a cut', async () => {
  const disk = new SimulatedDisk()
  const store = await openJournalStore(disk, '/store', { durableCommit: false })
  for (let lsn = 1; lsn <= 4; lsn += 1) {
    await store.apply(changesOf(lsn), { appliedLsn: lsn, appliedPosition: lsn * 4096 })
    if (lsn === 2) await store.flush()
  }
  for (const first of crashStates(disk, { random: seededRandom(4), count: 40 })) {
    const moments: SimulatedDisk[] = []
    first.disk.onCall = () => void moments.push(first.disk.clone())
    const reopened = await openJournalStore(first.disk, '/store')
    const { appliedLsn } = await reopened.mark()
    await reopened.apply(changesOf(appliedLsn + 1), {
      appliedLsn: appliedLsn + 1,
      appliedPosition: (appliedLsn + 1) * 4096,
    })
    for (const moment of moments) {
      for (const second of crashStates(moment, { random: seededRandom(5), count: 10 })) {
        await checkPrefix(
          await openJournalStore(second.disk, '/store'),
          2,
          JSON.stringify([first.choice, second.choice]),
        )
      }
    }
  }
})

test('what a killed process had applied, and was read since, survives a power cut', async () => {
  const disk = new SimulatedDisk()
  const store = await openJournalStore(disk, '/store', { durableCommit: false })
  await store.apply(changesOf(1), { appliedLsn: 1, appliedPosition: 4096 })
  assert.equal(await store.flushedLsn(), 0)
  const killed = disk.clone()

  const reopened = await openJournalStore(killed, '/store', { durableCommit: false })
  assert.equal(await reopened.flushedLsn(), 1)

  const cut = killed.crash(seededRandom(1), { kind: 'nothing' })
  assert.equal((await (await openJournalStore(cut, '/store')).mark()).appliedLsn, 1)
})

for (const kind of ['write', 'dataSync'] as const) {
  test(`after an error of ${kind} no write is taken until the store is opened again`, async () => {
    const disk = new SimulatedDisk()
    const store = await openJournalStore(disk, '/store')
    await store.apply(changesOf(1), { appliedLsn: 1, appliedPosition: 4096 })
    disk.faults.add({ at: { kind }, error: 'EIO', partial: 20 })

    await assert.rejects(store.apply(changesOf(2), { appliedLsn: 2, appliedPosition: 8192 }), { code: 'EIO' })
    await assert.rejects(store.apply(changesOf(2), { appliedLsn: 2, appliedPosition: 8192 }), { code: 'IO_ERROR' })
    await assert.rejects(store.flush(), { code: 'IO_ERROR' })
    assert.equal((await store.mark()).appliedLsn, 1)
    await store.close()

    const cut = await openJournalStore(disk.crash(seededRandom(1), { kind: 'everything' }), '/store')
    await checkPrefix(cut, 1, kind)
    await cut.apply(changesOf(2), { appliedLsn: 2, appliedPosition: 8192 })
    await checkPrefix(cut, 2, kind)
  })
}

test('short writes are completed', async () => {
  const disk = new SimulatedDisk()
  disk.faults.add({ at: { kind: 'write' }, error: 'short', sticky: true })
  const store = await openJournalStore(disk, '/store')
  await store.apply(changesOf(1), { appliedLsn: 1, appliedPosition: 4096 })

  await checkPrefix(await openJournalStore(disk.crash(seededRandom(1)), '/store'), 1, 'short')
})

test('a closed store takes no writes', async () => {
  const store = await openJournalStore(new SimulatedDisk(), '/store')
  await store.close()
  await store.close()
  await assert.rejects(store.apply([], { appliedLsn: 1, appliedPosition: 1 }), { code: 'CLOSED' })
})

function set(key: string, value: string): Change {
  return { key, value: Buffer.from(value) }
}

/** Each run sets a key of its own, long enough to be torn, and one that all runs share. */
function changesOf(lsn: number): Change[] {
  return [set(`own-${lsn}`, `${lsn}`.repeat(700)), set('shared', `${lsn}`)]
}

async function checkPrefix(store: DataStore, lsnMin: number, message: string): Promise<void> {
  const { appliedLsn, appliedPosition } = await store.mark()
  assert.ok(appliedLsn >= lsnMin, message)
  assert.equal(appliedPosition, appliedLsn * 4096, message)
  const own = Array.from({ length: appliedLsn }, (_, n) => [`own-${n + 1}`, `${n + 1}`.repeat(700)])
  const expected = appliedLsn === 0 ? [] : [...own, ['shared', `${appliedLsn}`]]
  const page = await store.page({ from: '', to: '\xff', reverse: false, limit: 100 })
  assert.deepEqual(
    page.map(entry => [entry.key, entry.value.toString()]),
    expected,
    message,
  )
}
