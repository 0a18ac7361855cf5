import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { turns } from '../../prove/lab-clock.js'
import { UnsettledWriteError } from '../../src/index.js'
import { allOf, failureOf, Laboratory, LOG, noUnhandledRejection, outcome } from './laboratory.js'

afterEach(noUnhandledRejection)

for (const kind of ['write', 'dataSync'] as const) {
  for (const sticky of [false, true]) {
    const kinds = kind === 'write' ? [kind] : [kind, 'sync' as const]
    const how = `${kind === 'write' ? 'write' : 'sync'} of a frame fails ${sticky ? 'for good' : 'once'}`

    test(`when the ${how}, writes are in doubt, reads go on, and reopen settles it`, async () => {
      const lab = new Laboratory()
      const memory = await lab.open()
      const runs = memory.map<number, string>('runs')
      const failures: string[] = []
      memory.on('failed', ({ error }) => failures.push(error.code))
      await runs.set('a', 1)

      lab.disk.faults.add({ at: { kind: kinds, path: sticky ? /\/log\// : LOG }, error: 'EIO', sticky })
      const waiting = [
        runs.set('b', 2),
        runs.delete('a'),
        memory.flush(),
        runs.set('c', 3, { durability: 'write-through' }),
      ]
      const errors = await Promise.all(waiting.map(failureOf))

      for (const error of errors) assert.ok(error instanceof UnsettledWriteError && error.code === 'IN_DOUBT')
      assert.equal(memory.status().state, 'failed')
      assert.deepEqual(failures, ['FAILED'])
      assert.equal(await outcome(runs.set('d', 4)), 'FAILED')
      assert.equal(await outcome(runs.set('d', 4, { durability: 'write-back' })), 'FAILED')
      assert.equal(await outcome(memory.flush()), 'FAILED')
      assert.deepEqual(await allOf(memory), { b: 2, c: 3 })
      assert.equal(await runs.get('a'), undefined)

      if (sticky) {
        assert.notEqual(await outcome(lab.until(memory.reopen())), 'kept')
        assert.equal(memory.status().state, 'failed')
        lab.disk.faults.clear()
      }
      await lab.until(memory.reopen())
      assert.equal(memory.status().state, 'open')
      for (const error of errors) assert.equal(await (error as UnsettledWriteError).settled(), 'kept')
      await runs.set('d', 4)

      const after = await lab.powerCut().open()
      assert.deepEqual(await allOf(after), { b: 2, c: 3, d: 4 })
    })

    test(`when the ${how} and the power is cut, nothing acknowledged is lost`, async () => {
      const lab = new Laboratory()
      const memory = await lab.open()
      const runs = memory.map<number, string>('runs')
      await runs.set('a', 1)
      await runs.set('b', 2)
      lab.disk.faults.add({ at: { kind: kinds, path: sticky ? /\/log\// : LOG }, error: 'EIO', sticky })
      assert.equal(await outcome(runs.set('a', 10)), 'IN_DOUBT')

      const after = await lab.powerCut().open()

      assert.deepEqual(await allOf(after), { a: 1, b: 2 })
    })

    test(`when the ${how}, close says what is in doubt and the next open has all that was acknowledged`, async () => {
      const lab = new Laboratory()
      const memory = await lab.open()
      const runs = memory.map<number, string>('runs')
      await runs.set('a', 1)
      lab.disk.faults.add({ at: { kind: kinds, path: sticky ? /\/log\// : LOG }, error: 'EIO', sticky })
      const doubt = runs.set('b', 2)
      const error = await failureOf(doubt)
      assert.ok(error instanceof UnsettledWriteError)

      const report = await lab.until(memory.close())

      assert.equal(report.inDoubt, 1)
      assert.equal(await outcome(error.settled()), 'CLOSED')
      lab.disk.faults.clear()
      const after = await lab.open()
      const found = await allOf(after)
      assert.equal(found.a, 1)
    })
  }
}

test('a sync that fails and then succeeds on pages marked clean loses nothing that reopen has acknowledged', async () => {
  const lab = new Laboratory()
  const memory = await lab.open()
  const runs = memory.map<number, string>('runs')
  await runs.set('a', 1)
  lab.disk.faults.add({ at: { kind: 'dataSync', path: LOG }, error: 'EIO' })
  assert.equal(await outcome(runs.set('b', 2)), 'IN_DOUBT')

  // Readers see the frame, and every later sync of its file succeeds without writing it.
  await lab.until(memory.reopen())

  const after = await lab.powerCut().open()
  assert.deepEqual(await allOf(after), { a: 1, b: 2 })
})

test('writes that were accepted while reopen was going on are kept too', async () => {
  const lab = new Laboratory()
  const memory = await lab.open()
  const runs = memory.map<number, string>('runs')
  lab.disk.faults.add({ at: { kind: 'dataSync', path: LOG }, error: 'EIO' })
  const back = runs.set('a', 1, { durability: 'write-back' })
  assert.equal(await outcome(runs.set('b', 2)), 'IN_DOUBT')
  assert.equal((await back).reached, 'tier')

  const reopened = memory.reopen()
  const early = outcome(runs.set('early', 3))
  await lab.until(reopened)
  await runs.set('late', 4)

  const after = await lab.powerCut().open()
  const found = await allOf(after)
  assert.equal(found.early, (await early) === 'kept' ? 3 : undefined)
  assert.deepEqual({ ...found, early: 0 }, { a: 1, b: 2, late: 4, early: 0 })
})

test('short writes go unnoticed', async () => {
  const lab = new Laboratory()
  lab.disk.faults.add({ at: { kind: 'write' }, error: 'short', sticky: true })
  lab.disk.faults.add({ at: { kind: 'read' }, error: 'short', sticky: true })
  const memory = await lab.open()
  const runs = memory.map<string, string>('runs')
  await runs.set('a', 'x'.repeat(9000))
  await runs.set('b', 'y', { durability: 'write-through' })

  const after = await lab.powerCut().open()

  assert.deepEqual(await allOf(after), { a: 'x'.repeat(9000), b: 'y' })
})

test('a sync that hangs acknowledges nothing before it has ended', async () => {
  const lab = new Laboratory()
  const maxLoss = { ms: 100, writes: 2, bytes: 1000 }
  const memory = await lab.open({ maxLoss })
  const runs = memory.map<number, string>('runs')
  // A slow sync makes the next ones go through the thread pool, where they can hang without holding up the program.
  lab.disk.onCall = ({ kind }) => kind === 'dataSync' && lab.clock.holdUp(11)
  await runs.set('a', 1)
  lab.disk.onCall = undefined
  lab.disk.faults.add({ at: { kind: 'dataSync', path: LOG }, error: 'hang' })

  const told: string[] = []
  const note = (name: string, promise: Promise<unknown>) => void promise.then(() => told.push(name))
  note('ahead', runs.set('b', 2))
  await turns(5)
  note('through', runs.set('c', 3, { durability: 'write-through' }))
  note('flush', memory.flush())
  note('read', runs.get('b', { durable: true }))
  for (const n of [1, 2, 3, 4]) note(`back ${n}`, runs.set(`back-${n}`, n, { durability: 'write-back' }))
  await turns(5)
  lab.clock.advance(5000)
  await turns(5)
  note('late back', runs.set('late', 5, { durability: 'write-back' }))
  await turns(5)

  // Two writes may be acknowledged before they are safe, and none once the oldest is over its age.
  assert.deepEqual(told, ['back 1', 'back 2'])
  assert.equal(await runs.get('b'), 2)
  const cut = new Laboratory(lab.disk.crash(() => 0, { kind: 'nothing' }))
  assert.deepEqual(await allOf(await cut.open({ maxLoss })), { a: 1 })

  lab.disk.releaseHangs()
  await lab.until(memory.flush())
  await turns(5)
  assert.equal(told.length, 9)
  const after = await lab.powerCut().open({ maxLoss })
  assert.equal(Object.keys(await allOf(after)).length, 8)
})
