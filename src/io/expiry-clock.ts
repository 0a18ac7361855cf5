/**
 * The time that expiry goes by: wall time, so that it means the same after a restart, but never set back while the
 * memory is open. What a reader has once seen as expired stays so, and a clock set back does not lengthen a TTL: the
 * time then goes on from where it was, as fast as the monotonic clock does. Set forward, it follows.
 *
 * This and the hint in a frame's header are all that wall time is used for: order, recovery and loss bounds never see it.
 */
import type { Clock } from './clock.js'

export class ExpiryClock {
  readonly #clock: Clock
  #nowMs: number
  #monotonicMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#nowMs = Math.floor(clock.wallMs())
    this.#monotonicMs = clock.monotonicMs()
  }

  /** Milliseconds since 1970, whole. */
  now(): number {
    const monotonicMs = this.#clock.monotonicMs()
    // Only whole milliseconds are taken, so that the rest is not lost by asking often.
    const passedMs = Math.floor(monotonicMs - this.#monotonicMs)
    this.#monotonicMs += passedMs
    this.#nowMs = Math.max(Math.floor(this.#clock.wallMs()), this.#nowMs + passedMs)
    return this.#nowMs
  }
}
