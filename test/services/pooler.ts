/**
 * A pool as a pooler of transactions makes it look (PgBouncer with `pool_mode = transaction`): each transaction, and each
 * statement outside of one, gets whichever session is free, and that one is as somebody else has left it.
 */
import pg from 'pg'
import type { PostgresClient, PostgresPool, PostgresResult } from '../../src/stores/postgres/driver.js'

/** What others leave in a session: names that lead nowhere, nothing prepared, commits that are not durable. */
const LEFT_BEHIND = `DEALLOCATE ALL; SET search_path = nowhere; SET synchronous_commit = off; SET default_transaction_isolation = 'serializable'; SET default_transaction_read_only = on; SET lock_timeout = 1`

interface Held {
  session: pg.Client
  number: number
}

export class TransactionPooler implements PostgresPool {
  /** What `synchronous_commit` was at each commit. */
  readonly commits: string[] = []
  /** In which session each transaction was. */
  readonly sessions: number[] = []
  readonly #url: string
  readonly #size: number
  /** The one that was used least lately comes first. */
  readonly #free: Held[] = []
  readonly #waiting: (() => void)[] = []
  #made = 0

  /** `size` is how many sessions it has at most. It ends after `t`. */
  constructor(t: { after(fn: () => Promise<void>): void }, url: string, size = 3) {
    this.#url = url
    this.#size = size
    t.after(async () => {
      for (const { session } of this.#free) await session.end()
    })
  }

  async connect(): Promise<PostgresClient> {
    let held: Held | undefined
    let isOpen = false
    const query = async (text: string, values?: unknown[]): Promise<PostgresResult> => {
      held ??= await this.#take()
      const { session, number } = held
      if (text.startsWith('BEGIN')) {
        isOpen = true
        this.sessions.push(number)
      }
      if (text === 'COMMIT') this.commits.push(await committedAs(session))
      try {
        const result = await session.query(text, values)
        // Several statements at once have several results; what is looked at is the last.
        return (Array.isArray(result) ? result.at(-1) : result) as PostgresResult
      } finally {
        if (text === 'COMMIT' || text === 'ROLLBACK') isOpen = false
        if (!isOpen) {
          const done = held
          held = undefined
          await this.#giveBack(done)
        }
      }
    }
    return {
      query,
      release: error => {
        // A client that goes in the middle of a transaction takes its session with it.
        if (held === undefined || error === undefined || error === false) return
        this.#made -= 1
        void held.session.end()
        this.#waiting.shift()?.()
      },
      on: () => {},
      removeListener: () => {},
    }
  }

  async #take(): Promise<Held> {
    for (;;) {
      // Never the same one again while there is another.
      if (this.#made < this.#size) return this.#open()
      const free = this.#free.shift()
      if (free !== undefined) return free
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  async #open(): Promise<Held> {
    this.#made += 1
    const number = this.#made
    const session = new pg.Client({ connectionString: this.#url })
    session.on('error', () => {})
    await session.connect()
    await session.query(LEFT_BEHIND)
    return { session, number }
  }

  async #giveBack(held: Held): Promise<void> {
    await held.session.query(LEFT_BEHIND)
    this.#free.push(held)
    this.#waiting.shift()?.()
  }
}

async function committedAs(session: pg.Client): Promise<string> {
  const { rows } = await session.query(`SELECT current_setting('synchronous_commit') AS it`)
  return String(rows[0].it)
}
