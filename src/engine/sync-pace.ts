/**
 * Whether the next frame may be written and synced on the event loop. That saves a hop through the thread pool, which
 * costs as much as the sync itself on a fast disk, but holds up everything else for as long as the sync takes.
 *
 * The stated bound: after a sync that has taken longer than LOOP_BLOCK_MS_MAX, or for a frame larger than
 * LOOP_FRAME_BYTES_MAX, the thread pool is used, until one of its frames has been faster or POOL_MS are over.
 */
import type { Clock } from '../io/clock.js'

export const LOOP_BLOCK_MS_MAX = 10
const LOOP_FRAME_BYTES_MAX = 1 << 20
const POOL_MS = 1000

export class SyncPace {
  readonly #clock: Clock
  #poolUntil = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  mayBlock(bytes: number): boolean {
    return bytes <= LOOP_FRAME_BYTES_MAX && this.#clock.monotonicMs() >= this.#poolUntil
  }

  /**
   * Tells how long a frame has taken, wherever it was written: one that was fast in the pool ends the pool's turn, so
   * that a single hiccup of the disk costs a hop and not a second of them.
   */
  took(ms: number): void {
    this.#poolUntil = ms > LOOP_BLOCK_MS_MAX ? this.#clock.monotonicMs() + POOL_MS : Number.NEGATIVE_INFINITY
  }
}
