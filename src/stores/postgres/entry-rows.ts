/** The rows of a memory's entries: how they are read, and the statements that change them. */
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Change, Page, StoredEntry } from '../data-store.js'
import { type Connections, closed, type Session } from './connections.js'
import { bucketOf, entryArrays, inPlace, keyArrays, keyBytes, type Placed, type Written } from './entry-columns.js'
import { postgresError } from './postgres-errors.js'

export interface EntryReadsParts {
  connections: Connections
  /** The quoted name of the schema. */
  schema: string
  memory: string
}

export class EntryReads {
  readonly #parts: EntryReadsParts

  constructor(parts: EntryReadsParts) {
    this.#parts = parts
  }

  async get(key: EncodedKey): Promise<Buffer | undefined> {
    const { schema, memory } = this.#parts
    const [row] = await this.#read(
      `SELECT value FROM ${schema}.entries WHERE bucket = $1 AND memory = $2 AND key = $3`,
      [bucketOf(memory, key), memory, keyBytes(key)],
    )
    return row?.value as Buffer | undefined
  }

  async getMany(keys: EncodedKey[]): Promise<(Buffer | undefined)[]> {
    const { schema, memory } = this.#parts
    const wanted = [...new Set(keys)].map(key => ({ bucket: bucketOf(memory, key), key }))
    if (wanted.length === 0) {
      if (this.#parts.connections.isClosed) throw closed()
      return []
    }
    const rows = await this.#read(
      `SELECT e.key, e.value FROM unnest($2::int4[], $3::bytea[]) AS wanted (bucket, key)
       JOIN ${schema}.entries e ON e.memory = $1 AND e.bucket = wanted.bucket AND e.key = wanted.key`,
      [memory, ...keyArrays(wanted)],
    )
    const found = new Map(rows.map(row => [(row.key as Buffer).latin1Slice(), row.value as Buffer]))
    return keys.map(key => found.get(key))
  }

  async page({ from, to, reverse, limit }: Page): Promise<StoredEntry[]> {
    const { schema, memory } = this.#parts
    const rows = await this.#read(
      `SELECT key, value FROM ${schema}.entries WHERE memory = $1 AND key >= $2 AND key < $3
       ORDER BY key ${reverse ? 'DESC' : 'ASC'} LIMIT $4`,
      [memory, keyBytes(from), keyBytes(to), limit],
    )
    return rows.map(row => ({ key: (row.key as Buffer).latin1Slice(), value: row.value as Buffer }))
  }

  async #read(text: string, values: unknown[]): Promise<Record<string, unknown>[]> {
    try {
      return (await this.#parts.connections.query(text, values)).rows
    } catch (error) {
      throw postgresError('Postgres has not answered a read', error)
    }
  }
}

// Statements of more rows are not faster: what a server keeps of one beyond its `work_mem` goes through files.
const PART_ROWS_MAX = 1024
const PART_BYTES_MAX = 1 << 20

/** Makes changes, whose keys are in order, in parts: while the server works on one, the next is made ready. */
export async function writeChanges(
  session: Session,
  { schema, memory, json }: { schema: string; memory: string; json: boolean },
  changes: readonly Change[],
  lsn: Lsn,
): Promise<void> {
  let running: Promise<unknown> = Promise.resolve()
  for (const part of partsOf(inPlace(memory, changes))) {
    const written = part.filter((each): each is Written => each.value !== undefined)
    const gone = part.filter(({ value }) => value === undefined)
    const statements: [string, Buffer[]][] = []
    if (written.length > 0) statements.push([upsert(schema), await entryArrays(written, lsn, json)])
    if (gone.length > 0) statements.push([remove(schema), keyArrays(gone)])
    for (const [text, arrays] of statements) {
      await running
      running = session.query(text, [memory, ...arrays])
      // It is awaited before the next one.
      running.catch(() => {})
    }
  }
  await running
}

function* partsOf(placed: readonly Placed[]): Generator<readonly Placed[], void, void> {
  let start = 0
  let bytes = 0
  for (const [index, { value }] of placed.entries()) {
    bytes += value?.length ?? 0
    if (bytes < PART_BYTES_MAX && index + 1 - start < PART_ROWS_MAX && index + 1 < placed.length) continue
    yield placed.slice(start, index + 1)
    start = index + 1
    bytes = 0
  }
}

/**
 * One statement for entries by their columns (`entryArrays`). The arrays are taken apart in the list of what is selected:
 * as functions after FROM each of them would be written out whole first.
 */
function upsert(schema: string): string {
  return `INSERT INTO ${schema}.entries (bucket, memory, key, version, value, map, segments, json)
    SELECT bucket, $1, key, version, value, map, segments::jsonb, json::jsonb
    FROM (SELECT unnest($2::int4[]) AS bucket, unnest($3::bytea[]) AS key, unnest($4::int8[]) AS version,
      unnest($5::bytea[]) AS value, unnest($6::text[]) AS map, unnest($7::text[]) AS segments,
      unnest($8::text[]) AS json) AS written
    ON CONFLICT (bucket, memory, key) DO UPDATE
    SET version = excluded.version, value = excluded.value, json = excluded.json`
}

function remove(schema: string): string {
  return `DELETE FROM ${schema}.entries e USING unnest($2::int4[], $3::bytea[]) AS gone (bucket, key)
    WHERE e.memory = $1 AND e.bucket = gone.bucket AND e.key = gone.key`
}
