/**
 * What an outage must leave. Each lane wrote number after number to its slots in turn, so what is found there says how
 * far the lane has come, and whether a write on the way is missing.
 *
 * What a killed process acknowledged after it was last heard is not known here: its losses are counted from below.
 */
import type { Durability } from '../src/index.js'
import { type Acknowledged, indexOf, MAX_LOSS, SLOTS, type Tally, VALUE_BYTES } from './outage-lanes.js'

/** An entry as a new memory shows it after everything. */
export interface Found {
  value: string
  lsn: number
}

export interface Seen {
  lanes: readonly Durability[]
  /** What was heard last. */
  tally: Tally
  /** By lane and slot. */
  found: readonly (readonly (Found | undefined)[])[]
  /** What was heard before the writers were killed, and how long before that, in ms; `undefined` if they were not. */
  beforeKill: readonly { ms: number; acknowledged: readonly Acknowledged[] }[] | undefined
  during: During
}

/** While there was no store, for sure. */
export interface During {
  writes: Record<Durability, number>
  /** Write-throughs that were acknowledged, and reads that were answered, which only a store could have done. */
  stored: number
  storeReads: number
  /** Whether a write-through that began with the outage must have been told. */
  isLong: boolean
}

export interface Verdict {
  /** Acknowledged writes that are not there, though nothing allows it. */
  lost: number
  /** Acknowledged as write-back and lost with a killed process, which its bound allows. */
  lostWithinBound: number
  /** Whatever is wrong, the losses too. */
  broken: string[]
}

export function judge(seen: Seen): Verdict {
  const losses = lossesOf(seen)
  return { ...losses, broken: [...losses.broken, ...misbehaviour(seen)] }
}

function lossesOf({ lanes, tally, found, beforeKill }: Seen): Verdict {
  const broken: string[] = []
  let lost = 0
  let allowed = 0
  const newest = found.map(slots => Math.max(0, ...slots.map(each => indexOf(each?.value) ?? 0)))
  const lastLsn = Math.max(0, ...found.flat().map(each => each?.lsn ?? 0))
  for (const [lane, { index, lsn }] of tally.acknowledged.entries()) {
    const name = `lane ${lane} (${lanes[lane]})`
    const wrong = found[lane]!.flatMap((each, slot) => wrongIn(slot, each, newest[lane]!) ?? [])
    broken.push(...wrong.map(text => `${name}, order: ${text}`))
    lost += wrong.length
    const missing = Math.max(0, index - newest[lane]!)
    if (missing === 0) continue
    const isAllowed = beforeKill !== undefined && lanes[lane] === 'write-back'
    if (isAllowed) allowed += missing
    else {
      lost += missing
      broken.push(`${name}: ${missing} lost, up to number ${index}`)
    }
    // What survives is a prefix of everything: no later write of anybody may be there without it.
    if (lsn <= lastLsn) broken.push(`${name}, order: LSN ${lsn} is lost, and LSN ${lastLsn} is there`)
  }
  return { lost, lostWithinBound: allowed, broken: [...broken, ...overBound(allowed, newest, beforeKill, tally)] }
}

/** What is wrong with a slot of a lane whose newest write has that number. */
function wrongIn(slot: number, found: Found | undefined, newest: number): string | undefined {
  const expected = newest - ((newest - slot + SLOTS) % SLOTS)
  const index = indexOf(found?.value)
  if (expected <= 0 ? found === undefined : index === expected) return undefined
  const has = found === undefined ? 'nothing' : (index ?? `what nobody has written (${found.value.slice(0, 20)})`)
  return `slot ${slot} has ${has}, and number ${newest} of the lane is there`
}

function overBound(
  writes: number,
  newest: readonly number[],
  beforeKill: Seen['beforeKill'],
  { overrunMs }: Tally,
): string[] {
  const broken: string[] = []
  if (writes > MAX_LOSS.writes) broken.push(`the bound: ${writes} writes of write-back lost`)
  // At least so many: keys and what stands around a value count as well.
  const bytes = writes * VALUE_BYTES
  if (bytes > MAX_LOSS.bytes) broken.push(`the bound: ${bytes} bytes of write-back lost`)
  const old = (beforeKill ?? []).filter(({ ms }) => ms > MAX_LOSS.ms + overrunMs).at(-1)
  const tooOld = old?.acknowledged.findIndex(({ index }, lane) => index > newest[lane]!) ?? -1
  if (tooOld >= 0) broken.push(`the bound: what lane ${tooOld} was told ${old!.ms.toFixed(0)} ms before is lost`)
  return broken
}

function misbehaviour({ tally, during }: Seen): string[] {
  const { stored, storeReads, isLong, writes } = during
  const wrong: [boolean, string][] = [
    [stored > 0, `${stored} write-throughs were acknowledged by a store that was not there`],
    [storeReads > 0, `${storeReads} reads were answered by a store that was not there`],
    [isLong && tally.behind === 0, 'no write-through was told STORE_BEHIND'],
    [tally.notKept > 0, `${tally.notKept} writes that were told STORE_BEHIND were not kept`],
    [tally.wrongReads > 0, `${tally.wrongReads} reads have not given what was just written`],
    [writes['write-back'] === 0, 'write-back stood still'],
    [writes['write-ahead'] === 0, 'write-ahead stood still'],
  ]
  return wrong.filter(([isBroken]) => isBroken).map(([, text]) => text)
}
