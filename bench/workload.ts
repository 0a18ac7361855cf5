/** What all sides write: the same keys and values, made at the same cost. */
import { readRuns } from '../demo/input.js'

const USERS_MAX = 10_000
const MESSAGES = 1000
const VALUES = 1024

export const VALUE_BYTES = 300
/** So many keys there are where a case does not say otherwise. */
export const KEYS = 1_000_000

const userParts = Array.from({ length: USERS_MAX }, (_, user) => `user:${digits(user)}:`)
const messageParts = Array.from({ length: MESSAGES }, (_, message) => `msg:${digits(message)}`)

/** A key by its number below ten million: `user:000123:msg:000045`. */
export function keyOf(number: number): string {
  return userParts[Math.floor(number / MESSAGES)]! + messageParts[number % MESSAGES]!
}

/** Random whole numbers below a limit, the same for the same seed (xorshift32). */
export function randomSource(seed: number): (limit: number) => number {
  let state = seed | 0 || 1
  return limit => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/**
 * Numbers below `count`, of which number n is drawn as often as (n + 1) ** -skew: a few very often, most of them hardly.
 * Which of them is drawn how often does not matter to a cache, so they are not shuffled.
 */
export function zipfSource(count: number, skew: number, seed: number): () => number {
  const random = randomSource(seed)
  const sums = new Float64Array(count)
  let sum = 0
  for (let number = 0; number < count; number++) {
    sum += (number + 1) ** -skew
    sums[number] = sum
  }
  return () => {
    const wanted = (random(2 ** 32) / 2 ** 32) * sum
    let low = 0
    for (let high = count - 1; low < high; ) {
      const middle = (low + high) >> 1
      if (sums[middle]! < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Every number below `count` once, in random order. */
export function shuffledNumbers(count: number, seed: number): Uint32Array {
  const random = randomSource(seed)
  const numbers = Uint32Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const other = random(last + 1)
    const moved = numbers[last]!
    numbers[last] = numbers[other]!
    numbers[other] = moved
  }
  return numbers
}

/** Puts an entry for each number, in their order, by so many writers, each of which awaits its own. */
export async function putAll(
  numbers: Uint32Array,
  values: readonly string[],
  writers: number,
  put: (key: string, value: string) => Promise<unknown> | undefined,
): Promise<void> {
  let next = 0
  const writer = async () => {
    while (next < numbers.length) {
      const index = next
      next += 1
      await put(keyOf(numbers[index]!), values[index % values.length]!)
    }
  }
  await Promise.all(Array.from({ length: writers }, writer))
}

/**
 * Values of 300 ASCII characters: a string is what every side takes as it is, and costs 300 bytes on each. They are
 * random, so that no side gains by compressing them, and are made once, so that no side waits for them.
 */
export function makeValues(seed: number, bytes = VALUE_BYTES): string[] {
  const random = randomSource(seed)
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_'
  return Array.from({ length: VALUES }, () =>
    Array.from({ length: bytes }, () => letters[random(letters.length)]).join(''),
  )
}

/** The values of a run: the messages of a file as JSON text, in random order, or random strings. */
export function valuesOf(seed: number, input: string | undefined): string[] {
  if (input === undefined) return makeValues(seed)
  const messages = readRuns(input).flatMap(run => run.messages.map(message => JSON.stringify(message)))
  return Array.from(shuffledNumbers(messages.length, seed), number => messages[number]!)
}

function digits(number: number): string {
  return String(number).padStart(6, '0')
}
