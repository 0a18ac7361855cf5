/** How a connection is set, and that it is. docs/formats/sqlite-store.md, "Settings", has the reasons. */
import { AgentMemoryError } from '../../core/errors.js'
import type { SqliteDatabase, SqlRow } from './driver.js'

const SETTINGS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA fullfsync = ON;
  PRAGMA checkpoint_fullfsync = ON;
  PRAGMA wal_autocheckpoint = 4096;
  PRAGMA journal_size_limit = 67108864;
  PRAGMA cache_size = -8192;
  PRAGMA cell_size_check = ON;
`
const FULL = 2

/** How long to wait, in ms, for another program that holds the database locked: the calling thread stands still. */
export const BUSY_MS = { eventLoop: 100, worker: 5000 }

/** Sets it, and refuses a connection on which a commit would not be durable. */
export function configure(database: SqliteDatabase, what: string, busyMs: number): void {
  // Whether it may write is told before anything is prepared on it: what is prepared may keep a connection open that could
  // only read the index of SQLite's log, and with it every later one of the process.
  database.exec(`PRAGMA busy_timeout = ${busyMs}; ${SETTINGS} BEGIN IMMEDIATE; ROLLBACK;`)
  const mode = settingOf(database, 'journal_mode')
  const synchronous = settingOf(database, 'synchronous')
  if (mode === 'wal' && synchronous === FULL) return
  throw new AgentMemoryError('STORE_DOWN', {
    message: `SQLite runs ${what} with journal_mode ${mode} and synchronous ${synchronous}, not WAL and FULL (2)`,
    next: 'Use a database in a file on a local disk, outside of any transaction, with a driver that lets these be set',
  })
}

function settingOf(database: SqliteDatabase, name: string): unknown {
  return (database.prepare(`PRAGMA ${name}`).get() as SqlRow)[name]
}
