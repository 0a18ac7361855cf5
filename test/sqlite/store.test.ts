import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { decodeStoredValue, encodeStoredValue } from '../../src/codec/stored-value.js'
import { AgentMemoryError } from '../../src/core/errors.js'
import { sqliteStore } from '../../src/stores/sqlite/index.js'
import {
  openSqliteStore,
  openToRead,
  type SqliteThreadOptions,
  storeInDatabase,
} from '../../src/stores/sqlite/sqlite.js'
import { type Random, randomBelow, seededRandom } from '../../src/testing/random.js'
import { DRIVER, DRIVERS } from './drivers.js'
import { generation, KEYS, markAt } from './writer.js'

const WRITER = fileURLToPath(new URL('./writer.js', import.meta.url))
const ALL = { from: '', to: '\xff', reverse: false, limit: 10_000 }

const root = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-'))
after(() => rm(root, { recursive: true }))

let files = 0
function newPath(): string {
  files += 1
  return join(root, `memory-${files}.db`)
}

async function storeAt(path: string, lastLsn = 1): Promise<void> {
  const store = await openSqliteStore(path)
  await store.apply(generation(lastLsn), markAt(lastLsn))
  await store.close()
}

test('a database that is made belongs to its owner alone, and so does what SQLite puts beside it', async () => {
  const path = newPath()
  const store = await openSqliteStore(path)

  for (const suffix of ['', '-wal', '-shm', '-lock']) {
    assert.equal((await stat(path + suffix)).mode & 0o777, 0o600, suffix)
  }
  await store.close()
})

test('without createIfMissing nothing is made: no file, an empty one and one without our tables are STORE_LOST', async () => {
  const path = newPath()
  await assert.rejects(openSqliteStore(path, { createIfMissing: false }), { code: 'STORE_LOST' })
  await assert.rejects(stat(path), { code: 'ENOENT' })

  await writeFile(path, '')
  await assert.rejects(openSqliteStore(path, { createIfMissing: false }), { code: 'STORE_LOST' })
  assert.equal((await stat(path)).size, 0)

  const database = DRIVER.open(path)
  database.exec('CREATE TABLE mine (x)')
  database.close()
  await assert.rejects(openSqliteStore(path, { createIfMissing: false }), { code: 'STORE_LOST' })
  await (await openSqliteStore(path)).close()
  await (await openSqliteStore(path, { createIfMissing: false })).close()
})

test('an empty database whose log is there is not opened, since SQLite would throw that log away', async () => {
  const path = newPath()
  const store = await openSqliteStore(path)
  await store.apply(generation(1), markAt(1))
  const copy = newPath()
  await copyFile(`${path}-wal`, `${copy}-wal`)
  await writeFile(copy, '')
  await store.close()

  await assert.rejects(openSqliteStore(copy, { createIfMissing: false }), { code: 'STORE_LOST' })

  assert.ok((await stat(`${copy}-wal`)).size > 0)
})

test('a record of metadata that fails its checksum, or is gone, is STORE_CORRUPT', async () => {
  for (const damage of [
    `UPDATE holdfast_metadata SET json = replace(json, '1', '2') WHERE name = 'mark'`,
    `UPDATE holdfast_metadata SET crc = crc + 1 WHERE name = 'identity'`,
    `DELETE FROM holdfast_metadata WHERE name = 'format'`,
  ]) {
    const path = newPath()
    const store = await openSqliteStore(path)
    await store.setIdentity({ storeId: '0'.repeat(32), logId: undefined, epoch: 1 })
    await store.apply([], markAt(1))
    await store.close()
    const database = DRIVER.open(path)
    database.exec(damage)
    database.close()

    await assert.rejects(openSqliteStore(path), { code: 'STORE_CORRUPT' }, damage)
  }
})

test('a store of a newer format is FORMAT_TOO_NEW', async () => {
  const { crc32 } = await import('node:zlib')
  const path = newPath()
  await storeAt(path)
  const database = DRIVER.open(path)
  const json = '{"format":2}'
  const update = database.prepare("UPDATE holdfast_metadata SET json = ?, crc = ? WHERE name = 'format'")
  update.run(json, crc32(`format:${json}`))
  database.close()

  await assert.rejects(openSqliteStore(path), { code: 'FORMAT_TOO_NEW' })
})

