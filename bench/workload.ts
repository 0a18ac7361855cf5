/** What all sides write: the same keys and values, made at the same cost. */

const USERS = 1000
const MESSAGES = 1000
const VALUES = 1024

export const VALUE_BYTES = 300
/** So many keys there are. */
export const KEYS = USERS * MESSAGES

const userParts = Array.from({ length: USERS }, (_, user) => `user:${digits(user)}:`)
const messageParts = Array.from({ length: MESSAGES }, (_, message) => `msg:${digits(message)}`)

/** A key by its number below `KEYS`: `user:000123:msg:000045`. */
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

/**
 * Values of 300 ASCII characters: a string is what every side takes as it is, and costs 300 bytes on each. They are
 * random, so that no side gains by compressing them, and are made once, so that no side waits for them.
 */
export function makeValues(seed: number): string[] {
  const random = randomSource(seed)
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_'
  return Array.from({ length: VALUES }, () =>
    Array.from({ length: VALUE_BYTES }, () => letters[random(letters.length)]).join(''),
  )
}

function digits(number: number): string {
  return String(number).padStart(6, '0')
}
