/** What a memory must hold, told in a few lines: the accepted history, and what of it has been promised. */

/** One accepted write, or the writes of one batch: `undefined` deletes. */
export interface Accepted {
  lsn: number
  writes: readonly ModelWrite[]
}

/** `undefined` deletes. What expires is absent from its moment on, in ms since 1970. */
export type ModelWrite = readonly [key: string, value: number | undefined, expiresAt?: number | undefined]

export class Model {
  /** In the order of acceptance. */
  history: Accepted[] = []
  /** Everything up to this LSN was acknowledged from the log or the store, or asked for with flush. */
  promisedLsn = 0
  /** LSNs that were acknowledged as write-back. */
  readonly writeBacks = new Set<number>()

  accept(lsn: number, writes: Accepted['writes']): void {
    this.history.push({ lsn, writes })
    this.history.sort((a, b) => a.lsn - b.lsn)
  }

  promise(lsn: number): void {
    this.promisedLsn = Math.max(this.promisedLsn, lsn)
  }

  /** What is there at a moment if everything up to an LSN is kept. */
  contentAt(nowMs: number, lsn = Number.POSITIVE_INFINITY): Record<string, number> {
    const content = new Map<string, number>()
    for (const accepted of this.history) {
      if (accepted.lsn > lsn) break
      for (const [key, value, expiresAt] of accepted.writes) {
        if (value === undefined || (expiresAt !== undefined && expiresAt <= nowMs)) content.delete(key)
        else content.set(key, value)
      }
    }
    return Object.fromEntries([...content].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** When an entry expires that was written last. */
  expiryOf(key: string): number | undefined {
    const writes = this.history.flatMap(accepted => accepted.writes)
    return writes.findLast(write => write[0] === key)?.[2]
  }

  /**
   * A crash has left this content. It must be that of a prefix of the history, which has all that was promised; and of
   * what was acknowledged as write-back no more may be missing than the bound allows. Returns what was wrong.
   */
  crashed(content: Record<string, number>, nowMs: number, maxLossWrites: number): string | undefined {
    const found = JSON.stringify(content)
    // The longest prefix that has this content is the kindest reading of what was kept.
    for (let kept = this.history.length; kept >= 0; kept--) {
      const lsn = kept === 0 ? 0 : this.history[kept - 1]!.lsn
      if (JSON.stringify(this.contentAt(nowMs, lsn)) !== found) continue
      const lost = this.history.slice(kept)
      if (lost.some(each => each.lsn <= this.promisedLsn)) continue
      const lostBacks = lost.filter(each => this.writeBacks.has(each.lsn))
      const count = lostBacks.reduce((sum, each) => sum + each.writes.length, 0)
      if (count > maxLossWrites) return `${count} acknowledged write-backs are lost`
      this.history.length = kept
      return undefined
    }
    return `${found} is no prefix with all up to LSN ${this.promisedLsn} of ${JSON.stringify(this.history)}`
  }
}
