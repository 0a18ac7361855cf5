import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { turns } from '../../prove/lab-clock.js'
import type { AgentMemory } from '../../src/index.js'
import { allOf, Laboratory, noUnhandledRejection, outcome, SPARE } from './laboratory.js'

afterEach(noUnhandledRejection)

test('a disk that is full refuses writes, keeps what was accepted, and resumes by itself', async () => {
  const lab = new Laboratory()
  const memory = await lab.open()
  const events = eventsOf(memory)
  await turns(3)
  lab.disk.faults.add({ at: { kind: 'open', path: SPARE }, error: 'ENOSPC', sticky: true })

  const acknowledged = await writeUntilRefused(memory)

  assert.deepEqual(events, ['diskFull DISK_FULL'])
  assert.equal(memory.status().log.diskFull, true)
  assert.equal(memory.status().state, 'open')
  assert.equal(await outcome(memory.map('runs').set('refused', 1, { durability: 'write-back' })), 'DISK_FULL')
  assert.equal(await memory.map('runs').get('k0'), 0)
  lab.clock.advance(3000)
  await turns(5)
  assert.equal(await outcome(memory.map('runs').set('refused', 1)), 'DISK_FULL')
  assert.equal(events.length, 1, 'told once')

  lab.disk.faults.clear()
  await lab.until(waitFor(memory, 'diskFree'))
  await memory.map('runs').set('after', 1)

  assert.deepEqual(events, ['diskFull DISK_FULL', 'diskFree'])
  const after = await lab.powerCut().open()
  assert.deepEqual(await allOf(after), { ...acknowledged, after: 1 })
})

test('on a disk without any room left nothing acknowledged is lost, and close ends', async () => {
  const lab = new Laboratory()
  const memory = await lab.open({ storeDeadlineMs: 1000 })
  await turns(3)
  lab.disk.capacityBytes = 1
  const acknowledged = await writeUntilRefused(memory)

  const report = await lab.until(memory.close({ deadlineMs: 5000 }))

  assert.equal(report.lost, 0)
  const after = await lab.powerCut().open()
  assert.deepEqual(await allOf(after), acknowledged)
})

test('a frame larger than a segment that has no room waits, and is written when there is', async () => {
  const lab = new Laboratory()
  const memory = await lab.open({ frameBytesMax: 256 * 1024 })
  const runs = memory.map<string, string>('runs')
  await turns(3)
  lab.disk.faults.add({ at: { kind: 'open', path: /\.tmp$/ }, error: 'ENOSPC', sticky: true })
  const large = runs.set('large', 'x'.repeat(100_000))
  await turns(10)
  assert.equal(memory.status().log.diskFull, true)
  assert.equal(await outcome(runs.set('small', 'y')), 'DISK_FULL')

  lab.disk.faults.clear()
  await lab.until(large)
  await lab.until(waitUntil(() => !memory.status().log.diskFull))
  await runs.set('small', 'y')

  const after = await lab.powerCut().open({ frameBytesMax: 256 * 1024 })
  assert.deepEqual(await allOf(after), { large: 'x'.repeat(100_000), small: 'y' })
})

test('opening on a full disk says DISK_FULL, and works once there is room', async () => {
  const lab = new Laboratory()
  lab.disk.capacityBytes = 20_000
  assert.equal(await outcome(lab.open()), 'DISK_FULL')
  assert.equal(await outcome(lab.open()), 'DISK_FULL')

  lab.disk.capacityBytes = undefined
  const memory = await lab.open()
  await memory.map('runs').set('a', 1)
  await memory.close()

  lab.disk.capacityBytes = 1
  assert.equal(await outcome(lab.open()), 'DISK_FULL')
  lab.disk.capacityBytes = undefined
  assert.deepEqual(await allOf(await lab.open()), { a: 1 })
})

test('opening on a read-only disk says FOLDER_NOT_WRITABLE and changes nothing', async () => {
  const lab = new Laboratory()
  lab.disk.readOnly = true
  assert.equal(await outcome(lab.open()), 'FOLDER_NOT_WRITABLE')
  lab.disk.readOnly = false
  const memory = await lab.open()
  await memory.map('runs').set('a', 1)
  await memory.close()

  const before = lab.disk.fingerprint()
  lab.disk.readOnly = true
  assert.equal(await outcome(lab.open()), 'FOLDER_NOT_WRITABLE')
  lab.disk.readOnly = false

  assert.equal(lab.disk.fingerprint(), before)
  assert.deepEqual(await allOf(await lab.open()), { a: 1 })
})

function eventsOf(memory: AgentMemory): string[] {
  const events: string[] = []
  memory.on('diskFull', ({ error }) => events.push(`diskFull ${error.code}`))
  memory.on('diskFree', () => events.push('diskFree'))
  return events
}

/** Writes one frame after another until there is no room for more; returns what was acknowledged. */
async function writeUntilRefused(memory: AgentMemory): Promise<Record<string, number>> {
  const acknowledged: Record<string, number> = {}
  for (let n = 0; n < 200; n++) {
    const code = await outcome(memory.map('runs').set(`k${n}`, n))
    if (code !== 'kept') {
      assert.equal(code, 'DISK_FULL')
      return acknowledged
    }
    acknowledged[`k${n}`] = n
    await turns(2)
  }
  throw new Error('the disk never was full')
}

function waitFor(memory: AgentMemory, name: 'diskFree'): Promise<void> {
  return new Promise(resolve => memory.on(name, () => resolve()))
}

async function waitUntil(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turns(1)
}
