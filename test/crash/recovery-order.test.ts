// What the replayer has found once, as stories of their own: a process is killed between a change of names and the sync
// that makes it durable, the next one goes on, and the power is cut.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AgentMemory } from '../../src/index.js'
import { crashStates } from '../../src/testing/crash-states.js'
import type { DiskCall } from '../../src/testing/disk-faults.js'
import { seededRandom } from '../../src/testing/random.js'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { allOf, FOLDER, Laboratory, outcome } from './laboratory.js'

const SEED = 5

test('a memory whose creation was killed before its parents were synced survives a power cut once it acknowledges', async () => {
  for (let at = 0; at < 30; at++) {
    const lab = await killedAtCall(at, async first => void (await first.open()))
    const memory = await lab.open()
    await memory.map('runs').set('a', 1)

    assert.deepEqual(await allOf(await lab.powerCut().open()), { a: 1 }, `killed at call ${at}`)
  }
})

test('a segment whose name was not synced when its process was killed leaves no gap behind a later one', async () => {
  const before = new Laboratory()
  const first = await before.open()
  await first.map('runs').set('a', 1)
  // It is killed when the next open has given its new segment a name, and the one after it is cut at every call.
  const killed = await killedAt(before.disk.clone(), ({ kind, path }, calls) => {
    return kind === 'syncFolder' && path === `${FOLDER}/log` && calls.some(call => call.kind === 'rename')
  })

  let judged = 0
  const second = new Laboratory(killed.clone())
  const disks: SimulatedDisk[] = []
  second.disk.onCall = () => disks.push(second.disk.clone())
  await second.open()
  for (const disk of disks) {
    for (const state of crashStates(disk, { random: seededRandom(SEED), count: 30 })) {
      assert.deepEqual(await allOf(await new Laboratory(state.disk).open()), { a: 1 }, JSON.stringify(state.choice))
      judged += 1
    }
  }
  assert.ok(judged > 20)
})

test('a checkpoint and a close right after recovery from a crash end at once', async () => {
  for (const finish of ['checkpoint', 'close'] as const) {
    const lab = new Laboratory()
    const memory = await lab.open()
    await memory.map('runs').set('a', 1)

    const cut = lab.powerCut()
    const after: AgentMemory = await cut.open()
    assert.equal(await outcome(cut.until<unknown>(after[finish](), 2)), 'kept')
    assert.equal(after.status().pending.entries, 0)
    const again = cut.powerCut()
    assert.deepEqual(await allOf(await again.open()), { a: 1 })
  }
})

/** The disk that a process leaves which is killed before its call with that number. */
async function killedAtCall(at: number, program: (lab: Laboratory) => Promise<void>): Promise<Laboratory> {
  return new Laboratory(await killedAt(new Laboratory().disk, ({ index }) => index === at, program))
}

async function killedAt(
  disk: SimulatedDisk,
  isMoment: (call: DiskCall, before: readonly DiskCall[]) => boolean,
  program: (lab: Laboratory) => Promise<void> = async lab => void (await lab.open()),
): Promise<SimulatedDisk> {
  const calls: DiskCall[] = []
  let left: SimulatedDisk | undefined
  const killed = new Promise<void>(resolve => {
    disk.onCall = call => {
      if (left !== undefined || !isMoment(call, calls)) calls.push(call)
      else {
        left = disk.clone()
        disk.powerOff()
        resolve()
      }
    }
  })
  await Promise.race([killed, program(new Laboratory(disk))])
  return left ?? disk.clone()
}
