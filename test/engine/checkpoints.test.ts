import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory, AgentMemoryError, type StoreOpener } from '../../src/index.js'
import { openJournalStore } from '../../src/testing/journal-store.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { contentOf, FOLDER, journalStore, openOn, settles, simulated, turns, until } from './simulated.js'

test('after a kill, a checkpoint and a close of a memory that the store has whole come to an end', async () => {
  const { memory, disk } = await simulated()
  await memory.map('m').set('k', 1)
  await memory.checkpoint()

  const reopened = await openOn(disk.clone())

  assert.equal(await settles(reopened.checkpoint()), true, 'checkpoint')
  const close = reopened.close()
  assert.equal(await settles(close), true, 'close')
  assert.equal((await close).inLog, 0)
})

test('the same for a memory that was killed before its first write', async () => {
  const { disk } = await simulated()

  const reopened = await openOn(disk.clone())

  assert.equal(await settles(reopened.checkpoint()), true, 'checkpoint')
  assert.equal(await settles(reopened.close()), true, 'close')
})

test('the same where the log was lost and the memory went on without it', async () => {
  const { memory, disk } = await simulated()
  await memory.map('m').set('k', 1)
  await memory.close()
  for (const name of await disk.list(`${FOLDER}/log`)) await disk.unlink(`${FOLDER}/log/${name}`)

  const reopened = await openOn(disk.clone(), { onLogLost: 'proceed' })

  assert.equal(await reopened.map('m').get('k'), 1)
  assert.equal(await settles(reopened.checkpoint()), true, 'checkpoint')
  assert.equal(await settles(reopened.close()), true, 'close')
})

test('a store that has a log of its own is LOG_LOST in another folder, though that log has brought it nothing yet', async () => {
  const disk = new SimulatedDisk()
  const open = (folder: string, fileSystem: SimulatedDisk) =>
    AgentMemory.open(folder, {
      fileSystem,
      clock: new ManualClock(),
      store: { kind: 'journal', open: () => openJournalStore(fileSystem, '/store') },
    })
  const memory = await open('/memory', disk)
  await memory.map('m').set('k', 'acknowledged')
  const killed = disk.clone()

  await assert.rejects(open('/other', killed), { code: 'LOG_LOST' })

  const reopened = await open('/memory', killed)
  assert.equal(await reopened.map('m').get('k'), 'acknowledged')
  await reopened.close()
})

test('opening and closing again and again, with nothing written, takes no more room each time', async () => {
  const first = await simulated()
  await first.memory.map('m').set('k', 1)
  await first.memory.close()
  for (let round = 0; round < 12; round++) await (await openOn(first.disk)).close()

  const segments = (await first.disk.list(`${FOLDER}/log`)).filter(name => name.endsWith('.log'))

  assert.ok(segments.length <= 3, `${segments.length} segments`)
})

test('killing and opening again and again, with nothing written, takes no more room each time', async () => {
  let { disk, memory } = await simulated()
  await memory.map('m').set('k', 1)
  for (let round = 0; round < 12; round++) {
    disk = disk.clone()
    memory = await openOn(disk)
    assert.equal(await settles(memory.checkpoint()), true, `round ${round}`)
  }

  const segments = (await disk.list(`${FOLDER}/log`)).filter(name => name.endsWith('.log'))
  assert.ok(segments.length <= 3, `${segments.length} segments`)
})

test('a clean close leaves no gap in the LSNs, also when the last segment is exactly full', async () => {
  const { memory, disk } = await simulated()
  const map = memory.map<number>('m')
  // 64 KiB are a header page and fifteen frames of a block.
  for (let index = 0; index < 15; index++) await map.set('k', index)
  const { lsn } = await map.set('k', 15)
  await memory.close()

  for (const [writes, from] of [
    [15, lsn],
    [14, lsn + 15],
    [15, lsn + 29],
  ] as const) {
    const reopened = await openOn(disk)
    assert.equal(reopened.status().recovery.cleanClose, true)
    for (let index = 1; index <= writes; index++) {
      assert.equal((await reopened.map('m').set('k', index)).lsn, from + index)
    }
    await reopened.close()
  }
})