test('a file that is no database is STORE_CORRUPT, and a folder that is not there STORE_DOWN with its cause', async () => {
  const path = newPath()
  await writeFile(path, 'no database '.repeat(100))
  await assert.rejects(openSqliteStore(path), { code: 'STORE_CORRUPT' })

  await assert.rejects(openSqliteStore(join(newPath(), 'below', 'it.db')), (error: Error & { code: string }) => {
    assert.equal(error.code, 'STORE_DOWN')
    assert.equal((error.cause as { code: string }).code, 'ENOENT')
    return true
  })
})

test('a database is open as a store once: in this process by any path, and among processes', async () => {
  const path = newPath()
  const store = await openSqliteStore(path)
  const link = newPath()
  await symlink(path, link)

  await assert.rejects(openSqliteStore(path), { code: 'OWNED_ELSEWHERE' })
  await assert.rejects(openSqliteStore(link), { code: 'OWNED_ELSEWHERE' })
  assert.equal(await outputOf(spawn(process.execPath, [WRITER, 'open', path])), 'OWNED_ELSEWHERE\n')

  await store.close()
  assert.equal(await outputOf(spawn(process.execPath, [WRITER, 'open', link])), 'opened\n')
})

test('closing waits for the calls that run', async () => {
  const path = newPath()
  const store = await openSqliteStore(path)
  const applied = store.apply(generation(1), markAt(1))
  const page = store.page(ALL)
  await store.close()
  await applied
  await page

  const reopened = await openSqliteStore(path)
  assert.deepEqual(await reopened.mark(), markAt(1))
  await reopened.close()
})

test('an apply of 65,536 keys lets others have their turn in between', async () => {
  const store = await openSqliteStore(newPath())
  const value = Buffer.from('x')
  const keys = Array.from({ length: 65_536 }, (_, index) => `k${String(index).padStart(6, '0')}\0`)
  let turns = 0
  let isApplying = true
  const applied = store.apply(
    keys.map(key => ({ key, value })),
    markAt(1),
  )
  const finished = applied.finally(() => {
    isApplying = false
  })
  while (isApplying) {
    turns += 1
    assert.equal((await store.page({ ...ALL, limit: 1 })).length, isApplying ? 0 : 1)
    await new Promise(resolve => setImmediate(resolve))
  }
  await finished

  assert.ok(turns >= 60, `${turns} turns`)
  await store.close()
})

test('another thread applies while this one reads: each page and its mark are of one apply', async () => {
  const path = newPath()
  const store = await openSqliteStore(path)
  const worker = threadAt(path)
  let lastLsn = 0
  worker.on('message', (lsn: number) => {
    lastLsn = lsn
  })

  const seen = new Set<number>()
  while (lastLsn < 30) {
    await new Promise(resolve => setImmediate(resolve))
    const before = await store.mark()
    const page = await store.page(ALL)
    const after = await store.mark()
    if (page.length === 0) continue
    assert.equal(page.length, KEYS.length)
    const lsns = [...new Set(page.map(({ value }) => Number(value.toString())))]
    assert.equal(lsns.length, 1, `a page of LSNs ${lsns}`)
    assert.ok(before.appliedLsn <= lsns[0]! && lsns[0]! <= after.appliedLsn)
    seen.add(lsns[0]!)
  }

  assert.ok(seen.size > 1, 'pages were read while the worker applied')
  worker.postMessage('close')
  await once(worker, 'exit')
  await store.close()
})

// The drop-in for node:sqlite aborts the process then, which is why it gets no thread: decision 11.
for (const driver of DRIVERS.filter(name => name !== '@photostructure/sqlite')) {
  test(`a thread of ${driver} that is ended within a transaction leaves nothing of it, and nothing locked`, async () => {
    const path = newPath()
    const store = await openSqliteStore(path, { driver })
    for (const applies of [1, 3, 5, 2]) {
      const worker = threadAt(path, driver)
      let lastLsn = 0
      worker.on('message', (lsn: number) => {
        lastLsn = lsn
      })
      for (let heard = 0; heard < applies; heard++) await once(worker, 'message')
      await worker.terminate()

      const { appliedLsn } = await store.mark()
      assert.ok(appliedLsn >= lastLsn)
      assert.deepEqual(await store.page(ALL), generation(appliedLsn))
      await store.apply(generation(appliedLsn + 1), markAt(appliedLsn + 1))
    }
    await store.close()
  })
}

