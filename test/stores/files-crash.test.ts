// An apply of many files is there whole or not at all, and its mark with it: whenever the power goes, whichever call of
// the disk fails, whenever the process is killed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { nodeFileSystem } from '../../src/io/node-file-system.js'
import type { DataStore, StoreIdentity } from '../../src/stores/data-store.js'
import { openFilesStore } from '../../src/stores/files/open.js'
import { type CrashState, crashStates, SimulatedDisk, seededRandom } from '../../src/testing/index.js'
import { contentAt, contentOf, generation, markAt } from './files-helpers.js'

const HELPERS = fileURLToPath(new URL('./files-helpers.js', import.meta.url))
const IDENTITY: StoreIdentity = { storeId: 'a'.repeat(32), logId: 'b'.repeat(32), epoch: 1 }
const STATES_A_CALL = 6

const open = (disk: SimulatedDisk) => openFilesStore(disk, '/store')

/** A store in which one generation has been applied, closed. */
async function storeAt1(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const store = await open(disk)
  await store.setIdentity(IDENTITY)
  await store.apply(generation(1), markAt(1))
  await store.close()
  return disk
}

/** What a power cut may leave at each call of the disk while something is done, and after it. */
async function cutsWithin(disk: SimulatedDisk, count: number, work: () => Promise<unknown>): Promise<CrashState[]> {
  const random = seededRandom(disk.calls)
  const states: CrashState[] = []
  const cut = () => void states.push(...crashStates(disk, { random, count }))
  disk.onCall = cut
  await work()
  disk.onCall = undefined
  cut()
  return states
}

/** The store is at one of two marks, with exactly what belongs to it. Says which. */
async function checkWhole(store: DataStore, lsns: readonly number[], how: string): Promise<number> {
  const { appliedLsn } = await store.mark()
  assert.ok(lsns.includes(appliedLsn), `at mark ${appliedLsn}, ${how}`)
  assert.deepEqual(await store.mark(), markAt(appliedLsn), how)
  assert.deepEqual(await contentOf(store), contentAt(appliedLsn), how)
  assert.equal(await store.flushedLsn(), appliedLsn)
  return appliedLsn
}

test('files: whatever a power cut leaves at any call of an apply, data and mark are there both or neither', async () => {
  const disk = await storeAt1()
  const store = await open(disk)
  let isApplied = false
  const seen = new Set<number>()
  const states = await cutsWithin(disk, STATES_A_CALL, async () => {
    await store.apply(generation(2), markAt(2))
    isApplied = true
  })
  assert.ok(isApplied && states.length > 200, `${states.length} states`)

  for (const { disk: left, choice } of states) {
    const how = JSON.stringify(choice)
    const again = await open(left)
    seen.add(await checkWhole(again, [1, 2], how))
    assert.deepEqual(await again.identity(), IDENTITY)
    await again.apply(generation(3), markAt(3))
    await again.close()
    // What was acknowledged after the crash is there after another.
    const third = await open(left.crash(seededRandom(1), { kind: 'nothing' }))
    await checkWhole(third, [3], how)
    await third.close()
  }
  assert.deepEqual([...seen].sort(), [1, 2])
  const applied = await open(disk.crash(seededRandom(1), { kind: 'nothing' }))
  await checkWhole(applied, [2], 'an apply that has returned')
})

test('files: the power may go again at any call of the open that carries an apply out', async () => {
  const disk = await storeAt1()
  const store = await open(disk)
  const cuts = await cutsWithin(disk, 2, () => store.apply(generation(2), markAt(2)))
  let unfinished = 0
  for (const { disk: left, choice } of cuts.filter((_, index) => index % 7 === 0)) {
    const goal = await openedAt(left.clone())
    const states = await cutsWithin(left, 2, async () => (await open(left)).close())
    if (goal === 2) unfinished += 1
    for (const { disk: twice, choice: second } of states) {
      assert.equal(await openedAt(twice), goal, `${JSON.stringify(choice)}, then ${JSON.stringify(second)}`)
    }
  }
  assert.ok(unfinished > 5)
})

