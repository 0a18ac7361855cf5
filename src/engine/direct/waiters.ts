/** Those who wait for the store to have what was accepted, by this node's numbers of acceptance, which are no versions. */
import type { Fate } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Clock } from '../../io/clock.js'
import { outcomeUnknownError } from '../failures.js'

export interface Waiter {
  number: number
  /** The last key that it wrote, whose version it is told. */
  key: EncodedKey | undefined
  resolve(version: Lsn): void
  reject(error: unknown): void
  /** Why the store does not have what it wrote, although it has answered for everything up to its number. */
  refusal(): unknown
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

  /** The store has answered for everything up to this number. */
  get stored(): number {
    return this.#stored
  }

  get count(): number {
    return this.#waiting.length
  }

  /** Answers once the store has what was accepted up to a number; OUTCOME_UNKNOWN if that takes too long. */
  wait(asked: Waiter): void {
    if (asked.number <= this.#stored) {
      answer(asked, 0)
      return
    }
    if (this.#stopError !== undefined) {
      asked.reject(this.#stopError)
      return
    }
    const timer = this.#clock.after(this.#deadlineMs, () => {
      this.#waiting = this.#waiting.filter(each => each !== waiter)
      asked.reject(outcomeUnknownError(this.#cause(), () => this.#fateOf(asked)))
    })
    const waiter: Waiter = {
      ...asked,
      resolve: version => {
        timer.cancel()
        asked.resolve(version)
      },
      reject: error => {
        timer.cancel()
        asked.reject(error)
      },
    }
    this.#waiting.push(waiter)
  }

  /** The store has answered for everything up to a number; `given` is what it has of that, by key. */
  settle(number: number, given: ReadonlyMap<EncodedKey, Given>): void {
    this.#stored = number
    for (const waiter of this.#takeUpTo(number)) answer(waiter, versionFor(waiter, given) ?? 0)
  }

  /**
   * Nothing will be told any more of what was accepted up to a number but this error; or that the store has it already, as
   * `given` says.
   */
  fail(number: number, error: unknown, given: ReadonlyMap<EncodedKey, Given> = new Map()): void {
    for (const waiter of this.#takeUpTo(number)) {
      const version = versionFor(waiter, given)
      if (version !== undefined) waiter.resolve(version)
      else waiter.reject(waiter.refusal() ?? error)
    }
  }

  /** Nobody is told anything any more. What has been sent, up to a number, is of an unknown outcome, but for what `given` says. */
  stop(sentUpTo: number, error: unknown, given?: ReadonlyMap<EncodedKey, Given>): void {
    this.#stopError = error
    const unknown = outcomeUnknownError(error, () => Promise.reject(error))
    this.fail(sentUpTo, unknown, given)
    this.fail(Number.POSITIVE_INFINITY, error)
  }

  #takeUpTo(number: number): Waiter[] {
    const taken = this.#waiting.filter(each => each.number <= number)
    this.#waiting = this.#waiting.filter(each => each.number > number)
    return taken
  }

  #fateOf(asked: Waiter): Promise<Fate> {
    const fate = () => (asked.refusal() === undefined ? 'kept' : 'lost')
    if (asked.number <= this.#stored) return Promise.resolve(fate())
    if (this.#stopError !== undefined) return Promise.reject(this.#stopError)
    return new Promise((resolve, reject) => {
      const { number, key } = asked
      this.#waiting.push({ number, key, resolve: () => resolve(fate()), reject, refusal: () => undefined })
    })
  }
}

function answer(waiter: Waiter, version: Lsn): void {
  const refusal = waiter.refusal()
  if (refusal === undefined) waiter.resolve(version)
  else waiter.reject(refusal)
}

/** 0 for a write that was superseded on its way: it never was a version of its key. */
function versionFor({ key, number }: Waiter, given: ReadonlyMap<EncodedKey, Given>): Lsn | undefined {
  const found = key === undefined ? undefined : given.get(key)
  if (found === undefined || found.number < number) return undefined
  return found.number === number ? found.version : 0
}