test('a kill in the middle of applies leaves mark and data at one acknowledged or later apply', async () => {
  const path = newPath()
  let lastLsn = 0
  for (const acknowledgements of [1, 10, 25, 7]) {
    const child = spawn(process.execPath, [WRITER, 'forever', path], { stdio: ['ignore', 'pipe', 'inherit'] })
    const acknowledged = await killAfter(child, acknowledgements)
    assert.ok(acknowledged >= lastLsn + acknowledgements)

    const store = await openSqliteStore(path, { createIfMissing: false })
    const mark = await store.mark()
    const page = await store.page(ALL)
    await store.close()

    lastLsn = mark.appliedLsn
    assert.ok(lastLsn >= acknowledged, `mark ${lastLsn}, acknowledged ${acknowledged}`)
    assert.deepEqual(mark, markAt(lastLsn))
    assert.deepEqual(page, generation(lastLsn))
  }
})

test('while somebody reads an older state, what a killed process has left is not taken for durable', async () => {
  const path = newPath()
  await storeAt(path)
  const reader = DRIVER.open(path)
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM holdfast_entries').get()
  const child = spawn(process.execPath, [WRITER, 'forever', path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged = await killAfter(child, 3)

  await assert.rejects(openSqliteStore(path, { createIfMissing: false }), {
    code: 'STORE_DOWN',
    message: /older state/,
  })

  reader.exec('ROLLBACK')
  reader.close()
  const store = await openSqliteStore(path, { createIfMissing: false })
  assert.ok((await store.mark()).appliedLsn >= acknowledged)
  await store.close()
})

test('a reader that begins with a database that is closed holds up no open', async () => {
  const path = newPath()
  await storeAt(path)
  const reader = DRIVER.open(path)
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM holdfast_entries').get()

  const store = await openSqliteStore(path, { createIfMissing: false })
  await store.apply(generation(2), markAt(2))
  assert.deepEqual(await store.mark(), markAt(2))
  await store.close()
  reader.close()
})

test('what is opened to be read takes nothing away from who opens the database meanwhile', async () => {
  const path = newPath()
  // By a process of its own, so that SQLite's files beside the database are gone.
  spawnSync(process.execPath, [WRITER, 'open', path])
  await assert.rejects(stat(`${path}-wal`), { code: 'ENOENT' })
  const view = await openToRead(path)
  await view.mark()
  const store = await openSqliteStore(path, { createIfMissing: false })
  await store.apply(generation(1), markAt(1))
  await view.close()

  // What a kill would leave now.
  const left = newPath()
  for (const suffix of ['', '-wal']) await copyFile(path + suffix, left + suffix)
  await store.close()
  const survivor = await openSqliteStore(left, { createIfMissing: false })
  assert.deepEqual(await survivor.mark(), markAt(1))
  await survivor.close()
})

test('on a connection that is shared, nothing comes between the statements of a transaction', async () => {
  const database = DRIVER.open(newPath())
  const store = storeInDatabase(database, true)
  const applied = store.apply(generation(1), markAt(1))
  let isOver = false
  void applied.then(() => {
    isOver = true
  })

  while (!isOver) {
    // A transaction within another one is an error.
    database.exec('BEGIN; COMMIT')
    await undefined
  }

  assert.deepEqual(await store.mark(), markAt(1))
  await store.close()
  database.close()
})

test('an open makes durable what a killed process has left, before it says how far it is', async () => {
  const path = newPath()
  const store = await openSqliteStore(path)
  await store.apply(generation(1), markAt(1))
  const copy = newPath()
  // What the disk of a killed process has: a log that nobody has moved into the database.
  await copyFile(path, copy)
  await copyFile(`${path}-wal`, `${copy}-wal`)
  await store.close()
  const bytesBefore = (await stat(copy)).size

  const after = await openSqliteStore(copy, { createIfMissing: false })

  assert.equal((await stat(`${copy}-wal`)).size, 0, 'its log is in the database, which has been synced')
  assert.ok((await stat(copy)).size > bytesBefore)
  assert.deepEqual(await after.page(ALL), generation(1))
  assert.equal(await after.flushedLsn(), 1)
  await after.close()
})

test('after a write that failed, every write is refused until the store is opened again', async t => {
  if (spawnSync('prlimit', ['--version']).status !== 0) return t.skip('needs prlimit')
  // Past the limit, and with the signal ignored, a write fails as it does on a full disk: some bytes, then an error.
  const script = 'trap "" XFSZ; ulimit -S -f 8192; exec "$@"'
  const path = newPath()
  const child = spawn('sh', ['-c', script, 'sh', process.execPath, WRITER, 'untilFull', path])

  const outcome = JSON.parse(await outputOf(child))

  assert.ok(outcome.acknowledged >= 10)
  assert.deepEqual(outcome.failures, ['STORE_DOWN', 'STORE_DOWN'])
  assert.equal(outcome.readable, true)
  assert.equal(outcome.appliedLsn, outcome.acknowledged, 'what was refused is not there')
  assert.equal(outcome.entries, outcome.acknowledged)
})

test('a disk that is full, and a database that may not be written, refuse an apply whole', async () => {
  for (const [limit, lift] of [
    ['PRAGMA max_page_count = 60', 'PRAGMA max_page_count = 1000000'],
    ['PRAGMA query_only = ON', 'PRAGMA query_only = OFF'],
  ] as const) {
    const database = DRIVER.open(newPath())
    const store = storeInDatabase(database, true)
    await store.apply([{ key: 'a\0', value: Buffer.from('1') }], markAt(1))
    database.exec(limit)

    await assert.rejects(store.apply(generation(2), markAt(2)), { code: 'STORE_DOWN' }, limit)
    assert.deepEqual(await store.mark(), markAt(1))
    assert.equal((await store.page(ALL)).length, 1)
    database.exec(lift)
    await assert.rejects(store.apply([], markAt(3)), { code: 'STORE_DOWN' })
    await store.close()

    const again = storeInDatabase(database, false)
    await again.apply(generation(2), markAt(2))
    assert.equal((await again.page(ALL)).length, KEYS.length + 1)
    await again.close()
    database.close()
  }
})

test('a database that another program holds locked is STORE_DOWN, and nothing of the apply is there', async () => {
  const path = newPath()
  const database = DRIVER.open(path)
  const store = storeInDatabase(database, true)
  database.exec('PRAGMA busy_timeout = 20')
  const other = DRIVER.open(path)
  other.exec('BEGIN IMMEDIATE')

  await assert.rejects(store.apply(generation(1), markAt(1)), (error: Error & { code: string }) => {
    assert.equal(error.code, 'STORE_DOWN')
    assert.match(error.message, /other program/)
    return true
  })
  other.exec('ROLLBACK')
  assert.deepEqual(await store.mark(), markAt(0))
  other.close()
  database.close()
})

test('a database that is not in a file, is open for reading only, or is in a transaction is refused', async () => {
  const path = newPath()
  await storeAt(path)
  const readOnly = DRIVER.open(path, { readOnly: true })
  const inMemory = DRIVER.open(':memory:')
  const busy = DRIVER.open(path)
  busy.exec('BEGIN')

  for (const database of [inMemory, readOnly, busy]) {
    assert.throws(() => storeInDatabase(database, true), { code: 'STORE_DOWN' })
    database.close()
  }
})

test('what sqliteStore is given must be an open database of an SQLite that is new enough', () => {
  for (const wrong of [undefined, null, 'sqlite:./memory.db', {}, { exec: () => {} }]) {
    assert.throws(() => sqliteStore(wrong as never), { code: 'INVALID_ARGUMENT' })
  }
  for (const version of ['3.51.2', '3.45.1', '2.99.9', '3.7.17']) {
    assert.throws(() => sqliteStore(databaseOfVersion(version)), { code: 'DRIVER_MISSING', message: /3\.51\.3/ })
  }
  for (const version of ['3.51.3', '3.52.0', '3.100.0', '4.0.0']) sqliteStore(databaseOfVersion(version))
})

test('people read names and JSON, and no bytes of a key are lost in them', async () => {
  const path = newPath()
  const store = await openSqliteStore(path)
  await store.apply([{ key: 'prefs\0acme\0it\0\xff\0', value: Buffer.from('x') }], markAt(1))
  await store.close()
  const database = DRIVER.open(path)
  const rows = database
    .prepare('SELECT map, segments ->> 0 AS scope, segments, json, bytes FROM holdfast_readable')
    .all()
  database.close()

  assert.deepEqual(
    rows.map(row => ({ ...(row as object) })),
    [{ map: 'prefs', scope: 'acme', segments: JSON.stringify(['acme', 'it\0']), json: null, bytes: 1 }],
  )
})

test('a database of which bytes are damaged never gives a wrong value, and what it hides is found', async () => {
  const path = newPath()
  const truth = generation(7).map(({ key, value }) => {
    return { key, value: encodeStoredValue({ key, lsn: 7, form: 1, value: value! }) }
  })
  const store = await openSqliteStore(path)
  await store.apply(truth, markAt(7))
  await store.close()
  const whole = await readFile(path)
  const values = new Map(truth.map(({ key, value }) => [key, value.toString('hex')]))
  const random = seededRandom(11)
  const seen = { refused: 0, whole: 0, found: 0 }
  for (let trial = 0; trial < 90; trial++) {
    const copy = newPath()
    await writeFile(copy, damaged(whole, random, trial))
    try {
      const store = await openSqliteStore(copy, { createIfMissing: false })
      const entries = await store.page(ALL).finally(() => store.close())
      const isChecked = entries.map(({ key, value }) => {
        if (!passes(key, value)) return false
        assert.equal(value.toString('hex'), values.get(key), 'a value that passes its checksum is the right one')
        return true
      })
      const isWhole = entries.length === KEYS.length && !isChecked.includes(false)
      assert.ok(isWhole || isChecked.includes(false) || integrityOf(copy) !== 'ok', `trial ${trial}: hidden`)
      seen[isWhole ? 'whole' : 'found'] += 1
    } catch (error) {
      if (!(error instanceof AgentMemoryError)) throw error
      assert.match(error.code, /^STORE_(CORRUPT|LOST|DOWN)$/)
      seen.refused += 1
    }
  }
  assert.ok(seen.refused > 10 && seen.found > 10, JSON.stringify(seen))
})

/** One flipped bit, a page of zeros, or 64 bytes of noise. */
function damaged(whole: Buffer, random: Random, trial: number): Buffer {
  const bytes = Buffer.from(whole)
  const at = randomBelow(random, bytes.length)
  if (trial % 3 === 0) bytes[at]! ^= 1 << randomBelow(random, 8)
  else if (trial % 3 === 1) bytes.fill(0, at - (at % 4096), at - (at % 4096) + 4096)
  else bytes.fill(0xa5, at, at + 64)
  return bytes
}

function passes(key: string, value: Buffer): boolean {
  try {
    decodeStoredValue(key, value)
    return true
  } catch {
    return false
  }
}

function integrityOf(path: string): string {
  const database = DRIVER.open(path)
  try {
    return String((database.prepare('PRAGMA integrity_check').get() as { integrity_check: unknown }).integrity_check)
  } catch (error) {
    return String(error)
  } finally {
    database.close()
  }
}

function databaseOfVersion(version: string): Parameters<typeof sqliteStore>[0] {
  const statement = { get: () => ({ version }), all: () => [], run: () => {} }
  return { exec: () => {}, prepare: () => statement, close: () => {} }
}

function threadAt(path: string, driver = DRIVER.name): Worker {
  return new Worker(WRITER, { workerData: { path, driver } satisfies SqliteThreadOptions })
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout!.on('data', chunk => {
    output += chunk
  })
  await once(child, 'close')
  return output
}

/** Kills a writer once it has said so many lines; returns the last LSN that it acknowledged. */
async function killAfter(child: ChildProcess, lines: number): Promise<number> {
  let output = ''
  child.stdout!.on('data', chunk => {
    output += chunk
    if (output.split('\n').length > lines) child.kill('SIGKILL')
  })
  const [, signal] = await once(child, 'close')
  assert.equal(signal, 'SIGKILL', 'the writer ended by itself')
  // What follows the last line break was cut off by the kill.
  return Number(output.split('\n').at(-2))
}
