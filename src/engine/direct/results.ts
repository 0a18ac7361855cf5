/** What a write of direct mode has reached. */
import type { Lsn } from '../../core/lsn.js'
import type { WriteResult } from '../write.js'

/** In the store, under a version; 0 if it never had one: nothing was written, or it was superseded on its way. */
export class Stored implements WriteResult {
  readonly lsn: Lsn
  readonly reached = 'store'

  constructor(version: Lsn) {
    this.lsn = version
  }

  durable(): Promise<void> {
    return Promise.resolve()
  }
}

/** In the tier, within its bound: it has no version yet. */
export class Accepted implements WriteResult {
  readonly lsn = 0
  readonly reached = 'tier'
  readonly #stored: () => Promise<unknown>

  constructor(stored: () => Promise<unknown>) {
    this.#stored = stored
  }

  async durable(): Promise<void> {
    await this.#stored()
  }
}
