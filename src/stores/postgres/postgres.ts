/** Opens the store of a memory in Postgres: sees to its tables, claims the memory, and opens it again after an error. */
import { WrongCallError } from '../../core/errors.js'
import type { DataStore, OpenTerms } from '../data-store.js'
import type { DirectStore } from '../direct-store.js'
import { Connections } from './connections.js'
import { PostgresDirect } from './direct.js'
import { prepareDirectSchema } from './direct-schema.js'
import { findDriver, type OwnPool, type PostgresPool, poolOf } from './driver.js'
import { Lease } from './lease.js'
import { memoryLost, rowChecksum } from './memory-row.js'
import { isAway, postgresError } from './postgres-errors.js'
import { PostgresStore } from './postgres-store.js'
import { type Migrate, prepareSchema, quotedSchema } from './schema.js'

/** Options of a store in Postgres. All of them have safe defaults. */
export interface PostgresStoreOptions {
  /**
   * Which of the memories in the database: 1 to 200 bytes of text without NUL.
   *
   * @defaultValue 'default'
   */
  memory?: string
  /**
   * The schema that the tables are in.
   *
   * @defaultValue 'holdfast'
   */
  schema?: string
  /**
   * `auto` makes schema and tables where there are none; with `check` that is an error: whoever may make them runs what
   * `npx holdfast sql` prints.
   *
   * @defaultValue 'auto'
   */
  migrate?: Migrate
  /**
   * Keep values of maps with `codec: 'json'` as `jsonb` too, for queries by hand. Takes about twice the room.
   *
   * @defaultValue false
   */
  json?: boolean
  /**
   * How long opening waits for another owner of the memory to close it, or to run out of its lease of 15 s after a crash,
   * in ms; then it is OWNED_ELSEWHERE.
   *
   * @defaultValue 30,000
   */
  ownerWaitMs?: number
}

export interface PostgresStoreConfig extends Required<PostgresStoreOptions> {
  leaseMs: number
}

const LEASE_MS = 15_000
const DEADLINE_MS = 10_000
const END_MS = 1000
const MEMORY_BYTES_MAX = 200
/** A transaction of so many rows takes some 100 ms; more of them in one make none of them faster. */
const RUN_KEYS_MAX = 4096

/** As the options of a memory take it: `store`. */
export interface PostgresStoreOpener {
  kind: 'postgres'
  runKeysMax: number
  /** What tells it from others, without a password. */
  place?: string
  isAway(error: unknown): boolean
  open(create: boolean, terms?: OpenTerms): Promise<DataStore>
  openDirect(deadlineMs: number): Promise<DirectStore>
}

/** From where a handle takes its connections, and what ends them. */
interface Source {
  pool: PostgresPool
  end(): Promise<void>
}

/** Checks options. INVALID_OPTION. */
export function postgresConfig(options: PostgresStoreOptions): PostgresStoreConfig {
  const { memory = 'default', schema = 'holdfast', migrate = 'auto', json = false, ownerWaitMs = 30_000 } = options
  quotedSchema(schema)
  const isName = typeof memory === 'string' && memory !== '' && memory.isWellFormed() && !memory.includes('\0')
  if (!isName || Buffer.byteLength(memory) > MEMORY_BYTES_MAX) {
    throw badOption('memory', memory, `text of 1 to ${MEMORY_BYTES_MAX} bytes, without NUL`)
  }
  if (migrate !== 'auto' && migrate !== 'check') throw badOption('migrate', migrate, "'auto' or 'check'")
  if (typeof json !== 'boolean') throw badOption('json', json, 'true or false')
  if (!Number.isSafeInteger(ownerWaitMs) || ownerWaitMs < 0) {
    throw badOption('ownerWaitMs', ownerWaitMs, 'a whole number of ms, 0 or more')
  }
  return { memory, schema, migrate, json, ownerWaitMs, leaseMs: LEASE_MS }
}

