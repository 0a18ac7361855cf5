import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { strongest } from '../../src/policy/durability.js'
import { LossBudget, type MaxLoss } from '../../src/policy/loss-budget.js'
import { ManualClock } from '../../src/testing/manual-clock.js'

const WIDE: MaxLoss = { ms: 1000, writes: 100, bytes: 10_000 }

type Step = { kind: 'admit'; bytes: number } | { kind: 'framed' } | { kind: 'synced' } | { kind: 'wait'; ms: number }

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('admit' as const), bytes: fc.nat(400) }) },
    { weight: 2, arbitrary: fc.constantFrom({ kind: 'framed' as const }, { kind: 'synced' as const }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(60) }) },
  ),
  { maxLength: 60, size: 'max' },
)

test('whatever the sequence, no more is at risk than the bound, and nothing is refused that it allows', () => {
  const bound = fc.record({ ms: fc.integer({ min: 1, max: 100 }), writes: fc.nat(12), bytes: fc.nat(1500) })
  fc.assert(
    fc.property(bound, steps, (max, sequence: Step[]) => {
      const clock = new ManualClock()
      const budget = new LossBudget(max)
      // The model: each acknowledged write with its time; framed ones stay at risk until the sync.
      let open: { bytes: number; at: number }[] = []
      let framed: { bytes: number; at: number }[] = []
      for (const step of sequence) {
        const now = clock.monotonicMs()
        if (step.kind === 'wait') clock.advance(step.ms)
        else if (step.kind === 'framed') {
          budget.framed()
          framed = [...framed, ...open]
          open = []
        } else if (step.kind === 'synced') {
          const overrun = budget.synced(now)
          assert.equal(overrun, Math.max(0, ...framed.map(({ at }) => now - at - max.ms)))
          framed = []
        } else {
          const all = [...framed, ...open]
          const isAllowed =
            all.length + 1 <= max.writes &&
            sum(all) + step.bytes <= max.bytes &&
            all.every(({ at }) => now - at <= max.ms)
          assert.equal(budget.admit(step.bytes, now), isAllowed)
          if (isAllowed) open.push({ bytes: step.bytes, at: now })
        }
        const all = [...framed, ...open]
        const oldestMs = all.length === 0 ? 0 : clock.monotonicMs() - all[0]!.at
        assert.deepEqual(budget.atRisk(clock.monotonicMs()), { writes: all.length, bytes: sum(all), oldestMs })
        assert.ok(all.length <= max.writes && sum(all) <= max.bytes)
      }
    }),
    { numRuns: 2000 },
  )
})

test('a bound of no writes, no bytes or no time admits nothing', () => {
  for (const part of [{ writes: 0 }, { bytes: 0 }, { ms: 0 }]) {
    assert.equal(new LossBudget({ ...WIDE, ...part }).admit(1, 0), false, JSON.stringify(part))
  }
})

test('a flush is due well before each bound is reached', () => {
  const byWrites = new LossBudget({ ...WIDE, writes: 10 })
  for (let count = 0; count < 6; count++) byWrites.admit(1, 0)
  assert.ok(byWrites.isPressing)

  const byBytes = new LossBudget(WIDE)
  byBytes.admit(5001, 0)
  assert.ok(byBytes.isPressing)

  const byTime = new LossBudget(WIDE)
  assert.equal(byTime.flushBy, undefined)
  byTime.admit(1, 200)
  byTime.admit(1, 600)
  assert.equal(byTime.flushBy, 700)
})

test('a frame that failed leaves its writes at risk until a later one is synced', () => {
  const budget = new LossBudget({ ...WIDE, writes: 3 })
  budget.admit(1, 0)
  budget.framed()
  budget.admit(1, 10)
  budget.framed()
  budget.admit(1, 20)

  assert.equal(budget.admit(1, 30), false)
  assert.equal(budget.atRisk(30).oldestMs, 30)
  assert.equal(budget.synced(30), 0)
  assert.deepEqual(budget.atRisk(30), { writes: 1, bytes: 1, oldestMs: 10 })
})

test('while the oldest write is over the time, nothing more is admitted, and its sync tells by how much', () => {
  const budget = new LossBudget(WIDE)
  budget.admit(1, 0)
  assert.ok(budget.admit(1, 1000))
  assert.equal(budget.admit(1, 1001), false)
  budget.framed()
  assert.equal(budget.admit(1, 1500), false)

  assert.equal(budget.synced(1700), 700)
  assert.ok(budget.admit(1, 1700))
})

test('a batch is as durable as the strongest of its writes', () => {
  assert.equal(strongest([]), undefined)
  assert.equal(strongest(['write-back']), 'write-back')
  assert.equal(strongest(['write-back', 'write-through', 'write-ahead']), 'write-through')
})

function sum(writes: readonly { bytes: number }[]): number {
  return writes.reduce((total, { bytes }) => total + bytes, 0)
}