test('after a kill, a checkpoint that takes several runs and lets segments go on the way comes to its end', async () => {
  const { memory, disk } = await simulated()
  const map = memory.map<string>('m')
  for (let index = 0; index < 160; index++) await map.set(`k${index}`, 'x'.repeat(60_000))

  const left = disk.clone()
  const { open } = journalStore(left)
  const openSlowly = async (create: boolean) => {
    const store = await open(create)
    const apply = store.apply.bind(store)
    store.apply = async (changes, mark) => {
      await turns(5)
      await apply(changes, mark)
    }
    return store
  }
  const reopened = await openOn(left, { store: { kind: 'journal', open: openSlowly } })

  assert.equal(await settles(reopened.checkpoint(), 2000), true)
})

test('after a crash LSNs start above every one that may have been handed out', async () => {
  const { memory, disk } = await simulated({ durability: 'write-back' })
  const map = memory.map('m')
  let highest = 0
  for (let index = 0; index < 100; index++) highest = (await map.set('k', index)).lsn

  const reopened = await openOn(disk.crash(Math.random, { kind: 'nothing' }))

  assert.ok((await reopened.map('m').set('k', 0, { durability: 'write-ahead' })).lsn > highest)
  assert.equal(reopened.status().recovery.cleanClose, false)
})

test('segments that the store has for sure go, and what remains is enough', async () => {
  const { memory, disk } = await simulated()
  const map = memory.map<string>('m')
  for (let index = 0; index < 60; index++) await map.set(`k${index}`, 'x'.repeat(3000))
  const before = memory.status().log.segments

  await memory.checkpoint()
  await until(() => memory.status().log.segments <= 2, 'segments are released')

  assert.ok(before > 3)
  const reopened = await openOn(disk.clone())
  assert.equal(Object.keys(await contentOf(reopened.map('m'))).length, 60)
})

test('a checkpoint runs by its timer, without anybody asking', async () => {
  const { memory, clock } = await simulated({ checkpointMs: 5000 })
  const { lsn } = await memory.map('m').set('k', 1)
  assert.ok(memory.status().lsn.inStore < lsn)

  clock.advance(5000)

  await until(() => memory.status().lsn.inStore === lsn, 'the store has it')
})

test('a write-through presses the checkpoint on and brings what came before it along', async () => {
  const { memory } = await simulated()
  const map = memory.map('m')
  const before = await map.set('a', 1, { durability: 'write-back' })

  const { reached, lsn } = await map.set('b', 2, { durability: 'write-through' })

  assert.equal(reached, 'store')
  assert.ok(memory.status().lsn.inStore >= lsn && lsn > before.lsn)
})

test('with a store whose commits are not durable by themselves, a write-through survives a power cut', async () => {
  const { SimulatedDisk } = await import('../../src/testing/simulated-disk.js')
  const disk = new SimulatedDisk()
  const memory = await openOn(disk, { store: journalStore(disk, false) })
  await memory.map('m').set('k', 1, { durability: 'write-through' })
  const after = disk.crash(Math.random, { kind: 'nothing' })
  for (const name of await after.list(`${FOLDER}/log`)) await after.unlink(`${FOLDER}/log/${name}`)

  const reopened = await openOn(after, { store: journalStore(after, false), onLogLost: 'proceed' })

  assert.equal(await reopened.map('m').get('k'), 1)
})

test('a read that is on its way when the store goes down says STORE_DOWN, also if its handle says CLOSED', async () => {
  const disk = new SimulatedDisk()
  const { kind, open } = journalStore(disk)
  let isGone = false
  const store: StoreOpener = {
    kind,
    async open(create) {
      const handle = await open(create)
      let end = () => {}
      const closed = new Promise<never>((_, reject) => {
        end = () => reject(new AgentMemoryError('CLOSED', { message: 'The store is closed', next: 'Open it again' }))
      })
      closed.catch(() => {})
      const { get, getMany, apply, close } = handle
      return Object.assign(handle, {
        get: (key: string) => (isGone ? closed : get.call(handle, key)),
        getMany: (keys: string[]) => (isGone ? closed : getMany.call(handle, keys)),
        async apply(...run: Parameters<typeof apply>) {
          if (isGone) throw new Error('the connection has ended')
          return apply.call(handle, ...run)
        },
        close() {
          end()
          return close.call(handle)
        },
      })
    },
  }
  const memory = await openOn(disk, { store })
  const map = memory.map('m')
  isGone = true
  const read = map.get('what only the store knows').then(String, (error: AgentMemoryError) => error.code)

  await map.set('k', 1)
  await assert.rejects(memory.checkpoint(), { code: 'STORE_DOWN' })

  assert.equal(await read, 'STORE_DOWN')
})
