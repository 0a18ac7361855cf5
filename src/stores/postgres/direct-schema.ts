/** What direct mode keeps beside the tables of a memory. docs/formats/postgres-store.md draws it. */
import type { Connections } from './connections.js'
import { MAKING_LOCK, quotedSchema } from './schema.js'

/** Makes the tables of direct mode; run again, it changes nothing. */
export function directSchemaSql(schema: string): string {
  const name = quotedSchema(schema)
  return `CREATE TABLE IF NOT EXISTS ${name}.buckets (
  bucket integer NOT NULL,
  memory text    NOT NULL,
  seq    bigint  NOT NULL,
  PRIMARY KEY (bucket, memory)
);

CREATE TABLE IF NOT EXISTS ${name}.writers (
  memory     text        NOT NULL,
  writer     text        NOT NULL,
  sequence   bigint      NOT NULL,
  outcomes   text,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (memory, writer)
);
`
}

/** Makes them where they are not, if they may be made. */
export async function prepareDirectSchema(connections: Connections, schema: string, mayMake: boolean): Promise<void> {
  const { rows } = await connections.query('SELECT to_regclass($1) AS writers', [`${quotedSchema(schema)}.writers`])
  if (rows[0]!.writers !== null || !mayMake) return
  await connections.transaction(async session => {
    await session.query(`SELECT pg_advisory_xact_lock(${MAKING_LOCK})`)
    await session.query(directSchemaSql(schema))
  })
}
