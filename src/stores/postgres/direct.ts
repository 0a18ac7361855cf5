/**
 * A memory in Postgres that several nodes write, each without a log. One transaction a batch: it shares the memory's row, so
 * that no log is attached meanwhile; takes the number of its writer; and locks the rows of its buckets in their order, which
 * give it versions, and keep everybody else from what its conditions have seen.
 */
import { invariant } from '../../core/assert.js'
import type { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { Change, Page, StoreCapabilities, StoredEntry, StoreIdentity } from '../data-store.js'
import type { DirectBatch, DirectOutcome, DirectStore, DirectUnit } from '../direct-store.js'
import { numberArray } from './binary-array.js'
import type { Connections, Session } from './connections.js'
import { BUCKETS, bucketOf, keyArrays, runParameters } from './entry-columns.js'
import { EntryReads, remove, upsert } from './entry-rows.js'
import { memoryLost, memoryRow, ownedElsewhere, rowChecksum } from './memory-row.js'
import { changeError, postgresError } from './postgres-errors.js'

/**
 * Said as the mark of a memory that direct mode writes: above every version, so that a log which is attached later goes on
 * above it. Behind a log that was detached, versions go on above its LSNs, and the mark so far above those.
 */
const MARK_LSN = 2 ** 50
const VERSIONS_MAX = 2 ** 45
const MARK = { appliedLsn: MARK_LSN, appliedPosition: 0 }

export interface PostgresDirectParts {
  connections: Connections
  /** The quoted name of the schema. */
  schema: string
  memory: string
  /** Whether values that are JSON are kept as jsonb too. */
  json: boolean
  /** Ends what the connections are taken from, if that is ours. */
  end(): Promise<void>
}

/** The next versions of a batch, by bucket. */
type Versions = Map<number, number>

export class PostgresDirect implements DirectStore {
  readonly capabilities: StoreCapabilities = { kind: 'postgres', durableCommit: true, persistent: true }
  readonly #parts: PostgresDirectParts
  readonly #reads: EntryReads
  #identity: StoreIdentity | undefined
  /** All versions are below it. */
  #markLsn = MARK_LSN
  #closing: Promise<void> | undefined

  constructor(parts: PostgresDirectParts) {
    this.#parts = parts
    this.#reads = new EntryReads(parts)
  }

  attach(storeId: string): Promise<StoreIdentity> {
    return this.#transaction('The memory in Postgres cannot be opened', async session => {
      const { schema, memory } = this.#parts
      const made = { storeId, logId: undefined, epoch: 1 }
      await session.query(
        `INSERT INTO ${schema}.memories (memory, store_id, epoch, applied_lsn, crc) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING`,
        [memory, storeId, made.epoch, MARK_LSN, rowChecksum(memory, made, MARK)],
      )
      const found = await session.query(
        `SELECT *, owner_until > clock_timestamp() AS is_owned FROM ${schema}.memories WHERE memory = $1 FOR UPDATE`,
        [memory],
      )
      const row = memoryRow(memory, found)
      if (row === undefined) throw memoryLost(memory)
      const { owner, mark } = row
      let { identity = made } = row
      // One without an identity is being made by whoever has its lease, or was by somebody who is gone.
      const isBeingMade = row.identity === undefined && found.rows[0]!.is_owned === true
      if (identity.logId !== undefined || isBeingMade) throw ownedElsewhere(memory, owner ?? 'a memory with a log')
      if (row.identity === undefined) {
        await session.query(
          `UPDATE ${schema}.memories SET store_id = $2, epoch = $3, applied_lsn = $4, crc = $5 WHERE memory = $1`,
          [memory, storeId, made.epoch, MARK_LSN, rowChecksum(memory, made, MARK)],
        )
      }
      // Direct mode has no positions.
      this.#markLsn = Math.max(MARK_LSN, mark.appliedLsn)
      if (mark.appliedPosition > 0) identity = await this.#follow(session, identity, mark.appliedLsn)
      await session.query(
        `DELETE FROM ${schema}.writers WHERE memory = $1 AND written_at < clock_timestamp() - interval '1 day'`,
        [memory],
      )
      this.#identity = identity
      return identity
    })
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

  write({ writer, sequence, units }: DirectBatch): Promise<DirectOutcome[]> {
    return this.#transaction(
      'Postgres has not taken a batch',
      async session => {
        const { schema, memory } = this.#parts
        await this.#checkUnowned(session)
        const { rowCount } = await session.query(
          `INSERT INTO ${schema}.writers (memory, writer, sequence) VALUES ($1, $2, $3)
         ON CONFLICT (memory, writer) DO UPDATE
         SET sequence = excluded.sequence, outcomes = NULL, written_at = excluded.written_at
         WHERE writers.sequence < excluded.sequence`,
          [memory, writer, sequence],
        )
        if (rowCount !== 1) throw new Error(`the batch ${sequence} comes too late`)
        const versions = await this.#versions(session, units)
        const outcomes = await this.#apply(session, units, versions)
        await session.query(`UPDATE ${schema}.writers SET outcomes = $3 WHERE memory = $1 AND writer = $2`, [
          memory,
          writer,
          JSON.stringify(outcomes),
        ])
        return outcomes
      },
      changeError,
    )
  }

  settle(writer: string, sequence: number): Promise<DirectOutcome[] | undefined> {
    return this.#transaction('Postgres has not settled a batch', async session => {
      const { schema, memory } = this.#parts
      // It waits for a batch that is still at work: that one holds the row.
      const { rows } = await session.query(
        `INSERT INTO ${schema}.writers (memory, writer, sequence) VALUES ($1, $2, $3)
         ON CONFLICT (memory, writer) DO UPDATE
         SET sequence = excluded.sequence, written_at = excluded.written_at,
           outcomes = CASE WHEN writers.sequence = excluded.sequence THEN writers.outcomes END
         RETURNING outcomes`,
        [memory, writer, sequence],
      )
      const { outcomes } = rows[0]!
      return outcomes === null ? undefined : (JSON.parse(String(outcomes)) as DirectOutcome[])
    })
  }

  async forget(writer: string): Promise<void> {
    const { connections, schema, memory } = this.#parts
    await connections.query(`DELETE FROM ${schema}.writers WHERE memory = $1 AND writer = $2`, [memory, writer])
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#parts.connections.close()
    await this.#parts.end()
  }

  async #transaction<T>(
    what: string,
    work: (session: Session) => Promise<T>,
    errorOf: (what: string, error: unknown) => AgentMemoryError = postgresError,
  ): Promise<T> {
    try {
      return await this.#parts.connections.transaction(work)
    } catch (error) {
      throw errorOf(what, error)
    }
  }

  /** Goes on behind a log: whoever had it finds a newer epoch, and no version is given twice. */
  async #follow(session: Session, before: StoreIdentity, lastLsn: number): Promise<StoreIdentity> {
    const { schema, memory } = this.#parts
    const identity = { ...before, epoch: before.epoch + 1 }
    const mark = { appliedLsn: Math.max(MARK_LSN, lastLsn + VERSIONS_MAX), appliedPosition: 0 }
    await session.query(
      `UPDATE ${schema}.memories SET epoch = $2, applied_lsn = $3, applied_position = 0, crc = $4 WHERE memory = $1`,
      [memory, identity.epoch, mark.appliedLsn, rowChecksum(memory, identity, mark)],
    )
    await session.query(
      `INSERT INTO ${schema}.buckets (bucket, memory, seq) SELECT bucket, $1, $2::int8 FROM generate_series(0, $3::int4) AS bucket
       ON CONFLICT (bucket, memory) DO UPDATE SET seq = greatest(buckets.seq, excluded.seq)`,
      [memory, lastLsn, BUCKETS - 1],
    )
    this.#markLsn = mark.appliedLsn
    return identity
  }

  /** The row stays shared to the end of the transaction: whoever attaches a log waits. */
  async #checkUnowned(session: Session): Promise<void> {
    const { schema, memory } = this.#parts
    const found = await session.query(`SELECT * FROM ${schema}.memories WHERE memory = $1 FOR SHARE`, [memory])
    const row = memoryRow(memory, found)
    if (row === undefined) throw memoryLost(memory)
    const { identity, owner } = row
    const isOurs = identity?.storeId === this.#identity?.storeId && identity?.epoch === this.#identity?.epoch
    if (identity?.logId !== undefined || !isOurs) throw ownedElsewhere(memory, owner ?? 'a memory with a log')
  }

  /** Locks the buckets in their order, and takes of each as many versions as the batch may need. */
  async #versions(session: Session, units: readonly DirectUnit[]): Promise<Versions> {
    const { schema, memory } = this.#parts
    const needed = new Map<number, number>()
    for (const { key } of units.flat()) {
      const bucket = bucketOf(memory, key)
      needed.set(bucket, (needed.get(bucket) ?? 0) + 1)
    }
    const buckets = [...needed.keys()].sort((a, b) => a - b)
    const { rows } = await session.query(
      `INSERT INTO ${schema}.buckets (bucket, memory, seq) SELECT bucket, $1, needed
       FROM unnest($2::int4[], $3::int8[]) WITH ORDINALITY AS wanted (bucket, needed, n) ORDER BY n
       ON CONFLICT (bucket, memory) DO UPDATE SET seq = buckets.seq + excluded.seq
       RETURNING bucket, seq`,
      [
        memory,
        numberArray('int4', buckets),
        numberArray(
          'int8',
          buckets.map(bucket => needed.get(bucket)!),
        ),
      ],
    )
    return new Map(
      rows.map(row => {
        const bucket = Number(row.bucket)
        return [bucket, Number(row.seq) - needed.get(bucket)!]
      }),
    )
  }

  async #apply(session: Session, units: readonly DirectUnit[], versions: Versions): Promise<DirectOutcome[]> {
    const { schema, memory, json } = this.#parts
    const known = await this.#presentVersions(session, units)
    const changes = new Map<EncodedKey, Buffer | undefined>()
    const outcomes = units.map((unit): DirectOutcome => {
      const failed = unit.find(({ key, expected }) => expected !== undefined && (known.get(key) ?? null) !== expected)
      if (failed !== undefined) return { conflict: failed.key }
      const given = unit.map(({ key, value }) => {
        const bucket = bucketOf(memory, key)
        const version = versions.get(bucket)! + 1
        versions.set(bucket, version)
        changes.set(key, value?.(version))
        if (value === undefined) known.delete(key)
        else known.set(key, version)
        return version
      })
      return { versions: given }
    })
    const sorted: Change[] = [...changes].map(([key, value]) => ({ key, value }))
    sorted.sort((a, b) => (a.key < b.key ? -1 : 1))
    const { upserts, deletes } = runParameters(memory, sorted, 0, json)
    if (upserts !== undefined) await session.query(upsert(schema), [memory, ...upserts])
    if (deletes !== undefined) await session.query(remove(schema), [memory, ...deletes])
    return outcomes
  }

  /** The versions that the keys with conditions have now. Their buckets are locked, so that they keep them. */
  async #presentVersions(session: Session, units: readonly DirectUnit[]): Promise<Map<EncodedKey, number>> {
    const { schema, memory } = this.#parts
    const asked = new Set(units.flatMap(unit => unit.filter(each => each.expected !== undefined).map(({ key }) => key)))
    if (asked.size === 0) return new Map()
    const wanted = [...asked].map(key => ({ bucket: bucketOf(memory, key), key }))
    const { rows } = await session.query(
      `SELECT e.key, e.version FROM unnest($2::int4[], $3::bytea[]) AS wanted (bucket, key)
       JOIN ${schema}.entries e ON e.memory = $1 AND e.bucket = wanted.bucket AND e.key = wanted.key`,
      [memory, ...keyArrays(wanted)],
    )
    const found = rows.map(row => [(row.key as Buffer).latin1Slice(), Number(row.version)] as const)
    invariant(
      found.every(([, version]) => version < this.#markLsn),
      'versions stay below the mark of direct mode',
    )
    return new Map(found)
  }
}
