/** The fate of the writes that one failure has put in doubt: told to all of them at once. */
import type { Fate } from '../core/errors.js'

export class Settlement {
  readonly promise: Promise<Fate>
  #resolve!: (fate: Fate) => void
  #reject!: (error: unknown) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Nobody has to ask, and an answer that nobody asked for is not an unhandled rejection.
    this.promise.catch(() => {})
  }

  settle(fate: Fate): void {
    this.#resolve(fate)
  }

  /** The memory is closed before the fate is known: the next open decides. */
  abandon(error: unknown): void {
    this.#reject(error)
  }
}
