/**
 * The right to write one memory in the database, for a time that only the database's clock measures. It is renewed while
 * a handle is open, given back by a clean close, and runs out if its owner has died.
 *
 * A lease says who waits for whom. What keeps a stale owner from writing is the token, which every change checks in its
 * own transaction: a process that was held up for an hour finds another one there.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import type { StoreIdentity } from '../data-store.js'
import type { Connections } from './connections.js'
import { type MemoryRow, memoryLost, memoryRow, ownedElsewhere } from './memory-row.js'

const POLL_MS = 500

export interface LeaseTerms {
  /** The table, with its schema. */
  table: string
  memory: string
  leaseMs: number
  /** How long to wait for another owner to end. */
  ownerWaitMs: number
  /** A file whose lock this process holds: whoever held it before, on the same machine, is gone. */
  lockFile: string | undefined
}

/** What one memory of this process, through all the handles that it opens one after the other, knows of its lease. */
export class Lease {
  readonly #terms: LeaseTerms
  /** Those that we have asked for since the last one that we know we have: an answer may have been lost. */
  #tokens: string[] = []
  /** What the memory that holds it has said of itself. */
  identity: StoreIdentity | undefined

  constructor(terms: LeaseTerms) {
    this.#terms = terms
  }

  /** That of the handle that is open now. */
  get token(): string {
    return this.#tokens.at(-1)!
  }

  /**
   * Claims the memory under a new token, and says what its row holds then.
   *
   * @throws AgentMemoryError OWNED_ELSEWHERE, after the wait, by whom; STORE_LOST if there is no such memory
   */
  async claim(connections: Connections): Promise<MemoryRow> {
    const { memory, ownerWaitMs } = this.#terms
    const isFirst = this.identity === undefined
    const ends = performance.now() + ownerWaitMs
    for (;;) {
      const claimed = await this.#tryClaim(connections)
      if (claimed !== undefined) return claimed
      const { owner, leftMs } = await this.#whoOwns(connections)
      const waitMs = ends - performance.now()
      // We had it, and have been taken over: that owner is not waited for.
      if (!isFirst || waitMs <= 0) throw ownedElsewhere(memory, owner)
      await new Promise(resolve => setTimeout(resolve, Math.min(POLL_MS, Math.max(leftMs, 1), waitMs)))
    }
  }

  /** False if another owner has it. */
  async renew(connections: Connections): Promise<boolean> {
    const { table, memory, leaseMs } = this.#terms
    const { rowCount } = await connections.transaction(session =>
      session.query(
        `UPDATE ${table} SET owner_until = clock_timestamp() + $3::float8 * interval '1 ms'
         WHERE memory = $1 AND owner_token = $2`,
        [memory, this.token, leaseMs],
      ),
    )
    return rowCount === 1
  }

  /** Gives it back: the next owner need not wait. */
  async release(connections: Connections): Promise<void> {
    const { table, memory } = this.#terms
    await connections.transaction(session =>
      session.query(
        `UPDATE ${table} SET owner_token = NULL, owner = NULL, owner_lock = NULL, owner_until = NULL
         WHERE memory = $1 AND owner_token = $2`,
        [memory, this.token],
      ),
    )
    this.#tokens = []
    this.identity = undefined
  }

  async #tryClaim(connections: Connections): Promise<MemoryRow | undefined> {
    const { table, memory, leaseMs, lockFile } = this.#terms
    const token = randomUUID()
    const { identity } = this
    const known = this.#tokens
    this.#tokens = [...known, token]
    const row = await connections.transaction(async session => {
      const result = await session.query(
        `UPDATE ${table}
         SET owner_token = $2, owner = $3, owner_lock = $4, owner_until = clock_timestamp() + $5::float8 * interval '1 ms'
         WHERE memory = $1
           AND (owner_token IS NULL OR owner_token = ANY($6::text[]) OR owner_lock = $4 OR owner_until <= clock_timestamp())
           AND ($7 OR (store_id, log_id, epoch) IS NOT DISTINCT FROM ($8::text, $9::text, $10::bigint))
         RETURNING *`,
        [
          memory,
          token,
          `process ${process.pid} on ${hostname()}`,
          lockProof(lockFile),
          leaseMs,
          known,
          identity === undefined,
          identity?.storeId,
          identity?.logId,
          identity?.epoch,
        ],
      )
      return memoryRow(memory, result)
    })
    this.#tokens = row === undefined ? known : [token]
    return row
  }

  async #whoOwns(connections: Connections): Promise<{ owner: string | undefined; leftMs: number }> {
    const { table, memory } = this.#terms
    const { rows } = await connections.query(
      `SELECT owner, extract(epoch FROM owner_until - clock_timestamp())::float8 * 1000 AS left_ms
       FROM ${table} WHERE memory = $1`,
      [memory],
    )
    const [row] = rows
    if (row === undefined) throw memoryLost(memory)
    return { owner: row.owner === null ? undefined : String(row.owner), leftMs: Number(row.left_ms ?? 0) }
  }
}

/**
 * What says that two processes mean one lock: the machine, by the id of its boot, and the file, by its number. Paths do
 * not say it: two containers may have one path for two files. `null` where it cannot be said.
 */
function lockProof(lockFile: string | undefined): string | null {
  if (lockFile === undefined || process.platform !== 'linux') return null
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const { dev, ino } = statSync(lockFile, { bigint: true })
    return `${boot}:${dev}:${ino}`
  } catch {
    // Then the lease has to run out.
    return null
  }
}
