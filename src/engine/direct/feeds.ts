/** Those who follow what is written under a key: woken by this node's writes, and now and then for those of others. */
import type { EncodedKey } from '../../core/key.js'
import type { Clock, Timer } from '../../io/clock.js'
import { Follower } from '../feeds.js'

export class DirectFeeds {
  readonly #clock: Clock
  readonly #lookEveryMs: number
  readonly #followers = new Map<EncodedKey, Set<Follower>>()
  #timer: Timer | undefined
  #isStopped = false

  constructor(clock: Clock, lookEveryMs: number) {
    this.#clock = clock
    this.#lookEveryMs = lookEveryMs
  }

  follow(key: EncodedKey): Follower {
    const follower = new Follower()
    const others = this.#followers.get(key)
    if (others === undefined) this.#followers.set(key, new Set([follower]))
    else others.add(follower)
    this.#lookLater()
    return follower
  }

  unfollow(key: EncodedKey, follower: Follower): void {
    const followers = this.#followers.get(key)
    followers?.delete(follower)
    if (followers?.size === 0) this.#followers.delete(key)
  }

  /** The store has something new of this node under the key. */
  written(key: EncodedKey): void {
    for (const follower of this.#followers.get(key) ?? []) follower.wake()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #lookLater(): void {
    if (this.#timer !== undefined || this.#isStopped) return
    // A follower keeps the process alive as little as it does elsewhere.
    this.#timer = this.#clock.afterIfAlive(Math.max(1, this.#lookEveryMs), () => {
      this.#timer = undefined
      for (const followers of this.#followers.values()) for (const follower of followers) follower.wake()
      if (this.#followers.size > 0) this.#lookLater()
    })
  }
}
