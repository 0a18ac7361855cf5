/** What has been told of one life of a memory, from its opening to a crash: which writes were made, which acknowledged. */
import type { Milestone } from '../src/index.js'

export interface Ack {
  lsn: number
  reached: Milestone
  /** How long the call took. */
  ms: number
  /** When it was told, on the machine's monotonic clock, in ms. */
  at: number
}

export class Life {
  /** The number of the first write. */
  readonly from: number
  /** The newest LSN when the memory was opened: the first write gets the next one. */
  readonly baseLsn: number
  /** Writes up to it, not included, may have been made. */
  issuedTo: number
  readonly acks: Map<number, Ack>

  constructor(from: number, baseLsn: number, issuedTo = from, acks = new Map<number, Ack>()) {
    this.from = from
    this.baseLsn = baseLsn
    this.issuedTo = issuedTo
    this.acks = acks
  }

  get inFlight(): number {
    return this.issuedTo - this.from - this.acks.size
  }

  /** Writes are accepted in the order in which they are made. */
  lsnOf(index: number): number {
    return this.baseLsn + 1 + index - this.from
  }

  /** As it is now; this one goes on. */
  copy(): Life {
    return new Life(this.from, this.baseLsn, this.issuedTo, new Map(this.acks))
  }
}

/** Milliseconds on the machine's monotonic clock, the same in every process. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
