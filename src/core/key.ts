/**
 * Keys: one or more string segments, encoded so that the order of the bytes is the order of the segments.
 *
 * Each segment is its UTF-8 with every NUL escaped as 00 FF, closed by one 00. No byte of UTF-8 is FF, so a closing 00
 * followed by another segment always sorts before an escaped NUL, and a whole-segment prefix is a prefix of bytes:
 * `acme` (61 63 6d 65 00) is no prefix of `acme-corp` (61 63 6d 65 2d …).
 *
 * In memory an encoded key is a *binary string*: a JavaScript string in which each char is one byte. Such strings
 * compare with `<` in byte order, are compact (one byte a char), and are the keys of the tier's Map as they are.
 */
import { AgentMemoryError, WrongCallError } from './errors.js'

/** A key as a caller gives it: a string is the same as an array of that one string. */
export type Key = string | readonly string[]

/** An encoded key: a binary string. */
export type EncodedKey = string

/** The longest encoded key, in bytes, with the map's name and the scope. */
export const KEY_BYTES_MAX = 1024

// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what has to be found.
const NEEDS_ENCODING = /[^\x01-\x7f]/

/** One segment, encoded. */
export function encodeSegment(segment: string): EncodedKey {
  if (!NEEDS_ENCODING.test(segment)) return `${segment}\0`
  if (!segment.isWellFormed()) {
    throw new WrongCallError('INVALID_KEY', {
      message: `A key segment holds half of a surrogate pair: ${JSON.stringify(segment)}`,
      next: 'Use text that is well-formed Unicode, or encode the bytes as hex or base64',
    })
  }
  return `${Buffer.from(segment, 'utf8').latin1Slice().replaceAll('\0', '\0\xff')}\0`
}

/** The segments of a caller's key, encoded. Throws INVALID_KEY for anything but a string or an array of strings. */
export function encodeKey(key: Key): EncodedKey {
  if (typeof key === 'string') return encodeSegment(key)
  if (!Array.isArray(key)) throw invalidKey(key)
  if (key.length === 0) {
    throw new WrongCallError('INVALID_KEY', {
      message: 'A key is an empty array',
      next: 'Give a string, or an array with at least one string',
    })
  }
  return encodeSegments(key)
}

/** Any number of segments, encoded: none gives the empty string. */
export function encodeSegments(segments: readonly string[]): EncodedKey {
  let encoded = ''
  for (const segment of segments) {
    if (typeof segment !== 'string') throw invalidKey(segments)
    encoded += encodeSegment(segment)
  }
  return encoded
}

/** The segments of an encoded key. */
export function decodeSegments(encoded: EncodedKey): string[] {
  const segments: string[] = []
  let start = 0
  for (let end = segmentEnd(encoded, 0); end !== -1; end = segmentEnd(encoded, end)) {
    segments.push(decodeSegment(encoded.slice(start, end - 1)))
    start = end
  }
  return segments
}

/** An encoded key as callers know it: a string if it has one segment, else the array of its segments. */
export function decodeKey(encoded: EncodedKey): Key {
  const segments = decodeSegments(encoded)
  return segments.length === 1 ? segments[0]! : segments
}

/** The offset behind the segment that starts at `start`; -1 if there is none. */
export function segmentEnd(encoded: EncodedKey, start: number): number {
  let at = encoded.indexOf('\0', start)
  while (at !== -1 && encoded.charCodeAt(at + 1) === 0xff) at = encoded.indexOf('\0', at + 2)
  return at === -1 ? -1 : at + 1
}

function decodeSegment(bytes: string): string {
  if (!NEEDS_ENCODING.test(bytes)) return bytes
  return Buffer.from(bytes.replaceAll('\0\xff', '\0'), 'latin1').toString('utf8')
}

/**
 * The end of a prefix scan: behind every key that continues `prefix`, a run of whole segments, and before every other
 * key that follows. What continues it starts with a byte of UTF-8 or with 00, so below FF; an escaped NUL, which would
 * make the last segment a longer one, goes on with FF and lies behind the end.
 */
export function afterPrefix(prefix: EncodedKey): EncodedKey {
  return `${prefix}\xff`
}

/** Throws KEY_TOO_LONG for a key over the limit. */
export function checkKeyLength(encoded: EncodedKey): void {
  if (encoded.length <= KEY_BYTES_MAX) return
  throw new AgentMemoryError('KEY_TOO_LONG', {
    message: `A key of ${encoded.length} bytes (map, scope and segments together) is over the limit of ${KEY_BYTES_MAX}`,
    next: 'Use a shorter key, for example a hash of the long part, and keep the long part in the value',
  })
}

function invalidKey(key: unknown): WrongCallError {
  const what =
    key === null ? 'null' : Array.isArray(key) ? `an array with ${key.map(s => typeof s).join(', ')}` : typeof key
  return new WrongCallError('INVALID_KEY', {
    message: `A key is ${what}`,
    next: 'Give a string, or an array of strings such as ["user-1", "language"]',
  })
}
