/**
 * The reference store: the shortest reading of the contract. It keeps nothing past the process, so under it the log is
 * the only copy: for tests, and for agents whose memory is as large as their log may grow.
 *
 * Every call does its work before it returns its promise. That is all it takes here for one moment per page, for data
 * and mark together, and for applies in the order of the calls.
 */
import { AgentMemoryError } from '../core/errors.js'
import type { EncodedKey } from '../core/key.js'
import { type Lsn, NO_LSN } from '../core/lsn.js'
import type { Change, DataStore, Mark, Page, StoreCapabilities, StoredEntry, StoreIdentity } from './data-store.js'
import { firstAtOrAfter } from './sorted-keys.js'

export class InMemoryStore implements DataStore {
  readonly capabilities: StoreCapabilities = { kind: 'in-memory', durableCommit: false, persistent: false }

  readonly #values = new Map<EncodedKey, Buffer>()
  /** The keys in order; `undefined` after a change of the set of keys, until the next page needs them. */
  #sorted: EncodedKey[] | undefined
  #identity: StoreIdentity | undefined
  #mark: Mark = { appliedLsn: NO_LSN, appliedPosition: 0 }
  #flushedLsn: Lsn = NO_LSN
  #closed = false

  async identity(): Promise<StoreIdentity | undefined> {
    this.#checkOpen()
    return this.#identity && { ...this.#identity }
  }

  async setIdentity(identity: StoreIdentity): Promise<void> {
    this.#checkOpen()
    this.#identity = { ...identity }
  }

  async mark(): Promise<Mark> {
    this.#checkOpen()
    return { ...this.#mark }
  }

  async get(key: EncodedKey): Promise<Buffer | undefined> {
    this.#checkOpen()
    return this.#copyOf(key)
  }

  async getMany(keys: EncodedKey[]): Promise<(Buffer | undefined)[]> {
    this.#checkOpen()
    return keys.map(key => this.#copyOf(key))
  }

  async page({ from, to, reverse, limit }: Page): Promise<StoredEntry[]> {
    this.#checkOpen()
    this.#sorted ??= [...this.#values.keys()].sort()
    const start = firstAtOrAfter(this.#sorted, from)
    const end = firstAtOrAfter(this.#sorted, to)
    if (start >= end) return []
    const keys = reverse
      ? this.#sorted.slice(Math.max(start, end - limit), end).reverse()
      : this.#sorted.slice(start, Math.min(end, start + limit))
    return keys.map(key => ({ key, value: Buffer.from(this.#values.get(key)!) }))
  }

  async apply(changes: Change[], mark: Mark): Promise<void> {
    this.#checkOpen()
    const sizeBefore = this.#values.size
    let sameKeys = true
    for (const { key, value } of changes) {
      if (value === undefined) {
        if (this.#values.delete(key)) sameKeys = false
      } else {
        // A copy: the caller may use its buffer again.
        this.#values.set(key, Buffer.from(value))
      }
    }
    if (!sameKeys || this.#values.size !== sizeBefore) this.#sorted = undefined
    this.#mark = { ...mark }
  }

  async flushedLsn(): Promise<Lsn> {
    this.#checkOpen()
    return this.#flushedLsn
  }

  async flush(): Promise<void> {
    this.#checkOpen()
    this.#flushedLsn = this.#mark.appliedLsn
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#values.clear()
    this.#sorted = undefined
  }

  #copyOf(key: EncodedKey): Buffer | undefined {
    const value = this.#values.get(key)
    return value && Buffer.from(value)
  }

  #checkOpen(): void {
    if (!this.#closed) return
    throw new AgentMemoryError('CLOSED', {
      message: 'The in-memory store is closed',
      next: 'Make a new one; what it held is gone',
    })
  }
}
