import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { DataStore } from '../../src/stores/data-store.js'
import { driverNamed, type SqliteDatabase } from '../../src/stores/sqlite/driver.js'
import { openSqliteStore, storeInDatabase } from '../../src/stores/sqlite/sqlite.js'
import { storeSuite } from '../../src/testing/index.js'
import { DRIVERS } from './drivers.js'

const root = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-'))
after(() => rm(root, { recursive: true }))

let files = 0
function newPath(): string {
  files += 1
  return join(root, `memory-${files}.db`)
}

for (const driver of DRIVERS) {
  const pathOf = new Map<DataStore, string>()
  const openAt = async (path: string): Promise<DataStore> => {
    const store = await openSqliteStore(path, { driver })
    pathOf.set(store, path)
    return store
  }
  storeSuite({
    name: `sqlite by ${driver}`,
    open: () => openAt(newPath()),
    reopen: closed => openAt(pathOf.get(closed)!),
  })

  const databaseOf = new Map<DataStore, SqliteDatabase>()
  const openIn = (database: SqliteDatabase): DataStore => {
    const store = storeInDatabase(database, true)
    databaseOf.set(store, database)
    return store
  }
  storeSuite({
    name: `sqlite in an open database of ${driver}`,
    open: async () => openIn(driverNamed(driver).open(newPath())),
    reopen: async closed => openIn(databaseOf.get(closed)!),
    destroy: async closed => void databaseOf.get(closed)!.close(),
  })
}

test('the drivers that have to be here are', () => {
  assert.ok(DRIVERS.includes('@photostructure/sqlite'))
  assert.equal(DRIVERS.includes('node:sqlite'), !process.version.startsWith('v20.'))
  assert.equal(DRIVERS.includes('better-sqlite3'), process.env.NODE_PATH?.includes('better-sqlite3') ?? false)
})
