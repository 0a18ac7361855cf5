/**
 * Which of the writes that go into one frame were accepted together. The frame says so, so that a data store which
 * refuses one of them is given none of them.
 *
 * A write that supersedes a key of a batch before its frame joins that batch: the version it hides is nowhere else, so
 * without it the batch could not be there whole. Most writes are batches by themselves and are not noted here.
 */
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import { BATCH_EXTRA_BYTES } from '../log/record.js'

export class Batches {
  readonly #of = new Map<EncodedKey, Lsn>()
  /** Batches that share a key, each with an older one. */
  readonly #joined = new Map<Lsn, Lsn>()

  /** Bytes of the frame that it takes, at most, to say all this. */
  get bytes(): number {
    return this.#of.size * BATCH_EXTRA_BYTES
  }

  /** The key is written by a batch of several writes; its number is the LSN of the first of them. */
  note(key: EncodedKey, batch: Lsn): void {
    const before = this.#of.get(key)
    if (before === undefined) this.#of.set(key, batch)
    else this.#join(before, batch)
  }

  /** The batch of a key's newest write, which has this LSN. */
  of(key: EncodedKey, lsn: Lsn): Lsn {
    const batch = this.#of.get(key)
    return batch === undefined ? lsn : this.#oldest(batch)
  }

  /** Takes in what was noted for a frame that could not be written. */
  takeBack(older: Batches): void {
    for (const [from, to] of older.#joined) this.#join(from, to)
    for (const [key, batch] of older.#of) this.note(key, batch)
  }

  #join(a: Lsn, b: Lsn): void {
    const [from, to] = [this.#oldest(a), this.#oldest(b)]
    if (from !== to) this.#joined.set(Math.max(from, to), Math.min(from, to))
  }

  #oldest(batch: Lsn): Lsn {
    let oldest = batch
    for (let older = this.#joined.get(oldest); older !== undefined; older = this.#joined.get(oldest)) oldest = older
    return oldest
  }
}
