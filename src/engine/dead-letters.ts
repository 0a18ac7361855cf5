/** What the data store has refused, for people: to look at, to give to it again, to give up. */
import type { Lsn } from '../core/lsn.js'
import type { ExpiryClock } from '../io/expiry-clock.js'
import type { Change } from '../stores/data-store.js'
import type { Checkpointer } from './checkpoint.js'
import { changeOf, type DeadLetter, inOrder, letterKey, type ParkedWrite } from './dead-letter.js'
import { cannotKeepError } from './failures.js'
import type { ParkedWrites } from './parked-writes.js'

/** What a replay has come to. */
export interface ReplayReport {
  /** Letters whose writes are in the store now. */
  replayed: number
  /** Letters that the store refuses still. */
  refused: DeadLetter[]
}

export interface DeadLettersParts {
  parked: ParkedWrites
  checkpointer: Checkpointer
  expiry: ExpiryClock
  /** Throws if the store must not be changed now: closed, failed. */
  checkWritable(): void
}

export class DeadLetters {
  readonly #parts: DeadLettersParts

  constructor(parts: DeadLettersParts) {
    this.#parts = parts
  }

  get count(): number {
    return this.#parts.parked.count
  }

  /** All of them, in the order of their ids. */
  list(): DeadLetter[] {
    return this.#parts.parked.list()
  }

  /**
   * Gives the writes of a letter, or of all, to the store again, under the versions that they have: a letter is taken whole
   * or not at all. What it refuses still stays a dead letter.
   *
   * @throws STORE_DOWN, CLOSED, FAILED; what was replayed before stays
   */
  async replay(id?: Lsn): Promise<ReplayReport> {
    this.#parts.checkWritable()
    return this.#parts.checkpointer.alone(async apply => {
      const report: ReplayReport = { replayed: 0, refused: [] }
      const refused = new Set<Lsn>()
      for (const writes of this.#parts.parked.of(id)) {
        const nowMs = this.#parts.expiry.now()
        const reason = await apply(inOrder([...writes.map(write => changeOf(write, nowMs)), ...lettersGone(writes)]))
        if (reason !== undefined) refused.add(writes[0]!.batch)
        else {
          this.#parts.parked.release(writes)
          report.replayed += 1
        }
      }
      report.refused = this.list().filter(letter => refused.has(letter.id))
      return report
    })
  }

  /**
   * Gives the writes of a letter up for good: reads see what the store has. Returns false if there is no such letter.
   *
   * @throws STORE_DOWN, CLOSED, FAILED: the letter stays
   */
  async discard(id: Lsn): Promise<boolean> {
    this.#parts.checkWritable()
    return this.#parts.checkpointer.alone(async apply => {
      const [writes] = this.#parts.parked.of(id)
      if (writes === undefined) return false
      const reason = await apply(inOrder(lettersGone(writes)))
      if (reason !== undefined) throw cannotKeepError(reason)
      this.#parts.parked.release(writes)
      return true
    })
  }
}

function lettersGone(writes: readonly ParkedWrite[]): Change[] {
  return writes.map(write => ({ key: letterKey(write), value: undefined }))
}
