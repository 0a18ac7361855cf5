/** A clock that a test moves by hand, so that ages, bounds and deadlines need no sleeps. */
import type { Clock, Timer } from '../io/clock.js'

interface Waiting {
  dueMs: number
  task: () => void
}

export interface ManualClockOptions {
  /** Where wall time starts, in milliseconds since 1970. It then moves along with `advance`. */
  wallMs?: number
  /**
   * How `soon` tasks run. By default through a real `setImmediate`: it needs no `advance`, and lets the promises that
   * are ready run first, as with the system clock. A test that wants to choose the moment gives its own.
   */
  soon?: (task: () => void) => void
}

/**
 * Time stands still but for `advance`, which fires what falls due, in order.
 *
 * It calls the tasks and returns: promises that they settle have not run on by then. Await a turn of the event loop
 * (`await new Promise(setImmediate)`) before looking at what they did.
 */
export class ManualClock implements Clock {
  #nowMs = 0
  #wallAheadMs: number
  readonly #soon: (task: () => void) => void
  readonly #waiting = new Set<Waiting>()

  constructor({ wallMs = Date.UTC(2024, 0, 1), soon = setImmediate }: ManualClockOptions = {}) {
    this.#wallAheadMs = wallMs
    this.#soon = task => void soon(task)
  }

  /** How many timers have neither fired nor been cancelled. */
  get timers(): number {
    return this.#waiting.size
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs + this.#wallAheadMs
  }

  after(ms: number, task: () => void): Timer {
    const waiting = { dueMs: this.#nowMs + Math.max(0, ms), task }
    this.#waiting.add(waiting)
    return { cancel: () => void this.#waiting.delete(waiting) }
  }

  afterIfAlive(ms: number, task: () => void): Timer {
    return this.after(ms, task)
  }

  soon(task: () => void): void {
    this.#soon(task)
  }

  /**
   * Moves time on and fires the timers that fall due on the way, the earliest first, each at its own moment; among
   * equals the first made. Timers that they make fire as well if they fall due on the way.
   */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`Time does not go back: ${ms} ms`)
    const endMs = this.#nowMs + ms
    for (let next = this.#earliest(endMs); next !== undefined; next = this.#earliest(endMs)) {
      this.#waiting.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.task()
    }
    this.#nowMs = endMs
  }

  /** Sets wall time only, forwards or back, as a person or NTP does. */
  setWall(ms: number): void {
    this.#wallAheadMs = ms - this.#nowMs
  }

  #earliest(endMs: number): Waiting | undefined {
    let earliest: Waiting | undefined
    for (const waiting of this.#waiting) {
      if (waiting.dueMs <= endMs && waiting.dueMs < (earliest?.dueMs ?? Infinity)) earliest = waiting
    }
    return earliest
  }
}
