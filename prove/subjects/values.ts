/** Values that say which put they are of, so that one that nobody has put is recognised. */
import { type Random, randomBelow } from '../../src/testing/random.js'

/** About as long as a chat message; now and then it takes several pages. */
export function valueFor(number: number, random: Random): string {
  const length = random() < 0.9 ? 200 + randomBelow(random, 200) : 9000
  return filled(number, length)
}

/** -1 for a value that is not whole. */
export function numberOf(value: string): number {
  const number = Number(/^(\d+):/.exec(value)?.[1] ?? -1)
  return value === filled(number, value.length) && value.endsWith(';') ? number : -1
}

function filled(number: number, length: number): string {
  return `${`${number}:`.padEnd(length - 1, 'x')};`
}
