/**
 * The store in a Postgres database: one row an entry, one transaction an apply, fenced by the memory's row.
 * docs/formats/postgres-store.md has the tables, and what a crash or a cut connection leaves at each step.
 */
import { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Change, DataStore, Mark, Page, StoreCapabilities, StoredEntry, StoreIdentity } from '../data-store.js'
import { type Connections, closed, type Session } from './connections.js'
import { runParameters } from './entry-columns.js'
import { EntryReads, remove, upsert } from './entry-rows.js'
import type { Lease } from './lease.js'
import {
  type MemoryRow,
  memoryLost,
  memoryRow,
  ownedElsewhere,
  rowChecksum,
  sameIdentity,
  sameMark,
} from './memory-row.js'
import { changeError, postgresError } from './postgres-errors.js'

/** What every change starts with: the row is as we have left it. */
const AS_EXPECTED = `
  WHERE memory = $1 AND owner_token = $2 AND (store_id, log_id, epoch, applied_lsn, applied_position)
    IS NOT DISTINCT FROM ($3::text, $4::text, $5::bigint, $6::bigint, $7::bigint)`

export interface PostgresStoreParts {
  connections: Connections
  lease: Lease
  /** The quoted name of the schema. */
  schema: string
  memory: string
  /** Whether values that are JSON are kept as jsonb too. */
  json: boolean
  leaseMs: number
  /** Ends what the connections are taken from, if that is ours. */
  end(): Promise<void>
}

export class PostgresStore implements DataStore {
  readonly capabilities: StoreCapabilities = { kind: 'postgres', durableCommit: true, persistent: true, isShared: true }
  readonly #parts: PostgresStoreParts
  readonly #reads: EntryReads
  readonly #renewal: NodeJS.Timeout
  /** What the row says of us, as far as we know: every change checks it. */
  #identity: StoreIdentity | undefined
  #mark: Mark
  /** Changes take turns. */
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  /** Why this handle writes nothing more: the outcome of a change is not known, or another owner has come. */
  #broken: AgentMemoryError | undefined
  #closing: Promise<void> | undefined

  constructor(parts: PostgresStoreParts, { identity, mark }: MemoryRow) {
    this.#parts = parts
    this.#reads = new EntryReads(parts)
    this.#identity = identity
    this.#mark = mark
    this.#renewal = setInterval(() => void this.#renew(), parts.leaseMs / 3)
    this.#renewal.unref()
  }

  async identity(): Promise<StoreIdentity | undefined> {
    return (await this.#row()).identity
  }

  setIdentity(identity: StoreIdentity): Promise<void> {
    return this.#change('its identity', async () => {
      const { connections, schema, memory, lease } = this.#parts
      await connections.transaction(async session => {
        const { rowCount } = await session.query(
          `UPDATE ${schema}.memories SET store_id = $8, log_id = $9, epoch = $10, crc = $11 ${AS_EXPECTED}`,
          [
            ...this.#expected(),
            identity.storeId,
            identity.logId,
            identity.epoch,
            rowChecksum(memory, identity, this.#mark),
          ],
        )
        if (rowCount !== 1) throw await this.#refusal(session)
      })
      this.#identity = identity
      lease.identity = identity
    })
  }