/** A kill keeps what is in the page cache; a power cut after the next open may take it, unless that open has synced it. */
test('files: what an open after a kill has seen is there after a power cut', async () => {
  const disk = await storeAt1()
  const store = await open(disk)
  const killed: SimulatedDisk[] = []
  disk.onCall = () => void killed.push(disk.clone())
  await store.apply(generation(2), markAt(2))
  assert.ok(killed.length > 50)

  for (const left of killed) {
    const seen = await openedAt(left)
    for (const { disk: cut, choice } of crashStates(left, { random: seededRandom(2), count: 8 })) {
      assert.equal(await openedAt(cut), seen, JSON.stringify(choice))
    }
  }
})

test('files: a power cut while a store is made leaves none, or one that is whole', async () => {
  const disk = new SimulatedDisk()
  const states = await cutsWithin(disk, STATES_A_CALL, async () => {
    const store = await open(disk)
    await store.setIdentity(IDENTITY)
    await store.close()
  })

  for (const { disk: left } of states) {
    const store = await open(left)
    await checkWhole(store, [0], 'made anew, or found')
    assert.ok([undefined, 1].includes((await store.identity())?.epoch))
    await store.close()
  }
})

test('files: whichever call of an apply fails, it rejects, readers see one moment, and an open finds out', async () => {
  for (const error of ['EIO', 'ENOSPC'] as const) {
    for (let call = 0; ; call++) {
      const disk = await storeAt1()
      const store = await open(disk)
      const before = disk.calls
      disk.faults.add({ at: before + call, error })
      const failed = await store.apply(generation(2), markAt(2)).then(
        () => false,
        cause => cause.code === 'STORE_DOWN',
      )
      const isPast = disk.calls - before <= call
      disk.faults.clear()
      const how = `${error} at call ${call}`
      assert.equal(failed, !isPast, how)

      const seen = await checkWhole(store, [1, 2], how)
      if (failed) await assert.rejects(store.apply(generation(3), markAt(3)), { code: 'STORE_DOWN' })
      await store.close()
      // What readers have seen of it may not be lost; what they have not may be there.
      const found = await openedAt(disk)
      assert.ok(found >= seen, `${how}: readers saw ${seen}, the open found ${found}`)
      if (isPast) break
    }
  }
})

test('files: an apply changes no file that a reader looks at, who shows the moment at which it began', async () => {
  const disk = await storeAt1()
  const store = await open(disk)
  let release = () => {}
  const held = new Promise<void>(resolve => {
    release = resolve
  })
  disk.delay = ({ kind, path }) => (kind === 'open' && /entries.*(?<!tmp)$/.test(path) ? held : undefined)

  const before = contentOf(store)
  let isApplied = false
  const applied = store.apply(generation(2), markAt(2)).then(() => {
    isApplied = true
  })
  for (let turn = 0; turn < 500; turn++) await new Promise(resolve => setImmediate(resolve))
  assert.equal(isApplied, false)
  assert.deepEqual(await store.mark(), markAt(2), 'it is committed')
  release()

  assert.deepEqual(await before, contentAt(1))
  await applied
  assert.deepEqual(await contentOf(store), contentAt(2))
})

async function openedAt(disk: SimulatedDisk): Promise<number> {
  const store = await open(disk)
  const lsn = await checkWhole(store, [1, 2], 'opened')
  await store.close()
  return lsn
}

const root = await mkdtemp(join(tmpdir(), 'holdfast-files-crash-'))
after(() => rm(root, { recursive: true }))

test('files: a kill in the middle of applies leaves mark and data at one acknowledged or later apply', async () => {
  const folder = join(root, 'store')
  for (const acknowledgements of [1, 9, 4, 6]) {
    const child = spawn(process.execPath, [HELPERS, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', chunk => {
      output += chunk
      if (output.split('\n').length > acknowledgements) child.kill('SIGKILL')
    })
    const [, signal] = await once(child, 'close')
    assert.equal(signal, 'SIGKILL', 'the writer ended by itself')
    const acknowledged = Number(output.split('\n').at(-2))

    const store = await openFilesStore(nodeFileSystem, folder, { createIfMissing: false })
    const { appliedLsn } = await store.mark()
    assert.ok(appliedLsn >= acknowledged, `mark ${appliedLsn}, acknowledged ${acknowledged}`)
    assert.deepEqual(await contentOf(store), contentAt(appliedLsn, 40))
    await store.close()
  }
})
