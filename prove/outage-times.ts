/** How long calls took: counted in steps of two per cent, since there may be millions of them. */
import type { LaneFigures } from './outage-lanes.js'

const STEP = Math.log(1.02)
const MS_MIN = 0.001
/** Up to a minute and more. */
const STEPS = 1024

export class Times {
  readonly #counts = new Uint32Array(STEPS)
  #since = performance.now()

  add(ms: number): void {
    const step = Math.round(Math.log(Math.max(ms, MS_MIN) / MS_MIN) / STEP)
    this.#counts[Math.min(step, STEPS - 1)]! += 1
  }

  /** The figures since the last call. */
  take(): LaneFigures {
    const writes = this.#counts.reduce((sum, count) => sum + count, 0)
    const [medianMs, p99Ms] = [0.5, 0.99].map(share => this.#quantile(writes, share)) as [number | null, number | null]
    const now = performance.now()
    const seconds = (now - this.#since) / 1000
    this.#since = now
    this.#counts.fill(0)
    return { writes, seconds, medianMs, p99Ms }
  }

  #quantile(writes: number, share: number): number | null {
    let left = writes * share
    for (const [step, count] of this.#counts.entries()) {
      left -= count
      if (count > 0 && left <= 0) return MS_MIN * Math.exp(step * STEP)
    }
    return null
  }
}