  async mark(): Promise<Mark> {
    return (await this.#row()).mark
  }

  get(key: EncodedKey): Promise<Buffer | undefined> {
    return this.#reads.get(key)
  }

  getMany(keys: EncodedKey[]): Promise<(Buffer | undefined)[]> {
    return this.#reads.getMany(keys)
  }

  page(page: Page): Promise<StoredEntry[]> {
    return this.#reads.page(page)
  }

  apply(changes: Change[], mark: Mark): Promise<void> {
    return this.#change('a run', async () => {
      const { connections, schema, memory, leaseMs, json } = this.#parts
      const { upserts, deletes } = runParameters(memory, changes, mark.appliedLsn, json)
      await connections.transaction(async session => {
        // The row is locked by the first statement: whoever claims the memory meanwhile waits, and sees what came of it.
        const { rowCount } = await session.query(
          `UPDATE ${schema}.memories SET applied_lsn = $8, applied_position = $9, crc = $10,
             owner_until = clock_timestamp() + $11::float8 * interval '1 ms' ${AS_EXPECTED}`,
          [
            ...this.#expected(),
            mark.appliedLsn,
            mark.appliedPosition,
            rowChecksum(memory, this.#identity, mark),
            leaseMs,
          ],
        )
        if (rowCount !== 1) throw await this.#refusal(session)
        if (upserts !== undefined) await session.query(upsert(schema), [memory, ...upserts])
        if (deletes !== undefined) await session.query(remove(schema), [memory, ...deletes])
      })
      this.#mark = mark
    })
  }

  async flushedLsn(): Promise<Lsn> {
    return (await this.mark()).appliedLsn
  }

  async flush(): Promise<void> {
    if (this.#parts.connections.isClosed) throw closed()
  }

  /** Gives the memory up, if nothing is in doubt, so that the next owner need not wait. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { connections, lease, end } = this.#parts
    clearInterval(this.#renewal)
    // Otherwise it stays ours until it runs out: this process comes back for it, or nobody does.
    if (this.#waiting === 0 && this.#broken === undefined) await Promise.allSettled([lease.release(connections)])
    connections.close()
    await end()
  }

  async #row(): Promise<MemoryRow> {
    try {
      return await this.#rowOf(this.#parts.connections)
    } catch (error) {
      throw postgresError('The row of the memory cannot be read', error)
    }
  }

  async #rowOf(session: Session): Promise<MemoryRow> {
    const { schema, memory } = this.#parts
    const row = memoryRow(memory, await session.query(`SELECT * FROM ${schema}.memories WHERE memory = $1`, [memory]))
    if (row === undefined) throw memoryLost(memory)
    return row
  }

  #change<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#waiting += 1
    const changed = this.#last
      .then(() => {
        if (this.#broken !== undefined) throw this.#broken
        return work()
      })
      .catch((error: unknown) => {
        const ours = changeError(`Postgres has not taken ${what}`, error)
        // What was refused has been rolled back: everything is as it was.
        if (ours.code !== 'STORE_REFUSED') this.#broken ??= ours
        throw ours
      })
      .finally(() => {
        this.#waiting -= 1
      })
    this.#last = changed.catch(() => {})
    return changed
  }

  async #renew(): Promise<void> {
    // What changes the store renews it too.
    if (this.#waiting > 0 || this.#broken !== undefined) return
    const { connections, lease } = this.#parts
    try {
      if (!(await lease.renew(connections))) this.#broken ??= await this.#refusal(connections)
    } catch {
      // It is tried again; a change that cannot reach the database is told to whoever waits for it.
    }
  }

  /** Why the row is not as we have left it. */
  async #refusal(session: Session): Promise<AgentMemoryError> {
    const { memory, lease } = this.#parts
    const { identity, mark, owner, ownerToken } = await this.#rowOf(session)
    if (ownerToken !== lease.token || !sameIdentity(identity, this.#identity)) return ownedElsewhere(memory, owner)
    const moved = sameMark(mark, this.#mark) ? 'is as it was again' : `has moved to LSN ${mark.appliedLsn}`
    return new AgentMemoryError('STORE_DOWN', {
      message: `The mark of the memory "${memory}" ${moved}, as of a change whose answer had been lost`,
      next: 'The memory opens the store again by itself and goes on from there',
    })
  }

  #expected(): unknown[] {
    const { memory, lease } = this.#parts
    const { storeId, logId, epoch = 0 } = this.#identity ?? {}
    return [memory, lease.token, storeId, logId, epoch, this.#mark.appliedLsn, this.#mark.appliedPosition]
  }
}
