/**
 * Which SQLite is used: Node's own where there is one, else better-sqlite3, else the drop-in for Node's own.
 *
 * Their databases are so much alike that there is no layer between them: `SqliteDatabase` is what we use of both.
 */
import { createRequire } from 'node:module'
import { AgentMemoryError } from '../../core/errors.js'

export type SqlValue = string | number | Uint8Array | null
export type SqlRow = Record<string, unknown>

/** What we use of an open database: of `DatabaseSync` of node:sqlite, and of `Database` of better-sqlite3. */
export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): unknown
}

export interface SqliteStatement {
  run(...values: SqlValue[]): unknown
  get(...values: SqlValue[]): unknown
  all(...values: SqlValue[]): unknown[]
}

export type DriverName = 'node:sqlite' | 'better-sqlite3' | '@photostructure/sqlite'

export interface SqliteDriver {
  name: DriverName
  /** Whether a worker thread may be ended in the middle of a call. If not, the process would be aborted. */
  canBeEnded: boolean
  open(path: string, options?: { readOnly?: boolean }): SqliteDatabase
}

/** Before it, a reset of the write-ahead log that meets a commit may corrupt the database. */
export const SQLITE_VERSION_MIN = '3.51.3'

const NAMES: readonly DriverName[] = ['node:sqlite', 'better-sqlite3', '@photostructure/sqlite']
const require = createRequire(import.meta.url)
const found = new Map<DriverName, SqliteDriver | string>()

/** The first driver that is there and new enough. DRIVER_MISSING, with what was found, if there is none. */
export function findDriver(): SqliteDriver {
  const reasons: string[] = []
  for (const name of NAMES) {
    const driver = driverOrReason(name)
    if (typeof driver !== 'string') return driver
    reasons.push(driver)
  }
  throw missing(reasons)
}

/** One driver by its name. DRIVER_MISSING if it is not there, or too old. */
export function driverNamed(name: DriverName): SqliteDriver {
  const driver = driverOrReason(name)
  if (typeof driver === 'string') throw missing([driver])
  return driver
}

/** Refuses a database whose SQLite is too old. */
export function checkVersion(database: SqliteDatabase): void {
  const version = versionOf(database)
  if (!isOlder(version)) return
  throw missing([`the database that was given is of SQLite ${version}, and ${SQLITE_VERSION_MIN} is needed`])
}

function driverOrReason(name: DriverName): SqliteDriver | string {
  let driver = found.get(name)
  if (driver === undefined) {
    driver = load(name)
    found.set(name, driver)
  }
  return driver
}

/** The driver, or in words why it cannot be used. */
function load(name: DriverName): SqliteDriver | string {
  try {
    const driver = name === 'better-sqlite3' ? betterSqlite() : nodeSqlite(name)
    if (typeof driver === 'string') return driver
    const database = driver.open(':memory:')
    const version = versionOf(database)
    database.close()
    return isOlder(version) ? `${name} has SQLite ${version}, and ${SQLITE_VERSION_MIN} is needed` : driver
  } catch (error) {
    // A file of it that is missing, or made for another Node: what it says is told.
    return `${name} cannot be loaded (${String(error).split('\n', 1)[0]})`
  }
}

function nodeSqlite(name: Exclude<DriverName, 'better-sqlite3'>): SqliteDriver | string {
  type Module = { DatabaseSync: new (path: string, options?: { readOnly?: boolean }) => SqliteDatabase }
  const isBuiltIn = name === 'node:sqlite'
  const module = isBuiltIn ? process.getBuiltinModule(name) : isInstalled(name) && require(name)
  if (!module) return isBuiltIn ? `Node ${process.versions.node} has no ${name}` : `${name} is not installed`
  const { DatabaseSync } = module as Module
  return { name, canBeEnded: isBuiltIn, open: (path, options = {}) => new DatabaseSync(path, options) }
}

function betterSqlite(): SqliteDriver | string {
  const name = 'better-sqlite3'
  if (!isInstalled(name)) return `${name} is not installed`
  const { version } = require(`${name}/package.json`) as { version: string }
  // From 13 on it is made for Node 22 and newer; an older one it crashes, without an error.
  const isTooNew = Number.parseInt(version, 10) >= 13 && Number.parseInt(process.versions.node, 10) < 22
  if (isTooNew) return `${name} ${version} does not run on Node ${process.versions.node}, ${name} 12 does`
  const Database = require(name) as new (path: string, options?: { readonly?: boolean }) => SqliteDatabase
  const open = (path: string, options?: { readOnly?: boolean }) => {
    return new Database(path, { readonly: options?.readOnly ?? false })
  }
  return { name, canBeEnded: true, open }
}

function isInstalled(name: string): boolean {
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}

function versionOf(database: SqliteDatabase): string {
  return String((database.prepare('SELECT sqlite_version() AS version').get() as SqlRow).version)
}

function isOlder(version: string): boolean {
  const parts = version.split('.').map(Number)
  const needed = SQLITE_VERSION_MIN.split('.').map(Number)
  const at = needed.findIndex((part, index) => parts[index] !== part)
  return at !== -1 && !(parts[at]! > needed[at]!)
}

function missing(reasons: readonly string[]): AgentMemoryError {
  const isOld = Number.parseInt(process.versions.node, 10) < 22
  return new AgentMemoryError('DRIVER_MISSING', {
    message: `There is no SQLite that could be used: ${reasons.join('; ')}`,
    next: isOld
      ? 'Run "npm install better-sqlite3@12", or use Node 24 or newer, which has SQLite built in'
      : 'Use the newest release of this Node, or run "npm install better-sqlite3"',
  })
}
