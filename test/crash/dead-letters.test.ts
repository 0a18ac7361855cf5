// A store that refuses, cut off at every moment: by the power, and by errors whose outcome nobody knows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AgentMemory } from '../../src/index.js'
import { crashStates } from '../../src/testing/crash-states.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { newRefusals, type Refusals, refusing } from '../engine/refusing-store.js'
import { contentOf, journalStore, openOn, turns } from '../engine/simulated.js'

type Content = Record<string, number>

interface Step {
  run(memory: AgentMemory, refusals: Refusals): Promise<unknown>
  /** What the memory holds after it. */
  after: Content
}

/** One frame with what is written in one go. */
function write(after: Content, ...changes: (Content | [Content])[]): Step {
  const run = async (memory: AgentMemory) => {
    const map = memory.map<number>('m')
    const writes = changes.flatMap(change =>
      Array.isArray(change)
        ? [memory.batch(batch => void Object.entries(change[0]).map(([key, value]) => batch.set(map, key, value)))]
        : Object.entries(change).map(([key, value]) => map.set(key, value)),
    )
    await Promise.all(writes)
  }
  return { run, after }
}

function checkpoint(after: Content): Step {
  return { run: memory => memory.checkpoint(), after }
}

const FIRST = { a: 1, b: 1, bad: 1, x: 1, poison: 1, y: 1 }
const SECOND = { ...FIRST, bad: 2, c: 2 }
const THIRD = { ...SECOND, x: 3, bad: 3 }

/** `bad` and `poison` are refused; `poison` is in a batch with `x` and `y`, and `bad` is superseded. */
const STEPS: Step[] = [
  write({ a: 1 }, { a: 1 }),
  write(FIRST, { b: 1, bad: 1 }, [{ x: 1, poison: 1, y: 1 }]),
  checkpoint(FIRST),
  write(SECOND, { bad: 2 }, { c: 2 }),
  write(THIRD, [{ x: 3, bad: 3 }]),
  checkpoint(THIRD),
  {
    run: async (memory, refusals) => {
      refusals.keys.delete('bad')
      await memory.deadLetters.replay()
    },
    after: THIRD,
  },
  write({ ...THIRD, y: 4 }, { y: 4 }),
  checkpoint({ ...THIRD, y: 4 }),
]

async function open(disk: SimulatedDisk, clock: ManualClock, refusals: Refusals): Promise<AgentMemory> {
  return openOn(disk, { clock, store: refusing(journalStore(disk), refusals), checkpointMs: 1_000_000 })
}

test('wherever the power goes, nothing is lost or half there, and what is refused is a dead letter once', async t => {
  const disk = new SimulatedDisk()
  const refusals = newRefusals('bad', 'poison')
  const memory = await open(disk, new ManualClock(), refusals)
  const moments: { disk: SimulatedDisk; keys: string[]; allowed: Content[] }[] = []
  let before: Content = {}
  for (const step of STEPS) {
    const allowed = [before, step.after]
    disk.onCall = () => void moments.push({ disk: disk.clone(), keys: [...refusals.keys], allowed })
    await step.run(memory, refusals)
    before = step.after
  }
  disk.onCall = undefined

  let states = 0
  for (const [index, moment] of moments.entries()) {
    for (const state of crashStates(moment.disk, { random: seededRandom(index), count: 8 })) {
      const where = `call ${index}, ${JSON.stringify(state.choice)}`
      await judge(state.disk, newRefusals(...moment.keys), moment.allowed, where)
      states += 1
    }
  }
  t.diagnostic(`${moments.length} calls of the disk, ${states} states`)
})

for (const when of ['before', 'after'] as const) {
  test(`wherever the store fails ${when} a commit, it comes to the same`, async t => {
    const applies = (await life({ at: -1, when })).applied
    for (let at = 1; at <= applies; at++) await life({ at, when })
    t.diagnostic(`${applies} commits`)
  })
}

async function life(fault: NonNullable<Refusals['fault']>): Promise<Refusals> {
  const disk = new SimulatedDisk()
  const clock = new ManualClock()
  const refusals = { ...newRefusals('bad', 'poison'), fault }
  const memory = await open(disk, clock, refusals)
  for (const { run, after } of STEPS) {
    await run(memory, refusals).catch(() => undefined)
    if (memory.status().store.state === 'down') {
      for (let n = 0; n < 1000 && memory.status().store.state === 'down'; n++) {
        clock.advance(200)
        await turns(3)
      }
      await run(memory, refusals)
    }
    assert.deepEqual(await contentOf(memory.map<number>('m')), after, `fault at commit ${fault.at}`)
  }
  const keys = memory.deadLetters.list().flatMap(({ writes }) => writes.map(({ segments }) => segments[0]!))
  assert.deepEqual(keys.sort(), ['poison'], `fault at commit ${fault.at}`)
  await judge(disk.clone(), newRefusals('poison'), [STEPS.at(-1)!.after], `fault at commit ${fault.at}`)
  return refusals
}

/** Opens what a crash has left, brings it to rest, mends the store, and compares at each step. */
async function judge(disk: SimulatedDisk, refusals: Refusals, allowed: Content[], where: string): Promise<void> {
  const memory = await open(disk, new ManualClock(), refusals)
  const content = await contentOf(memory.map<number>('m'))
  assert.ok(
    allowed.some(each => same(each, content)),
    `${where}: ${JSON.stringify(content)}`,
  )
  await memory.checkpoint()
  assert.deepEqual(await contentOf(memory.map<number>('m')), content, `${where}, in the store`)
  const letters = memory.deadLetters.list()
  const keys = letters.flatMap(({ writes }) => writes.map(({ segments }) => segments[0]!))
  assert.equal(new Set(keys).size, keys.length, `${where}: a key is in two letters: ${keys.join()}`)
  for (const { writes } of letters) {
    const names = writes.map(({ segments }) => segments[0]!)
    for (const { segments, value } of writes) assert.equal(value, content[segments[0]!], `${where}: ${segments[0]}`)
    assert.ok(names.some(name => ['bad', 'poison'].includes(name)) || names.join() === 'x', `${where}: ${names.join()}`)
  }
  for (const key of refusals.keys) assert.equal(keys.includes(key), key in content, `${where}: ${key} is in a letter`)

  refusals.keys.clear()
  assert.deepEqual((await memory.deadLetters.replay()).refused, [])
  await memory.close()
  const store = await journalStore(disk).open(false)
  const page = await store.page({ from: '', to: '\xff\xff', reverse: false, limit: 1000 })
  const stored = page.map(({ key }) => key.split('\0')[1]!).sort()
  assert.deepEqual(stored, Object.keys(content).sort(), `${where}: the store has just these`)
  await store.close()
  const after = await open(disk.clone(), new ManualClock(), refusals)
  assert.deepEqual(await contentOf(after.map<number>('m')), content, `${where}, mended`)
}

function same(a: Content, b: Content): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(key => a[key] === b[key])
}
