/**
 * What the lives have been told, and whether what the next one finds is what it must be: a prefix of all writes that
 * holds everything acknowledged as write-ahead or write-through, and all but the bound of write-back.
 */
import type { Durability, MaxLoss, Milestone } from '../../index.js'
import { type FoundEntry, KEYS, keyOf, textBytes } from './shape.js'

export interface Tally {
  acknowledged: number
  /** Of those, how many a kill has lost. */
  lost: number
}

interface Acknowledgement {
  serial: number
  durability: Durability
  reached: Milestone
}

const REACHES: Record<Durability, readonly Milestone[]> = {
  'write-back': ['tier', 'log', 'store'],
  'write-ahead': ['log', 'store'],
  'write-through': ['store'],
}

export class Ledger {
  readonly tallies: Record<Durability, Tally> = {
    'write-back': { acknowledged: 0, lost: 0 },
    'write-ahead': { acknowledged: 0, lost: 0 },
    'write-through': { acknowledged: 0, lost: 0 },
  }
  /** Promises that were not kept, in words. */
  readonly broken: string[] = []
  /** The most write-backs that one kill has lost. */
  lostAtOnceMax = 0
  readonly #bound: MaxLoss
  /** The newest write that was found: whatever happens, no later life finds less. */
  #kept = 0
  /** What the present life was told. */
  #acknowledged: Acknowledgement[] = []
  /** Which life wrote from which number on. */
  #lives: { life: number; from: number }[] = []

  constructor(bound: MaxLoss) {
    this.#bound = bound
  }

  acknowledged(acknowledgement: Acknowledgement): void {
    const { serial, durability, reached } = acknowledgement
    this.#acknowledged.push(acknowledgement)
    this.tallies[durability].acknowledged += 1
    if (REACHES[durability].includes(reached)) return
    this.broken.push(`write ${serial} asked for ${durability} and was acknowledged when it had reached the ${reached}`)
  }

  /** A life has found this. What it writes is numbered from behind it. */
  found(entries: readonly FoundEntry[], life: number): void {
    const newest = Math.max(0, ...entries.map(({ serial }) => serial))
    if (newest < this.#kept) {
      this.broken.push(`life ${life} has found ${newest} writes; an earlier one had found ${this.#kept}`)
    }
    this.#countLost(newest, life)
    this.#checkPrefix(entries, newest, life)
    this.#kept = newest
    this.#acknowledged = []
    // Lives of which nothing is left give their numbers away.
    this.#lives = this.#lives.filter(({ from }) => from <= newest)
    this.#lives.push({ life, from: newest + 1 })
  }

  #countLost(newest: number, life: number): void {
    let writes = 0
    let bytes = 0
    for (const { serial, durability, reached } of this.#acknowledged) {
      if (serial <= newest) continue
      this.tallies[durability].lost += 1
      if (reached === 'tier') {
        writes += 1
        bytes += textBytes(serial, this.#lives.at(-1)!.life)
      } else this.broken.push(`write ${serial} was acknowledged by the ${reached}, and life ${life} has not found it`)
    }
    this.lostAtOnceMax = Math.max(this.lostAtOnceMax, writes)
    if (writes > this.#bound.writes || bytes > this.#bound.bytes) {
      this.broken.push(`a kill has lost ${writes} writes (${bytes} bytes) of write-back, more than the bound`)
    }
  }

  /** Of each key the newest write up to the newest of all, by the life that wrote it, and nothing else. */
  #checkPrefix(entries: readonly FoundEntry[], newest: number, life: number): void {
    const byKey = new Map(entries.map(entry => [entry.key, entry]))
    for (let serial = Math.max(1, newest - KEYS + 1); serial <= newest; serial++) {
      const key = keyOf(serial)
      const entry = byKey.get(key)
      byKey.delete(key)
      const writer = this.#lives.findLast(({ from }) => from <= serial)?.life
      if (entry?.serial === serial && entry.life === writer && entry.isIntact) continue
      const there = entry === undefined ? 'nothing' : `write ${entry.serial} of life ${entry.life}`
      const damage = entry?.isIntact === false ? ', damaged,' : ''
      this.broken.push(`life ${life} has found ${there}${damage} where write ${serial} of life ${writer} must be`)
    }
    for (const key of byKey.keys()) this.broken.push(`life ${life} has found ${key}, which nobody has written`)
  }
}
