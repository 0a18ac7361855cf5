/**
 * What Holdfast is compared with, from bench/node_modules: the compiled code lies in dist/, where Node would not look
 * for it. Only what is called is typed here.
 */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

export interface LmdbDatabase {
  put(key: string, value: string): Promise<boolean>
  close(): Promise<void>
}

export interface LevelDatabase {
  open(): Promise<void>
  put(key: string, value: string, options: { sync: boolean }): Promise<void>
  close(): Promise<void>
}

export interface SqliteDatabase {
  exec(sql: string): void
  prepare(sql: string): { run(...values: string[]): unknown; get(): Record<string, unknown> | undefined }
  close(): void
}

// From dist/bench/peers.js to bench/package.json.
const require = createRequire(fileURLToPath(new URL('../../bench/package.json', import.meta.url)))

export function openLmdb(path: string): LmdbDatabase {
  const lmdb = require('lmdb') as { open(options: { path: string }): LmdbDatabase }
  return lmdb.open({ path })
}

export async function openLevel(path: string): Promise<LevelDatabase> {
  const { ClassicLevel } = require('classic-level') as { ClassicLevel: new (path: string) => LevelDatabase }
  const database = new ClassicLevel(path)
  await database.open()
  return database
}

/** Node's own SQLite where there is one, else the drop-in for it that needs no compiler. */
export function openSqlite(path: string): SqliteDatabase {
  const { DatabaseSync } = sqliteModule()
  return new DatabaseSync(path)
}

function sqliteModule(): { DatabaseSync: new (path: string) => SqliteDatabase } {
  try {
    return require('node:sqlite')
  } catch {
    return require('@photostructure/sqlite')
  }
}
