/** The tables, made where there are none. docs/formats/postgres-store.md draws them. */
import { AgentMemoryError, WrongCallError } from '../../core/errors.js'
import type { Connections } from './connections.js'
import { isServerError } from './postgres-errors.js'

const FORMAT = 1
// Of pg_advisory_xact_lock: makers of the tables take turns. Any number that others are unlikely to use.
const MAKING_LOCK = 0x686f6c64
const UNDEFINED_TABLE = '42P01'
const NAME_BYTES_MAX = 63

/** The name of a schema, quoted. INVALID_OPTION for what is none. */
export function quotedSchema(schema: unknown): string {
  if (typeof schema === 'string' && /^[a-z_][a-z0-9_]*$/i.test(schema) && schema.length <= NAME_BYTES_MAX) {
    return `"${schema}"`
  }
  throw new WrongCallError('INVALID_OPTION', {
    message: `The option "schema" is ${typeof schema === 'string' ? `"${schema}"` : typeof schema}`,
    next: `Give a name of letters, digits and underscores, of at most ${NAME_BYTES_MAX}`,
  })
}

/** Makes the schema and its tables; run again, it changes nothing. */
export function schemaSql(schema: string): string {
  const name = quotedSchema(schema)
  return `CREATE SCHEMA IF NOT EXISTS ${name};

CREATE TABLE IF NOT EXISTS ${name}.format (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  format   integer NOT NULL
);

CREATE TABLE IF NOT EXISTS ${name}.memories (
  memory           text PRIMARY KEY,
  store_id         text,
  log_id           text,
  epoch            bigint NOT NULL DEFAULT 0,
  applied_lsn      bigint NOT NULL DEFAULT 0,
  applied_position bigint NOT NULL DEFAULT 0,
  crc              bigint NOT NULL,
  owner_token      text,
  owner            text,
  owner_lock       text,
  owner_until      timestamptz
);

CREATE TABLE IF NOT EXISTS ${name}.entries (
  bucket   integer NOT NULL,
  memory   text    NOT NULL,
  key      bytea   NOT NULL,
  version  bigint  NOT NULL,
  value    bytea   NOT NULL,
  map      text    NOT NULL,
  segments jsonb   NOT NULL,
  json     jsonb,
  PRIMARY KEY (bucket, memory, key)
);

CREATE INDEX IF NOT EXISTS entries_in_order ON ${name}.entries (memory, key);

INSERT INTO ${name}.format (format) VALUES (${FORMAT}) ON CONFLICT DO NOTHING;
`
}

/** Whether the tables may be made: as the option `migrate` of the store says. */
export type Migrate = 'auto' | 'check'

/**
 * Sees to it that the tables are there. A database in which many begin at once is made by the first of them.
 *
 * @throws AgentMemoryError STORE_LOST if they are not and may not be made; FORMAT_TOO_NEW
 */
export async function prepareSchema(
  connections: Connections,
  schema: string,
  { migrate, create }: { migrate: Migrate; create: boolean },
): Promise<void> {
  let format = await formatOf(connections, schema)
  if (format === undefined && create && migrate === 'auto') {
    await connections.transaction(async session => {
      await session.query(`SELECT pg_advisory_xact_lock(${MAKING_LOCK})`)
      await session.query(schemaSql(schema))
    })
    format = await formatOf(connections, schema)
  }
  if (format === undefined) {
    throw new AgentMemoryError('STORE_LOST', {
      message: `The database has no tables of Holdfast in the schema ${quotedSchema(schema)}`,
      next: create
        ? 'Run what "npx holdfast sql" prints, or leave the option "migrate" at "auto"'
        : 'Put the right database back, or let the memory build a new store from a whole log',
    })
  }
  if (format <= FORMAT) return
  throw new AgentMemoryError('FORMAT_TOO_NEW', {
    message: `The tables in the schema ${quotedSchema(schema)} have format ${format}; this version reads format ${FORMAT}`,
    next: 'Open it with the newer version of Holdfast that made them',
  })
}

async function formatOf(connections: Connections, schema: string): Promise<number | undefined> {
  try {
    const { rows } = await connections.query(
      `SELECT format, current_setting('server_encoding') AS server, current_setting('client_encoding') AS client
       FROM ${quotedSchema(schema)}.format`,
    )
    const [row] = rows
    if (row === undefined) return undefined
    checkEncoding(String(row.server), String(row.client))
    return Number(row.format)
  } catch (error) {
    if (isServerError(error) && error.code === UNDEFINED_TABLE) return undefined
    throw error
  }
}

/** Keys are any text, and stand in the tables for people. */
function checkEncoding(server: string, client: string): void {
  if (server === 'UTF8' && client === 'UTF8') return
  throw new AgentMemoryError('STORE_DOWN', {
    message: `The database is encoded as ${server}, and its client as ${client}`,
    next: 'Use a database that was created with ENCODING UTF8, and a client that is not set to another encoding',
  })
}
