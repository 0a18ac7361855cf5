/**
 * The loss bound of write-back, enforced: how much has been acknowledged that a crash may lose, and whether one more
 * write may be acknowledged so.
 *
 * I4: `writes` and `bytes` are never exceeded, superseded writes count; `ms` runs from the acknowledgement to the end of
 * the sync, and while the oldest is over it nothing more is acknowledged as write-back.
 */

/** What a crash may lose of write-back, at most. */
export interface MaxLoss {
  /** Milliseconds from a write's acknowledgement to its being on stable storage. */
  ms: number
  /** Acknowledged writes; one that was superseded counts as well. */
  writes: number
  /** Bytes of encoded keys and values, after compression. */
  bytes: number
}

/** What is at risk now. `oldestMs` is the age of the oldest, 0 if there is none. */
export interface AtRisk {
  writes: number
  bytes: number
  oldestMs: number
}

interface Count {
  writes: number
  bytes: number
  /** When the first of them was acknowledged, on the monotonic clock. */
  since: number
}

// A flush starts well before a bound is reached: at half of it.
const FLUSH_AT = 0.5

export class LossBudget {
  readonly max: MaxLoss
  #open: Count = nothing()
  #framed: Count = nothing()

  constructor(max: MaxLoss) {
    this.max = max
  }

  /** Counts a write of `bytes` as acknowledged if the bound allows it. If not, it has to be acknowledged otherwise. */
  admit(bytes: number, now: number): boolean {
    if (this.max.ms === 0) return false
    const writes = this.#open.writes + this.#framed.writes + 1
    const total = this.#open.bytes + this.#framed.bytes + bytes
    if (writes > this.max.writes || total > this.max.bytes || this.#isOverdue(now)) return false
    if (this.#open.writes === 0) this.#open.since = now
    this.#open.writes += 1
    this.#open.bytes += bytes
    return true
  }

  /** Whether so much is at risk that a frame is due now. */
  get isPressing(): boolean {
    return this.#open.writes > this.max.writes * FLUSH_AT || this.#open.bytes > this.max.bytes * FLUSH_AT
  }

  /** When the frame for what is acknowledged must start at the latest, on the monotonic clock; `undefined` if nothing is. */
  get flushBy(): number | undefined {
    return this.#open.writes === 0 ? undefined : this.#open.since + this.max.ms * FLUSH_AT
  }

  /** When the bound of what is in the frame that is being written ends, on the monotonic clock. */
  get framedUntil(): number | undefined {
    return this.#framed.writes === 0 ? undefined : this.#framed.since + this.max.ms
  }

  /** Everything acknowledged so far is in the frame that is being written. */
  framed(): void {
    // After a failed frame its writes are still at risk when the next one takes them along.
    const older = this.#framed.writes > 0 ? this.#framed : this.#open
    this.#framed = {
      writes: this.#framed.writes + this.#open.writes,
      bytes: this.#framed.bytes + this.#open.bytes,
      since: older.since,
    }
    this.#open = nothing()
  }

  /** That frame is on stable storage. Returns by how many milliseconds the bound was overrun, 0 if it was kept. */
  synced(now: number): number {
    const age = this.#framed.writes === 0 ? 0 : now - this.#framed.since
    this.#framed = nothing()
    return Math.max(0, age - this.max.ms)
  }

  atRisk(now: number): AtRisk {
    const since = this.#oldest()
    return {
      writes: this.#open.writes + this.#framed.writes,
      bytes: this.#open.bytes + this.#framed.bytes,
      oldestMs: since === undefined ? 0 : now - since,
    }
  }

  #oldest(): number | undefined {
    if (this.#framed.writes > 0) return this.#framed.since
    return this.#open.writes > 0 ? this.#open.since : undefined
  }

  #isOverdue(now: number): boolean {
    const since = this.#oldest()
    return since !== undefined && now - since > this.max.ms
  }
}

function nothing(): Count {
  return { writes: 0, bytes: 0, since: 0 }
}
