/**
 * Connections of one handle, taken from a pool for one piece of work each, so that a pooler in front of the server may
 * give every transaction another session: nothing is kept in a session.
 *
 * Each piece of work has a deadline. One that is over it has its connection ended; what the server may still do with
 * what it was sent is fenced by the row of the memory (docs/formats/postgres-store.md, "Fencing").
 */
import { AgentMemoryError } from '../../core/errors.js'
import type { PostgresClient, PostgresPool, PostgresResult } from './driver.js'
import { keepsConnection } from './postgres-errors.js'

/** Runs statements, one at a time. */
export interface Session {
  query(text: string, values?: unknown[]): Promise<PostgresResult>
}

export class Connections {
  readonly #pool: PostgresPool
  readonly #deadlineMs: number
  readonly #begin: string
  readonly #giveUp = new Set<(error: Error) => void>()
  #isClosed = false

  constructor(pool: PostgresPool, deadlineMs: number) {
    this.#pool = pool
    this.#deadlineMs = deadlineMs
    this.#begin = beginStatement(deadlineMs)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** A statement that changes nothing, in a transaction of its own. */
  query(text: string, values: unknown[] = []): Promise<PostgresResult> {
    return this.#withClient(client => client.query(text, values))
  }

  /** A transaction whose commit is on stable storage. After an error of the server it has been rolled back. */
  transaction<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#withClient(async client => {
      try {
        await client.query(this.#begin)
        const result = await work(client)
        const { command } = await client.query('COMMIT')
        if (command !== 'COMMIT') throw new Error(`the server has answered COMMIT with ${command}`)
        return result
      } catch (error) {
        // Otherwise the connection is ended, and the transaction with it. An error of ours leaves it open.
        if (keepsConnection(error) || error instanceof AgentMemoryError) await client.query('ROLLBACK').catch(() => {})
        throw error
      }
    })
  }

  /** Ends the connections that are in use; whoever waits for them is rejected. */
  close(): void {
    this.#isClosed = true
    for (const giveUp of this.#giveUp) giveUp(closed())
  }

  async #withClient<T>(work: (client: PostgresClient) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closed()
    let giveUp: (error: Error) => void = () => {}
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = reject
    })
    // Nobody may be waiting for it any more.
    givenUp.catch(() => {})
    this.#giveUp.add(giveUp)
    const late = () => giveUp(new Error(`no answer within ${this.#deadlineMs} ms`))
    const timer = setTimeout(late, this.#deadlineMs)
    try {
      return await this.#use(work, givenUp)
    } finally {
      clearTimeout(timer)
      this.#giveUp.delete(giveUp)
    }
  }

  async #use<T>(work: (client: PostgresClient) => Promise<T>, givenUp: Promise<never>): Promise<T> {
    const connecting = this.#pool.connect()
    let client: PostgresClient
    try {
      client = await Promise.race([connecting, givenUp])
    } catch (error) {
      // One that comes when nobody waits for it any more goes back.
      connecting.then(
        late => late.release(),
        () => {},
      )
      throw error
    }
    // A connection that breaks fails its query, and says so once more as an event.
    const ignore = () => {}
    client.on('error', ignore)
    let broken: Error | undefined
    try {
      return await Promise.race([work(client), givenUp])
    } catch (error) {
      const isWhole = keepsConnection(error) || error instanceof AgentMemoryError
      if (!isWhole || (error instanceof AgentMemoryError && error.code === 'CLOSED')) broken = error as Error
      throw error
    } finally {
      client.release(broken)
      // Its last words come after that.
      if (broken === undefined) client.removeListener('error', ignore)
    }
  }
}

/**
 * A transaction that cannot outlive its caller's patience by much, and whose commit is on stable storage: `off` and
 * `local` are raised, what is stronger stays. Set for the transaction only, so that a pooler gives the session on clean.
 */
function beginStatement(deadlineMs: number): string {
  const timeouts = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']
  const settings = timeouts.map(name => `set_config('${name}', '${Math.ceil(deadlineMs)}', true)`)
  settings.push(
    `CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END`,
  )
  return `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT ${settings.join(', ')}`
}

export function closed(): AgentMemoryError {
  return new AgentMemoryError('CLOSED', {
    message: 'The store is closed',
    next: 'Open it again',
  })
}
