/** The tables, and the records of metadata. docs/formats/sqlite-store.md draws them. */
import { crc32 } from 'node:zlib'
import { AgentMemoryError } from '../../core/errors.js'
import { NO_LSN } from '../../core/lsn.js'
import type { Mark, StoreIdentity } from '../data-store.js'
import type { SqliteDatabase, SqlRow } from './driver.js'

const FORMAT = 1

/** A byte of the stored value as a number: SQL has no function for it. */
function byteAt(offset: number): string {
  const digit = (place: number) =>
    `(instr('0123456789ABCDEF', substr(hex(substr(value, ${offset + 1}, 1)), ${place}, 1)) - 1)`
  return `(${digit(1)} * 16 + ${digit(2)})`
}

/** The text of a value of codec 2 (JSON) that is neither compressed nor encrypted: it stands behind the extras. */
const JSON_TEXT = `CASE WHEN substr(value, 5, 4) = x'01020000' AND substr(value, 22, 1) = x'00'
    THEN CAST(substr(value, 23 + ${byteAt(20)}) AS TEXT) END`

const TABLES = `
  CREATE TABLE holdfast_metadata (name TEXT PRIMARY KEY, json TEXT NOT NULL, crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE holdfast_entries (
    key BLOB NOT NULL PRIMARY KEY, map TEXT NOT NULL, segments TEXT NOT NULL, value BLOB NOT NULL
  ) STRICT;
  CREATE VIEW holdfast_readable AS
  SELECT map, segments, ${JSON_TEXT} AS json, length(value) AS bytes FROM holdfast_entries;
`

type RecordName = 'format' | 'mark' | 'identity' | 'opened'

/** Makes the tables if there are none and they may be made. STORE_LOST, STORE_CORRUPT, FORMAT_TOO_NEW. */
export function prepareTables(database: SqliteDatabase, what: string, createIfMissing: boolean): void {
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE name IN ('holdfast_metadata', 'holdfast_entries')")
    .all()
  if (tables.length === 0 && createIfMissing) {
    database.exec('BEGIN IMMEDIATE')
    try {
      database.exec(TABLES)
      new Metadata(database).write('format', { format: FORMAT })
      database.exec('COMMIT')
    } catch (error) {
      rollBack(database)
      throw error
    }
    return
  }
  if (tables.length === 0) {
    throw new AgentMemoryError('STORE_LOST', {
      message: `${what} has no tables of a memory`,
      next: 'Put the right database back, or let the memory build a new store from a whole log',
    })
  }
  const format = new Metadata(database).read('format')?.format
  if (typeof format !== 'number') throw damaged('format')
  if (format <= FORMAT) return
  throw new AgentMemoryError('FORMAT_TOO_NEW', {
    message: `The store in ${what} has format ${format}; this version reads format ${FORMAT}`,
    next: 'Open it with the newer version of Holdfast that wrote it',
  })
}

/** Ends a transaction that failed. SQLite may have ended it by itself already. */
export function rollBack(database: SqliteDatabase): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // The error that led here is the one to tell.
  }
}

export class Metadata {
  readonly #select
  readonly #upsert

  constructor(database: SqliteDatabase) {
    this.#select = database.prepare('SELECT json, crc FROM holdfast_metadata WHERE name = ?')
    this.#upsert = database.prepare('INSERT OR REPLACE INTO holdfast_metadata VALUES (?, ?, ?)')
  }

  mark(): Mark {
    // A store that has never applied anything has no mark.
    const { appliedLsn, appliedPosition } = this.read('mark') ?? { appliedLsn: NO_LSN, appliedPosition: 0 }
    return { appliedLsn: Number(appliedLsn), appliedPosition: Number(appliedPosition) }
  }

  identity(): StoreIdentity | undefined {
    const record = this.read('identity') as unknown as StoreIdentity | undefined
    return record && { storeId: record.storeId, logId: record.logId, epoch: record.epoch }
  }

  read(name: RecordName): SqlRow | undefined {
    const row = this.#select.get(name) as { json: unknown; crc: unknown } | undefined
    // A driver answers `null` or `undefined` for no row.
    if (!row) return undefined
    if (typeof row.json !== 'string' || row.crc !== checksum(name, row.json)) throw damaged(name)
    return JSON.parse(row.json) as SqlRow
  }

  write(name: RecordName, record: object): void {
    const json = JSON.stringify(record)
    this.#upsert.run(name, json, checksum(name, json))
  }
}

function checksum(name: RecordName, json: string): number {
  return crc32(`${name}:${json}`)
}

function damaged(name: RecordName): AgentMemoryError {
  return new AgentMemoryError('STORE_CORRUPT', {
    message: `The ${name} of the store is missing or fails its checksum`,
    next: 'Restore the database and the log from the same backup',
  })
}
