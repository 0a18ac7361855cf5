/** An iterator over a range of a map, which may be sent to another place in it. */
import { AbstractIterator, type AbstractIteratorOptions } from 'abstract-level'
import type { MapEntry, MemoryMap, RangeOptions } from '../../index.js'
import { bytesOf, textOf } from './bytes.js'
import { type LevelRange, rangeOf } from './range.js'

export class RangeIterator<Db, K, V> extends AbstractIterator<Db, K, V> {
  readonly #map: MemoryMap<Buffer, string>
  readonly #range: RangeOptions<string>
  #entries: AsyncGenerator<MapEntry<Buffer, string>, void, void>

  constructor(db: Db, map: MemoryMap<Buffer, string>, options: LevelRange) {
    super(db, options as AbstractIteratorOptions<K, V>)
    this.#map = map
    this.#range = rangeOf(options)
    this.#entries = map.entries(this.#range)
  }

  async _next(): Promise<[Buffer, Buffer] | undefined> {
    const { value: entry } = await this.#entries.next()
    return entry ? [bytesOf(entry.key), entry.value] : undefined
  }

  _seek(target: Buffer): void {
    const key = textOf(target)
    const bound = this.#range.reverse ? 'lte' : 'gte'
    const own = this.#range[bound] ?? key
    // The range stays as it is: of its own bound and the target, the one that is further along counts.
    const isFurther = this.#range.reverse ? key < own : key > own
    this.#entries = this.#map.entries({ ...this.#range, [bound]: isFurther ? key : own })
  }

  async _close(): Promise<void> {
    await this.#entries.return()
  }
}
