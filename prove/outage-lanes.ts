/** What the process of `prove outage` writes and says. */
import type { Durability } from '../src/index.js'

/** One writer each, which waits for its answer before it writes again. */
export function lanesOf(writersOfEach: number): Durability[] {
  return (['write-back', 'write-ahead', 'write-through'] as const).flatMap(durability =>
    Array.from({ length: writersOfEach }, () => durability),
  )
}

/** Keys of a lane, written in turn: write number n goes to slot n modulo this. */
export const SLOTS = 32

/** The loss bound of write-back, which is the default one. */
export const MAX_LOSS = { ms: 1000, writes: 10_000, bytes: 1 << 20 }

export const VALUE_BYTES = 300

export function textOfWrite(index: number): string {
  return `${index} `.padEnd(VALUE_BYTES, '·outage')
}

/** The number of the write that has left a value; `undefined` for none, and for what nobody has written. */
export function indexOf(value: string | undefined): number | undefined {
  const index = Number.parseInt(value ?? '', 10)
  return value === textOfWrite(index) ? index : undefined
}

/** How far a lane was acknowledged: its last write, and the LSN of that. */
export interface Acknowledged {
  index: number
  lsn: number
}

/** What has come of the calls so far. */
export interface Tally {
  acknowledged: Acknowledged[]
  /** Write-throughs that the store has acknowledged. */
  stored: number
  /** Write-throughs that were told STORE_BEHIND, and those of them whose fate was told as kept, and otherwise. */
  behind: number
  kept: number
  notKept: number
  /** Reads of keys that only the store could know: answered, and refused with STORE_DOWN. */
  storeReads: number
  storeReadsRefused: number
  /** Reads of what was just written that have not given it. */
  wrongReads: number
  /** Longest overrun of the loss bound that an event has told, in ms. */
  overrunMs: number
}

/** What the writers of one durability did between two asks. */
export interface LaneFigures {
  writes: number
  /** Between the two. */
  seconds: number
  /** Of an acknowledgement, in ms; `null` for none. */
  medianMs: number | null
  p99Ms: number | null
}

export interface Drained {
  /** Entries and bytes that went to the store since it was back, the writes that they stand for, and how long that took. */
  entries: number
  bytes: number
  writes: number
  ms: number
}

export type Phase = Record<Durability, LaneFigures>

export type OutageReport =
  | { kind: 'open' }
  | { kind: 'tally'; tally: Tally }
  | { kind: 'phase'; phase: Phase }
  | { kind: 'drained'; drained: Drained; tally: Tally }
