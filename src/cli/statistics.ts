/** Figures of some measurements. */

export interface Spread {
  count: number
  median: number
  p99: number
  min: number
  max: number
}

/** Throws for no values. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('Nothing was measured')
  const sorted = Float64Array.from(values).sort()
  return {
    count: sorted.length,
    median: rounded(quantile(sorted, 0.5)),
    p99: rounded(quantile(sorted, 0.99)),
    min: rounded(sorted[0]!),
    max: rounded(sorted.at(-1)!),
  }
}

/** The value that a share of all values does not exceed. */
function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!
}

/** Three significant digits: more would only pretend. */
function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
