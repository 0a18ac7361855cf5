/** Patterns of keys, matched by whole segments: each segment is named, or may be any. */
import { type EncodedKey, encodeKey, encodeSegments, type Key, segmentEnd } from '../core/key.js'

/**
 * Any segment, in a pattern of keys. It is a symbol, so that no text that a user has given, `*` for example, can be
 * taken for it.
 */
export const anySegment: unique symbol = Symbol.for('holdfast.anySegment')

/** What keys start with: whole segments, of which some may be {@link anySegment}. A string is a single segment. */
export type KeyPattern = Key | readonly (string | typeof anySegment)[]

export class Pattern {
  /** Encoded; `undefined` for any. */
  readonly #segments: readonly (EncodedKey | undefined)[]

  /** Throws INVALID_KEY for what is neither a string nor a non-empty array of strings and `anySegment`. */
  constructor(pattern: KeyPattern) {
    const segments: readonly unknown[] = Array.isArray(pattern) ? pattern : []
    // A string is a key of one segment; what is empty, or anything else, is none.
    if (segments.length === 0) this.#segments = [encodeKey(pattern as Key)]
    else this.#segments = segments.map(each => (each === anySegment ? undefined : encodeSegments([each as string])))
  }

  /** Whether a key starts with these segments. */
  fits(key: EncodedKey): boolean {
    let at = 0
    for (const segment of this.#segments) {
      if (segment === undefined) at = segmentEnd(key, at)
      else if (key.startsWith(segment, at)) at += segment.length
      else return false
      // An escaped NUL goes on with FF: then the last segment is a longer one.
      if (at === -1 || key.charCodeAt(at) === 0xff) return false
    }
    return true
  }

  /**
   * Below 0 if this pattern is the more specific one: from the left, a segment that is named goes before any, and any
   * before none. Patterns that are equally specific fit the same key only if they are equal.
   */
  compare(other: Pattern): number {
    const length = Math.max(this.#segments.length, other.#segments.length)
    for (let index = 0; index < length; index++) {
      const order = this.#rank(index) - other.#rank(index)
      if (order !== 0) return order
    }
    return 0
  }

  /** Equal for equal patterns only. */
  toJSON(): unknown {
    return this.#segments.map(each => each ?? null)
  }

  #rank(index: number): number {
    if (index >= this.#segments.length) return 2
    return this.#segments[index] === undefined ? 1 : 0
  }
}

/** A pattern as people read it: `["user-1", any]`. */
export function patternText(pattern: KeyPattern): string {
  const segments: readonly (string | typeof anySegment)[] = typeof pattern === 'string' ? [pattern] : pattern
  return `[${segments.map(each => (each === anySegment ? 'any' : JSON.stringify(each))).join(', ')}]`
}
