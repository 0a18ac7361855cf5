/** Keys in their order, as stores that keep them in RAM have them. */
import type { EncodedKey } from '../core/key.js'

/** The index of the first key that is not before `key`. */
export function firstAtOrAfter(sorted: readonly EncodedKey[], key: EncodedKey): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
