/**
 * Where a shape keeps its entries. Their keys start with an empty segment and the shape's kind, which no map can reach:
 * the name of a map is never empty.
 *
 * Behind that: the region (heads, items, …), the number of segments of the scope, these segments, the shape's own. With
 * the number, keys of one scope never lie among those of another, whatever a scope or an id is called.
 */
import { checkKeyLength, type EncodedKey, encodeKey, encodeSegment, type Key } from '../core/key.js'
import type { EncodedWrite } from '../engine/flush.js'
import type { Write } from '../engine/write.js'
import { type MapCore, MemoryMap } from '../memory-map.js'
import type { MapConfig } from '../options.js'

export interface Home<Config extends MapConfig = MapConfig> {
  core: MapCore<Config>
  /** The number of the scope's segments, and these. */
  scope: EncodedKey
  /** Throws CLOSED. */
  checkOpen(): void
  /** Calls the task when the memory is closed, unless what is returned was called before. */
  onClose(task: () => void): () => void
}

/** What leads the keys of a region of a shape. */
export function leadOf({ core, scope }: Home, region: string): EncodedKey {
  return core.prefix + encodeSegment(region) + scope
}

/** A region as a map. */
export function mapOf<V, K extends Key>(home: Home, name: string, region: string): MemoryMap<V, K> {
  return new MemoryMap<V, K>(name, home.core, encodeSegment(region) + home.scope, () => home.checkOpen())
}

export function keyIn(lead: EncodedKey, key: Key): EncodedKey {
  const encoded = lead + encodeKey(key)
  checkKeyLength(encoded)
  return encoded
}

/** An unconditional write, counted in the shape's loss bound. */
export function writeOf({ core }: Home, key: EncodedKey, content: EncodedWrite): Write {
  return { key, content, expected: undefined, budget: core.budget }
}
