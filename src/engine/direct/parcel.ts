/**
 * What is sent to the store at once: everything that was accepted, and the calls that go with it. If the store refuses that
 * for something in it, it is sent again in halves, down to the one write, batch or call that is to blame.
 */
import type { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { Timer } from '../../io/clock.js'
import type { DirectUnit, DirectWrite } from '../../stores/direct-store.js'
import type { Entry } from '../../tier/entry.js'
import { Batches } from '../batches.js'
import type { PlannedCall } from './plan.js'
import type { Given } from './waiters.js'

/** What is accepted until the next parcel is made, and what comes of it. */
export interface Round {
  /** Everything accepted up to here is in it, or was before. */
  lastNumber: number
  /** Which of its writes were accepted together. */
  readonly batches: Batches
  /** What the store has given its entries. */
  readonly given: Map<EncodedKey, Given>
  /** Keys of which the store has refused what stands here for them. */
  readonly refusals: Map<EncodedKey, AgentMemoryError>
  /** They tell of loss bounds that are overrun. */
  watch: Timer[]
}

/** An entry as it was when its round was sent: a newer write may have changed it since. */
export interface ParcelEntry {
  entry: Entry
  number: number
  write: DirectWrite
}

export interface Parcel {
  round: Round
  entries: readonly ParcelEntry[]
  calls: readonly PlannedCall[]
}

export function newRound(): Round {
  return { lastNumber: 0, batches: new Batches(), given: new Map(), refusals: new Map(), watch: [] }
}

/** The units of a parcel: entries depend on nothing, so that they can be one. */
export function unitsOf({ entries, calls }: Parcel): DirectUnit[] {
  const units = calls.map(({ unit }) => unit)
  return entries.length === 0 ? units : [entries.map(({ write }) => write), ...units]
}

/** A parcel in two, in the order of acceptance; `undefined` if all of it belongs together. */
export function halvesOf({ round, entries, calls }: Parcel): [Parcel, Parcel] | undefined {
  const batches = batchesOf(round, entries)
  const count = batches.length + calls.length
  if (count === 1) return undefined
  const middle = count >>> 1
  const callsFirst = Math.max(0, middle - batches.length)
  return [
    { round, entries: batches.slice(0, middle).flat(), calls: calls.slice(0, callsFirst) },
    { round, entries: batches.slice(middle).flat(), calls: calls.slice(callsFirst) },
  ]
}

function batchesOf({ batches }: Round, entries: readonly ParcelEntry[]): ParcelEntry[][] {
  const found = new Map<number, ParcelEntry[]>()
  for (const each of entries) {
    const number = batches.of(each.entry.key, each.number)
    const batch = found.get(number)
    if (batch === undefined) found.set(number, [each])
    else batch.push(each)
  }
  return [...found].sort(([a], [b]) => a - b).map(([, batch]) => batch)
}
