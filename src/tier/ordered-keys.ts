/**
 * The keys that the data store does not have yet, in order, for scans.
 *
 * A write only appends its key to a list; the order is made when somebody scans. Keys then stand in sorted runs whose
 * sizes grow geometrically, so that a scan sorts only what came since the last one, and runs are merged as in an LSM
 * tree. A key may stand in several runs, and may have left meanwhile: `isWanted` decides when it is read.
 */
import type { EncodedKey } from '../core/key.js'

export interface KeyRange {
  /** Included. */
  from: EncodedKey
  /** Not included. */
  to: EncodedKey
  reverse: boolean
}

// Below this many appended keys there is nothing worth tidying.
const TIDY_MIN = 4096

export class OrderedKeys {
  readonly #isWanted: (key: EncodedKey) => boolean
  #fresh: EncodedKey[] = []
  #runs: EncodedKey[][] = []
  #runKeys = 0

  constructor(isWanted: (key: EncodedKey) => boolean) {
    this.#isWanted = isWanted
  }

  /** Adds a key. `wantedCount` is how many keys are wanted now: it bounds what is kept of those that have left. */
  add(key: EncodedKey, wantedCount: number): void {
    this.#fresh.push(key)
    if (this.#fresh.length + this.#runKeys > TIDY_MIN + 3 * wantedCount) this.#tidy()
  }

  /** Up to `limit` wanted keys of a range, in its order. */
  take(range: KeyRange, limit: number): EncodedKey[] {
    this.#settle()
    const cursors = this.#runs
      .map(run => startCursor(run, range))
      .filter(cursor => currentKey(cursor, range) !== undefined)
    const taken: EncodedKey[] = []
    let skipped = 0
    while (taken.length < limit) {
      const key = nextKey(cursors, range)
      if (key === undefined) break
      if (this.#isWanted(key)) taken.push(key)
      else skipped += 1
    }
    // Without this every page of a scan would walk again over all the keys that have left.
    if (skipped > TIDY_MIN) this.#tidy()
    return taken
  }

  #settle(): void {
    if (this.#fresh.length === 0) return
    this.#push(sortedUnique(this.#fresh))
    this.#fresh = []
  }

  #push(run: EncodedKey[]): void {
    let merged = run
    for (
      let last = this.#runs.at(-1);
      last !== undefined && last.length < merged.length * 2;
      last = this.#runs.at(-1)
    ) {
      merged = sortedUnique(last.concat(merged).filter(this.#isWanted))
      this.#runs.pop()
    }
    if (merged.length > 0) this.#runs.push(merged)
    this.#runKeys = this.#runs.reduce((sum, each) => sum + each.length, 0)
  }

  #tidy(): void {
    if (this.#runs.length === 0) {
      // Nobody has scanned yet: an order would be made for nobody, and sorting holds up the loop.
      this.#fresh = [...new Set(this.#fresh.filter(this.#isWanted))]
      return
    }
    const all = this.#runs.flat().concat(this.#fresh).filter(this.#isWanted)
    this.#fresh = []
    this.#runs = []
    this.#push(sortedUnique(all))
  }
}

interface Cursor {
  run: EncodedKey[]
  at: number
}

function startCursor(run: EncodedKey[], range: KeyRange): Cursor {
  return { run, at: range.reverse ? lowerBound(run, range.to) - 1 : lowerBound(run, range.from) }
}

function currentKey({ run, at }: Cursor, range: KeyRange): EncodedKey | undefined {
  const key = run[at]
  if (key === undefined) return undefined
  return range.reverse ? (key >= range.from ? key : undefined) : key < range.to ? key : undefined
}

/** The next key over all runs; every cursor that stands on it moves on. */
function nextKey(cursors: Cursor[], range: KeyRange): EncodedKey | undefined {
  let best: EncodedKey | undefined
  for (const cursor of cursors) {
    const key = currentKey(cursor, range)
    if (key !== undefined && (best === undefined || (range.reverse ? key > best : key < best))) best = key
  }
  if (best === undefined) return undefined
  for (const cursor of cursors) {
    if (cursor.run[cursor.at] === best) cursor.at += range.reverse ? -1 : 1
  }
  return best
}

/** Index of the first key that is not below `key`. */
function lowerBound(run: EncodedKey[], key: EncodedKey): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (run[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

function sortedUnique(keys: EncodedKey[]): EncodedKey[] {
  // The default order compares UTF-16 units, which are bytes in a binary string.
  const sorted = keys.sort()
  return sorted.filter((key, index) => index === 0 || key !== sorted[index - 1])
}
