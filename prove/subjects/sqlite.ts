/** SQLite used directly: one connection, write-ahead log, a sync at every commit; each put is a transaction. */
import { join } from 'node:path'
import { openSqlite, sqliteVersion } from './peers.js'
import type { OpenSubject, Subject } from './subject.js'

const FULL = 2

export const sqlite: Subject = {
  configuration: () => `${sqliteVersion()}, journal_mode WAL, synchronous FULL; one upsert a transaction`,

  async open(folder): Promise<OpenSubject> {
    const database = openSqlite(join(folder, 'data.sqlite'))
    try {
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
      const mode = database.prepare('PRAGMA journal_mode').get()?.journal_mode
      const synchronous = database.prepare('PRAGMA synchronous').get()?.synchronous
      if (mode !== 'wal' || synchronous !== FULL) throw new Error(`SQLite runs as ${mode}, ${synchronous}`)
      database.exec('CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID')
      const upsert = database.prepare('INSERT INTO kv VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
      return {
        put: async (key, value) => void upsert.run(key, value),
        entries: async () =>
          database
            .prepare('SELECT key, value FROM kv')
            .all()
            .map(({ key, value }) => [String(key), String(value)]),
        close: async () => database.close(),
      }
    } catch (error) {
      database.close()
      throw error
    }
  },
}
