/** Medians and ratios of pairs of runs. */

export interface Pair {
  ours: number
  theirs: number
}

export interface Comparison {
  /** Medians of either side. */
  ours: number
  theirs: number
  /** Median, smallest and largest of the pairs' ratios, ours / theirs. */
  ratio: number
  min: number
  max: number
  pairs: number
}

/** Sorts a copy. Throws for no values. */
export function median(values: ArrayLike<number>): number {
  if (values.length === 0) throw new RangeError('There is no median of nothing')
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Each pair has run back to back, so its ratio says more than that of two medians on a machine that varies. */
export function compare(pairs: readonly Pair[]): Comparison {
  const ratios = pairs.map(({ ours, theirs }) => ours / theirs)
  return {
    ours: median(pairs.map(pair => pair.ours)),
    theirs: median(pairs.map(pair => pair.theirs)),
    ratio: median(ratios),
    min: Math.min(...ratios),
    max: Math.max(...ratios),
    pairs: pairs.length,
  }
}

/** A fixed number to keep, as a comparison: each value is held against it. */
export function compareToLimit(values: readonly number[], limit: number): Comparison {
  return compare(values.map(ours => ({ ours, theirs: limit })))
}

/** The value that `percent` of the sorted values do not exceed. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)]!
}

/** Rounds to four significant digits: more would only pretend. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
