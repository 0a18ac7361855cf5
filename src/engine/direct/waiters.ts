/** Those who wait for the store to have what was accepted, by this node's numbers of acceptance, which are no versions. */
import type { Fate } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Clock } from '../../io/clock.js'
import { outcomeUnknownError } from '../failures.js'

interface Waiter {
  number: number
  /** The last key that it wrote, whose version it is told. */
  key: EncodedKey | undefined
  resolve(version: Lsn): void
  reject(error: unknown): void
}

/** What the store has given an entry: which acceptance of it, and its version. */
export interface Given {
  number: number
  version: Lsn
}

export class Waiters {
  readonly #clock: Clock
  readonly #deadlineMs: number
  /** Why the store has not answered yet, if that is known. */
  readonly #cause: () => unknown
  #waiting: Waiter[] = []
  #stored = 0
  #stopError: unknown

  constructor(clock: Clock, deadlineMs: number, cause: () => unknown) {
    this.#clock = clock
    this.#deadlineMs = deadlineMs
    this.#cause = cause
  }

  /** The store has everything up to this number. */
  get stored(): number {
    return this.#stored
  }

  get count(): number {
    return this.#waiting.length
  }

  /** Calls `resolve` once the store has what was accepted up to a number; OUTCOME_UNKNOWN if that takes too long. */
  wait(
    number: number,
    key: EncodedKey | undefined,
    resolve: (version: Lsn) => void,
    reject: (error: unknown) => void,
  ): void {
    if (number <= this.#stored) {
      resolve(0)
      return
    }
    if (this.#stopError !== undefined) {
      reject(this.#stopError)
      return
    }
    const timer = this.#clock.after(this.#deadlineMs, () => {
      this.#waiting = this.#waiting.filter(each => each !== waiter)
      reject(outcomeUnknownError(this.#cause(), () => this.#fateOf(number)))
    })
    const waiter: Waiter = {
      number,
      key,
      resolve: version => {
        timer.cancel()
        resolve(version)
      },
      reject: error => {
        timer.cancel()
        reject(error)
      },
    }
    this.#waiting.push(waiter)
  }

  /** The store has everything up to a number; `given` is what that was, by key. */
  settle(number: number, given: ReadonlyMap<EncodedKey, Given>): void {
    this.#stored = number
    for (const waiter of this.#takeUpTo(number)) {
      const found = waiter.key === undefined ? undefined : given.get(waiter.key)
      // One that was superseded on its way never was a version of its key.
      waiter.resolve(found?.number === waiter.number ? found.version : 0)
    }
  }

  /** Nothing will be told any more of what was accepted up to a number but this error. */
  fail(number: number, error: unknown): void {
    for (const { reject } of this.#takeUpTo(number)) reject(error)
  }

  /** Nobody is told anything any more. What has been sent, up to a number, is of an unknown outcome. */
  stop(sentUpTo: number, error: unknown): void {
    this.#stopError = error
    this.fail(
      sentUpTo,
      outcomeUnknownError(error, () => Promise.reject(error)),
    )
    this.fail(Number.POSITIVE_INFINITY, error)
  }

  #takeUpTo(number: number): Waiter[] {
    const taken = this.#waiting.filter(each => each.number <= number)
    this.#waiting = this.#waiting.filter(each => each.number > number)
    return taken
  }

  #fateOf(number: number): Promise<Fate> {
    if (number <= this.#stored) return Promise.resolve('kept')
    if (this.#stopError !== undefined) return Promise.reject(this.#stopError)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ number, key: undefined, resolve: () => resolve('kept'), reject })
    })
  }
}
