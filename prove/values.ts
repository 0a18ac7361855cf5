/** The values that workloads write: each says which write it is of, and is as long and as compressible as asked. */
import { createHash } from 'node:crypto'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'

const POOL_BYTES = 128 * 1024
const WORDS = ['the agent', 'asked for', 'a tool', 'and was told', 'what it had', 'written before']
const PIECE_BYTES = 12
const PIECES = /.{12}/g
/** Text of which compression leaves three quarters. Made fast: each process that is started makes it. */
const NOISE = noisePool()
/** Of which it leaves about half. */
const TEXT = NOISE.replace(PIECES, (piece, at: number) => `${piece} ${WORDS[(at / PIECE_BYTES) % WORDS.length]} `)

/** A value that no other write has. Mostly short; now and then it takes blocks, or most of a segment. */
export function valueFor(serial: number, random: Random): string {
  const choice = random()
  if (choice < 0.97) return mediumValueFor(serial, random, choice < 0.85)
  // Two do not fit one segment, though one be compressed.
  return `${serial}:${NOISE.slice(0, 45_000)}`
}

/** One of which several fit a frame. */
export function mediumValueFor(serial: number, random: Random, isShort = random() < 0.85): string {
  const bytes = randomBelow(random, isShort ? 90 : 10_000)
  const from = randomBelow(random, TEXT.length - bytes)
  return `${serial}:${TEXT.slice(from, from + bytes)}`
}

/** So much that hardly anything compresses. */
export function noise(bytes: number): string {
  return NOISE.slice(0, bytes)
}

/** What stands for a value where many are told at once: its number, and a checksum of all of it. */
export function digestOf(value: string | Uint8Array): string {
  const text = typeof value === 'string' ? value.slice(0, 20) : Buffer.from(value.subarray(0, 20)).toString()
  return `${text.slice(0, text.indexOf(':') + 1)}${createHash('sha1').update(value).digest('base64').slice(0, 8)}`
}

function noisePool(): string {
  const random = seededRandom(1)
  const numbers = Uint32Array.from({ length: (POOL_BYTES * 3) / 16 }, () => random() * 2 ** 32)
  return Buffer.from(numbers.buffer).toString('base64')
}
