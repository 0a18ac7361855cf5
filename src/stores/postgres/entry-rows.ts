/** The rows of a memory's entries: how they are read, and the statements that change them. */
import type { EncodedKey } from '../../core/key.js'
import type { Page, StoredEntry } from '../data-store.js'
import { type Connections, closed } from './connections.js'
import { bucketOf, keyArrays, keyBytes } from './entry-columns.js'
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

/** One statement for entries by their columns (`runParameters`). */
export function upsert(schema: string): string {
  return `INSERT INTO ${schema}.entries (bucket, memory, key, version, value, map, segments, json)
    SELECT bucket, $1, key, version, value, map, segments::jsonb, json::jsonb
    FROM unnest($2::int4[], $3::bytea[], $4::int8[], $5::bytea[], $6::text[], $7::text[], $8::text[])
      AS written (bucket, key, version, value, map, segments, json)
    ON CONFLICT (bucket, memory, key) DO UPDATE
    SET version = excluded.version, value = excluded.value, json = excluded.json`
}

export function remove(schema: string): string {
  return `DELETE FROM ${schema}.entries e USING unnest($2::int4[], $3::bytea[]) AS gone (bucket, key)
    WHERE e.memory = $1 AND e.bucket = gone.bucket AND e.key = gone.key`
}
