/** What a store keeps, and how a search names it. */
import type { MemoryMap } from '../../index.js'
import type { ItemKey } from './store-keys.js'

/** An item as it is stored. */
export interface StoredItem {
  value: Record<string, unknown>
  createdAt: Date
  updatedAt: Date
  /** What its put has said of its text. */
  index?: string[] | false
  /** What its put has said, so that a read can say it again. */
  ttlMs?: number
  /** Whether it has vectors. */
  isEmbedded?: true
}

/** The vectors of one item, one behind the other, each of length 1 (or 0, if that is what the embeddings gave). */
export interface ItemVectors {
  dims: number
  data: Float32Array
}

export interface ItemMaps {
  readonly items: MemoryMap<StoredItem, ItemKey>
  /** Under the key of their item. They are written and removed with it. */
  readonly vectors: MemoryMap<ItemVectors, ItemKey>
  /** Whether only this process writes them. */
  readonly isAlone: boolean
}

export interface Ranked {
  key: ItemKey
  score: number
}

/** The range of a map that is at and below a namespace. */
export function rangeOf(namespace: readonly string[]): { prefix?: readonly string[] } {
  return namespace.length === 0 ? {} : { prefix: namespace }
}
