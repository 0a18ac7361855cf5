/**
 * Compares what a crash has left with what was acknowledged before it, write by write, by LSN.
 *
 * All that was accepted is one list, in the order of the LSNs. What is found must be what some prefix of that list leads
 * to: each value the newest of its key within it. Acknowledged writes behind the prefix are lost.
 */
import { isDeepStrictEqual } from 'node:util'
import { DURABILITIES, type Durability, MILESTONE } from '../src/policy/durability.js'
import type { Life } from './life.js'
import { type FoundEntry, MAX_LOSS } from './memory.js'
import { bytesOf, type Plan } from './plan.js'

/** What was found at the last opening: the newest LSN of each key, and which write it came from. */
export type Found = ReadonlyMap<string, { lsn: number; index: number }>

export type PerDurability = Record<Durability, number>

export interface Loss {
  writes: number
  bytes: number
  ms: number
}

export interface Verdict {
  acknowledged: PerDurability
  lost: PerDurability
  /** Acknowledged writes that had reached the log or the store, and are gone. */
  durableLost: number
  /** What is gone of what was only promised within the loss bound. */
  loss: Loss
  /** Each a sentence about a promise that was not kept. */
  broken: string[]
  found: Found
  /** The first write of this life that is not both acknowledged and there. */
  unconfirmed: number
}

export function perDurability(): PerDurability {
  return { 'write-back': 0, 'write-ahead': 0, 'write-through': 0 }
}

/** `entries` is everything in the memory after the crash; `undefined` if it could not be opened. */
export function verify(
  plan: Plan,
  before: Found,
  life: Life,
  entries: readonly FoundEntry[],
  crashedAt: number,
): Verdict {
  const found = new Map<string, { lsn: number; index: number }>()
  const broken: string[] = []
  for (const entry of entries) {
    const index =
      entry.version <= life.baseLsn ? before.get(entry.id)?.index : life.from + entry.version - life.lsnOf(life.from)
    if (!isOf(plan, before, life, entry, index)) {
      broken.push(`${entry.id} has a value, under LSN ${entry.version}, that was never written`)
    }
    found.set(entry.id, { lsn: entry.version, index: index ?? -1 })
  }
  for (const [id, { lsn }] of before) {
    if ((found.get(id)?.lsn ?? 0) < lsn) broken.push(`${id} was there after an earlier crash and is gone`)
  }
  return judge(plan, life, found, crashedAt, broken)
}

/** The verdict on a memory that could not be opened: everything is lost. */
export function verifyUnreadable(plan: Plan, life: Life, error: unknown, crashedAt: number): Verdict {
  const { code, message } = error as { code?: string; message: string }
  return judge(plan, life, new Map(), crashedAt, [`the memory could not be opened: ${code ?? message}`])
}

function isOf(plan: Plan, before: Found, life: Life, entry: FoundEntry, index: number | undefined): boolean {
  const op = index === undefined ? undefined : plan.ops[index]
  if (op === undefined || op.id !== entry.id || !isDeepStrictEqual(op.value, entry.value)) return false
  if (entry.version <= life.baseLsn) return before.get(entry.id)!.lsn === entry.version
  return index! < life.issuedTo
}

function judge(plan: Plan, life: Life, found: Found, crashedAt: number, broken: string[]): Verdict {
  const acknowledged = perDurability()
  const lost = perDurability()
  const loss: Loss = { writes: 0, bytes: 0, ms: 0 }
  let durableLost = 0
  let firstMissing = Infinity
  let unconfirmed: number | undefined
  for (let index = life.from; index < life.issuedTo; index++) {
    const op = plan.ops[index]!
    const lsn = life.lsnOf(index)
    const ack = life.acks.get(index)
    const isThere = (found.get(op.id)?.lsn ?? 0) >= lsn
    if (!isThere) firstMissing = Math.min(firstMissing, lsn)
    if (!isThere || ack === undefined) unconfirmed ??= index
    if (ack === undefined) continue
    acknowledged[op.durability] += 1
    if (ack.lsn !== lsn) broken.push(`${op.id} was acknowledged under LSN ${ack.lsn} and accepted as number ${lsn}`)
    if (ack.reached !== MILESTONE[op.durability] && op.durability !== 'write-back') {
      broken.push(`${op.id} (${op.durability}) was acknowledged when it had reached the ${ack.reached} only`)
    }
    if (isThere) continue
    lost[op.durability] += 1
    if (ack.reached !== 'tier') durableLost += 1
    else {
      loss.writes += 1
      loss.bytes += bytesOf(op)
      loss.ms = Math.max(loss.ms, crashedAt - ack.at)
    }
  }
  if (durableLost > 0) broken.push(`${durableLost} writes were lost that had been acknowledged as on stable storage`)
  broken.push(...overBound(loss))
  for (const [id, { lsn }] of found) {
    if (lsn > life.baseLsn && lsn > firstMissing)
      broken.push(`${id} is there, under LSN ${lsn}, without LSN ${firstMissing}`)
  }
  return { acknowledged, lost, durableLost, loss, broken, found, unconfirmed: unconfirmed ?? life.issuedTo }
}

function overBound({ writes, bytes, ms }: Loss): string[] {
  const over: string[] = []
  if (writes > MAX_LOSS.writes) over.push(`${writes} write-backs were lost; the bound is ${MAX_LOSS.writes}`)
  if (bytes > MAX_LOSS.bytes) over.push(`${bytes} bytes of write-backs were lost; the bound is ${MAX_LOSS.bytes}`)
  if (ms > MAX_LOSS.ms) over.push(`a write-back ${Math.round(ms)} ms old was lost; the bound is ${MAX_LOSS.ms} ms`)
  return over
}

/** What many crashes have done, summed up. */
export class Tally {
  crashes = 0
  readonly acknowledged = perDurability()
  readonly lost = perDurability()
  durableLost = 0
  /** The most that a single crash has lost of write-back. */
  readonly worst: Loss = { writes: 0, bytes: 0, ms: 0 }
  readonly broken: string[] = []

  add(verdict: Verdict, where: string): void {
    this.crashes += 1
    this.durableLost += verdict.durableLost
    for (const durability of DURABILITIES) {
      this.acknowledged[durability] += verdict.acknowledged[durability]
      this.lost[durability] += verdict.lost[durability]
    }
    for (const unit of ['writes', 'bytes', 'ms'] as const) {
      this.worst[unit] = Math.max(this.worst[unit], verdict.loss[unit])
    }
    for (const sentence of verdict.broken) this.broken.push(`${where}: ${sentence}`)
  }
}
