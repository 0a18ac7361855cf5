/**
 * Removes from the data store what has expired, page by page, so that it does not fill the disk with what nobody can
 * read. Each removal is a logged delete under the condition that the key is absent, which an expired one is: an entry
 * that was written anew meanwhile stays.
 *
 * A memory that never meets an entry with an expiry never walks its store.
 */
import { isExpired } from '../codec/extras.js'
import { decodeStoredValue } from '../codec/stored-value.js'
import { afterPrefix, type EncodedKey } from '../core/key.js'
import type { Clock, Timer } from '../io/clock.js'
import type { ExpiryClock } from '../io/expiry-clock.js'
import type { Durability } from '../policy/durability.js'
import { LossBudget } from '../policy/loss-budget.js'
import type { DataStore, StoredEntry } from '../stores/data-store.js'
import { DELETED } from './flush.js'
import type { WritePath } from './paths.js'

/** Between two walks over the store, in ms. */
const SWEEP_PAUSE_MS = 60_000
// A page takes about a millisecond, so that a walk costs about 1 % of a core, and a million entries 7 minutes.
const PAGE_ENTRIES = 256
const PAGE_PAUSE_MS = 100

const ALL = { from: '', to: afterPrefix('') }
// Deletes of a sweep are never acknowledged as write-back: nothing is at risk.
const NO_LOSS = new LossBudget({ ms: 0, writes: 0, bytes: 0 })

export interface SweeperParts {
  clock: Clock
  expiry: ExpiryClock
  keeper: { call<T>(work: (store: Pick<DataStore, 'page'>) => Promise<T>): Promise<T> }
  writer: Pick<WritePath, 'write'>
  durability: Durability
}

export class Sweeper {
  readonly #parts: SweeperParts
  #from: EncodedKey = ALL.from
  #timer: Timer | undefined
  #isWalking = false
  #isStopped = false
  /** Whether an entry that expires has been met since the walk began. */
  #hasMet = false

  constructor(parts: SweeperParts) {
    this.#parts = parts
  }

  /** The memory has an entry that expires: from now on there may be something to remove. */
  wake(): void {
    this.#hasMet = true
    if (this.#timer === undefined && !this.#isWalking) this.#schedule(SWEEP_PAUSE_MS)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #schedule(ms: number): void {
    if (this.#isStopped) return
    this.#timer = this.#parts.clock.afterIfAlive(ms, () => {
      this.#timer = undefined
      this.#isWalking = true
      void this.#page().finally(() => {
        this.#isWalking = false
        if (this.#from !== ALL.from) this.#schedule(PAGE_PAUSE_MS)
        else if (this.#hasMet) this.#schedule(SWEEP_PAUSE_MS)
      })
    })
  }

  async #page(): Promise<void> {
    if (this.#from === ALL.from) this.#hasMet = false
    const { keeper, expiry, writer, durability } = this.#parts
    let page: StoredEntry[]
    try {
      const range = { from: this.#from, to: ALL.to, reverse: false }
      page = await keeper.call(store => store.page({ ...range, limit: PAGE_ENTRIES }))
    } catch {
      // The store is down, which its keeper tells; this page is tried again.
      this.#hasMet = true
      return
    }
    this.#from = page.length < PAGE_ENTRIES ? ALL.from : `${page[page.length - 1]!.key}\0`
    const now = expiry.now()
    const expired = page.filter(entry => isExpired(this.#expiryOf(entry), now))
    // One that was written anew is refused; so is everything while no writes are taken. The next walk comes by again.
    await Promise.allSettled(
      expired.map(({ key }) => writer.write([{ key, content: DELETED, expected: null, budget: NO_LOSS }], durability)),
    )
  }

  #expiryOf({ key, value }: StoredEntry): number {
    try {
      const { expiresAt } = decodeStoredValue(key, value)
      if (expiresAt !== 0) this.#hasMet = true
      return expiresAt
    } catch {
      // Damage is told to whoever reads the entry, and by verify.
      return 0
    }
  }
}