/** The opener of a database by its URL, without our own parameters. DRIVER_MISSING where there is no `pg`. */
export function openerByUrl(url: string, place: string, config: PostgresStoreConfig): PostgresStoreOpener {
  findDriver()
  return {
    ...opener(deadlineMs => {
      const pool: OwnPool = poolOf(url, deadlineMs)
      return { pool, end: () => endOf(pool) }
    }, config),
    place,
  }
}

/** The opener of a database by the caller's pool, which stays the caller's. */
export function openerByPool(pool: PostgresPool, config: PostgresStoreConfig): PostgresStoreOpener {
  return opener(() => ({ pool, end: async () => {} }), config)
}

function opener(connect: (deadlineMs: number) => Source, config: PostgresStoreConfig): PostgresStoreOpener {
  // By the folder that a memory is in: its handles, one after the other, are one owner.
  const leases = new Map<string | undefined, Lease>()
  return {
    kind: 'postgres',
    runKeysMax: RUN_KEYS_MAX,
    isAway,
    async open(create, terms) {
      const deadlineMs = terms?.deadlineMs ?? DEADLINE_MS
      const lockFile = terms?.lockFile
      const { memory, leaseMs, ownerWaitMs } = config
      const table = `${quotedSchema(config.schema)}.memories`
      const lease = leases.get(lockFile) ?? new Lease({ table, memory, leaseMs, ownerWaitMs, lockFile })
      leases.set(lockFile, lease)
      const { pool, end } = connect(deadlineMs)
      const connections = new Connections(pool, deadlineMs)
      try {
        return await openHandle(create, config, connections, lease, end)
      } catch (error) {
        connections.close()
        await end()
        throw postgresError(`The memory "${memory}" in Postgres cannot be opened`, error)
      }
    },
    async openDirect(deadlineMs) {
      const { memory, migrate, json } = config
      const { pool, end } = connect(deadlineMs)
      const connections = new Connections(pool, deadlineMs)
      try {
        await prepareSchema(connections, config.schema, { migrate, create: true })
        await prepareDirectSchema(connections, config.schema, migrate === 'auto')
        return new PostgresDirect({ connections, schema: quotedSchema(config.schema), memory, json, end })
      } catch (error) {
        connections.close()
        await end()
        throw postgresError(`The memory "${memory}" in Postgres cannot be opened`, error)
      }
    },
  }
}

async function openHandle(
  create: boolean,
  config: PostgresStoreConfig,
  connections: Connections,
  lease: Lease,
  end: () => Promise<void>,
): Promise<DataStore> {
  const { memory, migrate, json, leaseMs } = config
  await prepareSchema(connections, config.schema, { migrate, create })
  const schema = quotedSchema(config.schema)
  if (create) {
    const crc = rowChecksum(memory, undefined, { appliedLsn: 0, appliedPosition: 0 })
    await connections.transaction(session =>
      session.query(`INSERT INTO ${schema}.memories (memory, crc) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
        memory,
        crc,
      ]),
    )
  }
  const row = await lease.claim(connections)
  // The row of one that was made and never finished: the memory has its folder from elsewhere.
  if (!create && row.identity === undefined) {
    await Promise.allSettled([lease.release(connections)])
    throw memoryLost(memory)
  }
  return new PostgresStore({ connections, lease, schema, memory, json, leaseMs, end }, row)
}

/** A connection to a server that does not answer may take minutes to end: it is not waited for. */
async function endOf(pool: OwnPool): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, END_MS)
  })
  await Promise.race([pool.end().catch(() => {}), late])
  clearTimeout(timer)
}

function badOption(name: string, value: unknown, wanted: string): WrongCallError {
  const given = typeof value === 'string' || typeof value === 'number' ? JSON.stringify(value) : typeof value
  return new WrongCallError('INVALID_OPTION', { message: `The option "${name}" is ${given}`, next: `Give ${wanted}` })
}
