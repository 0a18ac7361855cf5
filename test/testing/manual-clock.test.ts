import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../src/testing/manual-clock.js'

test('timers fire in the order in which they fall due, each at its own moment', () => {
  const clock = new ManualClock()
  const fired: string[] = []
  const note = (name: string) => () => void fired.push(`${name} at ${clock.monotonicMs()}`)
  clock.after(20, note('b'))
  clock.after(10, note('a'))
  clock.after(20, note('c'))
  clock.after(21, note('late'))

  clock.advance(20)

  assert.deepEqual(fired, ['a at 10', 'b at 20', 'c at 20'])
  assert.equal(clock.monotonicMs(), 20)
  assert.equal(clock.timers, 1)
})

test('a timer that a timer makes fires in the same advance if it falls due', () => {
  const clock = new ManualClock()
  const fired: number[] = []
  const again = () => {
    fired.push(clock.monotonicMs())
    clock.after(10, again)
  }
  clock.after(10, again)

  clock.advance(35)

  assert.deepEqual(fired, [10, 20, 30])
})

test('a cancelled timer does not fire, and time does not go back', () => {
  const clock = new ManualClock()
  clock.after(1, () => assert.fail('it was cancelled')).cancel()
  clock.advance(5)

  assert.throws(() => clock.advance(-1), RangeError)
  assert.equal(clock.monotonicMs(), 5)
})

test('wall time moves along, and jumps alone when it is set', () => {
  const clock = new ManualClock({ wallMs: 1000 })
  clock.advance(5)
  assert.equal(clock.wallMs(), 1005)

  clock.setWall(10)
  clock.advance(1)
  assert.equal(clock.wallMs(), 11)
  assert.equal(clock.monotonicMs(), 6)
})

test('soon runs without an advance, after the promises that are ready', async () => {
  const clock = new ManualClock()
  const order: string[] = []
  const ran = new Promise<void>(resolve =>
    clock.soon(() => {
      order.push('soon')
      resolve()
    }),
  )
  void Promise.resolve().then(() => order.push('promise'))
  await ran

  assert.deepEqual(order, ['promise', 'soon'])
})
