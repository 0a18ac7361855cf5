/** The head of a list: one small entry of always the same size, however long the list is. */
import { AgentMemoryError } from '../core/errors.js'
import { encodeSegment } from '../core/key.js'

export interface Head {
  /** Position of the oldest item. */
  first: number
  /** Position of the next item to come. */
  next: number
  /** Whether any item has had an expiry, so that there may be fewer than `next - first`. */
  expires: boolean
}

// As many as the largest safe integer has, so that texts sort as numbers do.
const DIGITS = 16
const HEAD = /^(\d{16})(\d{16})([01])$/

export function positionText(position: number): string {
  return String(position).padStart(DIGITS, '0')
}

/** The last segment of an item's key. */
export function positionSegment(position: number): string {
  return encodeSegment(positionText(position))
}

/** Length of that segment, encoded. */
export const POSITION_BYTES = DIGITS + 1

export function headText({ first, next, expires }: Head): string {
  return positionText(first) + positionText(next) + (expires ? '1' : '0')
}

export function parseHead(text: unknown): Head {
  const parts = typeof text === 'string' ? HEAD.exec(text) : null
  if (parts === null) {
    throw new AgentMemoryError('STORE_CORRUPT', {
      message: `The head of a list is ${JSON.stringify(text)}`,
      next: 'Run "npx holdfast verify" to learn what else is damaged, and restore it from a backup',
    })
  }
  return { first: Number(parts[1]), next: Number(parts[2]), expires: parts[3] === '1' }
}
