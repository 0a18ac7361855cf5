/** Time, injected: tests move it by hand (`testing/manual-clock.ts`). */
export interface Clock {
  /** Milliseconds from any start, never set back: for ages, bounds and deadlines. */
  monotonicMs(): number
  /** Milliseconds since 1970: a hint for people, never for order, recovery or bounds. */
  wallMs(): number
  /** Calls `task` once, after `ms`. A timer keeps the process alive until it has fired or is cancelled. */
  after(ms: number, task: () => void): Timer
  /** The same for work that may as well be done at the next open: it does not keep the process alive. */
  afterIfAlive(ms: number, task: () => void): Timer
  /** Calls `task` once, after all that is ready now has run: the moment at which a group commit gathers. */
  soon(task: () => void): void
}

export interface Timer {
  cancel(): void
}

/** The real clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms)
    return { cancel: () => clearTimeout(timer) }
  },
  afterIfAlive(ms, task) {
    const timer = setTimeout(task, ms).unref()
    return { cancel: () => clearTimeout(timer) }
  },
  soon: task => {
    setImmediate(task)
  },
}
