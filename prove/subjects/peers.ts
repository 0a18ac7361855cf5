/** lmdb and SQLite, from bench/node_modules, where what Holdfast is compared with is installed. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

export interface LmdbDatabase {
  put(key: string, value: string): Promise<boolean>
  getRange(): Iterable<{ key: string; value: string }>
  close(): Promise<void>
}

export interface SqliteDatabase {
  exec(sql: string): void
  prepare(sql: string): {
    run(...values: string[]): unknown
    get(): Record<string, unknown> | undefined
    all(): Record<string, unknown>[]
  }
  close(): void
}

// From dist/prove/subjects/ to bench/.
const BENCH = new URL('../../../bench/', import.meta.url)
const require = createRequire(new URL('package.json', BENCH))

/** Why the peers cannot be run here; `undefined` if they can. */
export function missingPeers(): string | undefined {
  if (existsSync(new URL('node_modules/lmdb/package.json', BENCH))) return undefined
  return 'lmdb and SQLite are not installed; `npm run bench` installs them on its first run'
}

export function openLmdb(path: string): LmdbDatabase {
  const lmdb = require('lmdb') as { open(options: { path: string }): LmdbDatabase }
  return lmdb.open({ path })
}

/** Node's own SQLite where there is one, else the drop-in for it that needs no compiler. */
export function openSqlite(path: string): SqliteDatabase {
  return new (sqlite().module.DatabaseSync)(path)
}

export function sqliteVersion(): string {
  const database = openSqlite(':memory:')
  const version = String(database.prepare('SELECT sqlite_version() AS version').get()?.version)
  database.close()
  return `SQLite ${version} by ${sqlite().name}`
}

export function versionOf(name: string): string {
  const path = fileURLToPath(new URL(`node_modules/${name}/package.json`, BENCH))
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

function sqlite(): { name: string; module: { DatabaseSync: new (path: string) => SqliteDatabase } } {
  try {
    return { name: 'node:sqlite', module: require('node:sqlite') }
  } catch {
    const name = '@photostructure/sqlite'
    return { name: `${name} ${versionOf(name)}`, module: require(name) }
  }
}
