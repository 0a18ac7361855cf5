/** What the process of `prove outage` writes and says, and what may be missing of it. */
import type { Durability } from '../src/index.js'

/** One writer each, which waits for its answer before it writes again. */
export const LANES: readonly Durability[] = [
  'write-back',
  ...Array.from({ length: 8 }, () => 'write-ahead' as const),
  ...Array.from({ length: 8 }, () => 'write-through' as const),
]

/** Keys of a lane, written in turn: values rise. */
export const SLOTS = 500

/** The loss bound of write-back, by default. */
const WRITES_MAX = 10_000

export type OutageReport =
  | { kind: 'open' }
  | { kind: 'acknowledged'; acknowledged: number[]; behind: number }
  | { kind: 'drained'; entries: number; ms: number }

/** What is wrong with the value of a slot, given how far its lane was acknowledged. */
export function wrongIn(lane: number, slot: number, value: number | undefined, last: number, isKilled: boolean) {
  const mayLose = isKilled && LANES[lane] === 'write-back' ? WRITES_MAX : 0
  const promised = last - mayLose
  // The newest write to the slot among those that were promised.
  const newest = promised - ((promised - slot + SLOTS) % SLOTS)
  if (newest <= 0 || (value ?? 0) >= newest) return undefined
  return `lane ${lane} (${LANES[lane]}): slot ${slot} has ${value}, and ${newest} was acknowledged`
}
