/** Random numbers that a seed repeats: a failure that prints its seed can be seen again. */

/** From 0 up to 1, like `Math.random`. */
export type Random = () => number

/** Mulberry32: 32 bits of state, good enough to choose test cases with. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** A whole number from 0 up to, not including, `end`. */
export function randomBelow(random: Random, end: number): number {
  return Math.floor(random() * end)
}
