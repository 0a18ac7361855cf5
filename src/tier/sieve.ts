/**
 * SIEVE, the eviction policy: a queue in order of insertion and a hand that moves from old to new. The hand gives each
 * visited entry another round and takes the first that was not visited.
 *
 * Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024. A hit only sets a bit, so reads cost no list work.
 */
import type { Entry } from './entry.js'

export class Sieve {
  #newest: Entry | undefined
  #oldest: Entry | undefined
  #hand: Entry | undefined

  add(entry: Entry): void {
    entry.isListed = true
    entry.visited = false
    entry.older = this.#newest
    entry.newer = undefined
    if (this.#newest !== undefined) this.#newest.newer = entry
    this.#newest = entry
    this.#oldest ??= entry
  }

  remove(entry: Entry): void {
    if (!entry.isListed) return
    if (this.#hand === entry) this.#hand = entry.newer
    if (entry.newer === undefined) this.#newest = entry.older
    else entry.newer.older = entry.older
    if (entry.older === undefined) this.#oldest = entry.newer
    else entry.older.newer = entry.newer
    entry.newer = undefined
    entry.older = undefined
    entry.isListed = false
  }

  /** The next entry to leave among those that `mayLeave`, looked for in at most `steps` steps. It stays listed. */
  next(mayLeave: (entry: Entry) => boolean, steps: number): Entry | undefined {
    for (let step = 0; step < steps; step++) {
      const entry = this.#hand ?? this.#oldest
      if (entry === undefined) return undefined
      this.#hand = entry.newer
      if (!mayLeave(entry)) continue
      if (!entry.visited) return entry
      entry.visited = false
    }
    return undefined
  }
}
