/** The order of a store's writes: those of one item take effect in the order of their calls, though each reads before it writes. */

interface Turn {
  /** Settles with the write, and never rejects. */
  readonly done: Promise<void>
  readonly isSlow: boolean
}

export class Turns {
  /** By item: the last write that was called. */
  readonly #last = new Map<string, Turn>()
  /** Writes that no read sees yet, and will soon. */
  readonly #unseen = new Set<Promise<void>>()

  /**
   * Runs a write once those of the same items that were called before it have settled. The task calls what it is given when
   * reads see what it has written. Reads do not wait for a write that is slow: that waits for others than the memory.
   */
  take(ids: Iterable<string>, isSlow: boolean, task: (onSeen: () => void) => Promise<void>): Promise<void> {
    const items = [...ids]
    const before = new Set<Turn>()
    for (const id of items) {
      const turn = this.#last.get(id)
      if (turn !== undefined) before.add(turn)
    }
    let onSeen = () => {}
    const seen = new Promise<void>(resolve => {
      onSeen = resolve
    })
    const written =
      before.size === 0 ? task(onSeen) : Promise.all([...before].map(({ done }) => done)).then(() => task(onSeen))
    const done = written.then(
      () => {},
      () => {},
    )
    const turn = { done, isSlow: isSlow || [...before].some(each => each.isSlow) }
    for (const id of items) this.#last.set(id, turn)
    if (!turn.isSlow) {
      this.#unseen.add(seen)
      void seen.then(() => this.#unseen.delete(seen))
    }
    void done.then(() => {
      onSeen()
      for (const id of items) if (this.#last.get(id) === turn) this.#last.delete(id)
    })
    return written
  }

  /** Resolves once reads see the writes that were called before, but for slow ones. */
  async seen(): Promise<void> {
    if (this.#unseen.size > 0) await Promise.all(this.#unseen)
  }
}
