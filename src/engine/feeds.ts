/**
 * Those who follow what is written under a key. They are woken by a sync, never before: a feed shows only what no crash
 * takes back. And they ask for no sync themselves, so that following write-back leaves it as cheap as it is.
 */
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { Flusher } from './flush.js'

export class Feeds {
  readonly #flusher: Flusher
  readonly #followers = new Map<EncodedKey, Set<Follower>>()
  /** Followed keys with a write that is not synced yet, and the LSN up to which there may be one. */
  readonly #written = new Map<EncodedKey, Lsn>()

  constructor(flusher: Flusher) {
    this.#flusher = flusher
  }

  /** From now on the follower is woken by each sync of something under the key, also of what was accepted before. */
  follow(key: EncodedKey): Follower {
    const follower = new Follower()
    const others = this.#followers.get(key)
    if (others === undefined) this.#followers.set(key, new Set([follower]))
    else others.add(follower)
    this.written(key)
    return follower
  }

  unfollow(key: EncodedKey, follower: Follower): void {
    const followers = this.#followers.get(key)
    followers?.delete(follower)
    if (followers?.size !== 0) return
    this.#followers.delete(key)
    this.#written.delete(key)
  }

  /** How many keys are followed. */
  get followed(): number {
    return this.#followers.size
  }

  /** Something under the key was accepted. */
  written(key: EncodedKey): void {
    if (this.#followers.has(key)) this.#written.set(key, this.#flusher.lastLsn)
  }

  /** A frame is on stable storage. */
  synced(): void {
    for (const [key, lsn] of this.#written) {
      if (lsn <= this.#flusher.durableLsn) this.#written.delete(key)
      for (const follower of this.#followers.get(key)!) follower.wake()
    }
  }
}

/** One who follows: woken while busy, it does not wait the next time. */
export class Follower {
  #isWoken = false
  #error: { reason: unknown } | undefined
  #waiter: { resolve(): void; reject(reason: unknown): void } | undefined

  wake(): void {
    this.#isWoken = true
    this.#settle()
  }

  /** Ends it: this and every further wait rejects with the reason. */
  stop(reason: unknown): void {
    this.#error ??= { reason }
    this.#settle()
  }

  /** Throws the reason if it was stopped. */
  check(): void {
    if (this.#error !== undefined) throw this.#error.reason
  }

  /** Resolves at the first wake since the last one that was waited for. */
  woken(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      if (this.#isWoken || this.#error !== undefined) this.#settle()
    })
  }

  #settle(): void {
    const waiter = this.#waiter
    if (waiter === undefined) return
    this.#waiter = undefined
    this.#isWoken = false
    if (this.#error === undefined) waiter.resolve()
    else waiter.reject(this.#error.reason)
  }
}
