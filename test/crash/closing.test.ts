import assert from 'node:assert/strict'
import { test } from 'node:test'
import { turns } from '../../prove/lab-clock.js'
import { AgentMemoryError, UnsettledWriteError } from '../../src/index.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { journalStore, openOn } from '../engine/simulated.js'
import { Laboratory, noUnhandledRejection, outcome } from './laboratory.js'

test('while a call of the store hangs that close has given up, nobody else gets the folder', async () => {
  const lab = new Laboratory()
  const memory = await lab.open({ storeDeadlineMs: 1000 })
  await memory.map('runs').set('a', 1)
  await turns(3)
  lab.disk.faults.add({ at: { kind: 'write', path: /journal/ }, error: 'hang' })
  const checkpoint = memory.checkpoint().catch((error: unknown) => error)
  await turns(5)

  const report = await lab.until(memory.close({ deadlineMs: 100 }))

  assert.equal(report.lost, 0)
  assert.ok((await checkpoint) instanceof AgentMemoryError)
  await assert.rejects(lab.open(), { code: 'OWNED_ELSEWHERE' })
  lab.disk.releaseHangs()
  await turns(20)
  const reopened = await lab.open()
  assert.equal(await reopened.map('runs').get('a'), 1)
  await lab.until(reopened.close())
  await noUnhandledRejection()
})

test('close ends by its deadline though the disk hangs on the frame that says so', async () => {
  const lab = new Laboratory()
  const memory = await lab.open()
  await memory.map('runs').set('a', 1)
  await lab.until(memory.checkpoint())
  await turns(20)
  lab.disk.faults.add({ at: { kind: 'dataSync', path: /\/log\// }, error: 'hang', sticky: true })

  const report = await lab.until(memory.close({ deadlineMs: 100 }))

  assert.deepEqual(report, { inStore: 1, inLog: 0, inDoubt: 0, lost: 0 })
  await noUnhandledRejection()
})

test('a close on a full disk waits for room within its deadline', async () => {
  const options = { frameBytesMax: 1 << 20 }
  const lab = new Laboratory()
  const memory = await lab.open(options)
  const map = memory.map<string>('runs', { durability: 'write-back' })
  await map.set('a', 'small')
  await turns(20)
  lab.disk.faults.add({ at: { kind: 'open', path: /\/log\/.*tmp$/ }, error: 'ENOSPC', sticky: true })
  assert.equal((await map.set('big', 'x'.repeat(300_000))).reached, 'tier')
  const closing = memory.close({ deadlineMs: 30_000 })
  for (let index = 0; index < 25; index++) {
    await turns(3)
    lab.clock.advance(100)
  }

  lab.disk.faults.clear()
  const report = await lab.until(closing)

  assert.equal(report.lost, 0)
  const survived = await lab.powerCut().open(options)
  assert.equal((await survived.map<string>('runs').get('big'))?.length, 300_000)
})

test('a write-through that a close leaves in the log says so, and is there at the next open', async () => {
  const lab = new Laboratory()
  const memory = await lab.open()
  await memory.map('runs').set('a', 1)
  lab.disk.faults.add({ at: { kind: 'write', path: /journal/ }, error: 'hang' })
  const written = memory
    .map('runs')
    .set('b', 2, { durability: 'write-through' })
    .catch((error: unknown) => error)
  await turns(5)

  await lab.until(memory.close({ deadlineMs: 100 }))

  const error = await written
  assert.ok(error instanceof UnsettledWriteError)
  assert.equal(error.code, 'STORE_BEHIND')
  await assert.rejects(error.settled(), { code: 'CLOSED' })
  lab.disk.releaseHangs()
  await turns(20)
  assert.equal(await (await lab.open()).map('runs').get('b'), 2)
  await noUnhandledRejection()
})

test('a call that reads what it changes while the memory is closed is refused, and not accepted and lost', async () => {
  for (let moment = 0; moment < 8; moment++) {
    const disk = new SimulatedDisk()
    const before = await openOn(disk)
    await before.map<number>('runs').set('a', 1, { durability: 'write-through' })
    await before.close()
    let release = () => {}
    const released = new Promise<void>(resolve => {
      release = resolve
    })
    const { kind, open } = journalStore(disk)
    const openSlow = async (create: boolean) => {
      const store = await open(create)
      const get = store.get.bind(store)
      store.get = key => released.then(() => get(key))
      return store
    }
    const memory = await openOn(disk, { store: { kind, open: openSlow } })
    const update = memory.map<number>('runs').update('a', n => n + 1, { durability: 'write-back' })
    const answer = outcome(update)
    await turns(2)

    const closing = memory.close()
    await turns(moment)
    release()

    assert.equal(await answer, 'CLOSED', `released ${moment} turns behind the close`)
    assert.equal((await closing).lost, 0)
  }
})
