import assert from 'node:assert/strict'
import { appendFile, copyFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openStoreView } from '../../src/engine/store-view.js'
import { nodeFileSystem } from '../../src/io/node-file-system.js'
import type { DataStore } from '../../src/stores/data-store.js'
import { KeptLogs } from '../../src/stores/level/kept-logs.js'
import { openLevelStore } from '../../src/stores/level/level.js'
import { batchesOf, readLevelLogs } from '../../src/stores/level/level-log.js'
import { encodeMark } from '../../src/stores/level/metadata.js'
import { type BatchOperation, operationsOf } from '../../src/stores/level/write-batch.js'
import { markAt } from './level-writer.js'

const root = await mkdtemp(join(tmpdir(), 'holdfast-kept-'))
after(() => rm(root, { recursive: true }))

const IDENTITY = { storeId: 'a'.repeat(32), logId: 'b'.repeat(32), epoch: 1 }
let folders = 0

/** A closed store whose log holds a batch for each LSN, some of them longer than a block of the log. */
async function storeWith(lsns: number): Promise<string> {
  const folder = join(root, `store-${++folders}`)
  const store = await openLevelStore(folder)
  await store.setIdentity(IDENTITY)
  for (let lsn = 1; lsn <= lsns; lsn++) await applyAt(store, lsn)
  await store.close()
  return folder
}

async function applyAt(store: DataStore, lsn: number): Promise<void> {
  const value = Buffer.alloc(lsn % 3 === 0 ? 70_000 : 100, lsn)
  const changes = [
    { key: 'gone', value: lsn % 2 === 0 ? undefined : Buffer.from('there') },
    { key: 'newest', value: Buffer.from(String(lsn)) },
    { key: `only-${lsn}`, value },
  ]
  await store.apply(changes, markAt(lsn))
}

function keepAll(folder: string): Promise<KeptLogs> {
  return readLevelLogs(folder).then(logs => KeptLogs.keep(folder, logs))
}

async function logOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter(name => /^\d+\.log$/.test(name))
  assert.equal(names.length, 1)
  return join(folder, names[0]!)
}

async function contentOf(store: DataStore): Promise<Record<string, string>> {
  const entries = await store.page({ from: '', to: '\xff', reverse: false, limit: 1000 })
  return Object.fromEntries(entries.map(({ key, value }) => [key, value.toString('latin1').slice(0, 100)]))
}

async function opened<T>(folder: string, look: (store: DataStore) => Promise<T>): Promise<T> {
  const store = await openLevelStore(folder)
  try {
    return await look(store)
  } finally {
    await store.close()
  }
}

test('the batches of a log of LevelDB are what was written, whatever lies across its blocks', async () => {
  const folder = await storeWith(7)
  const log = await readFile(await logOf(folder))

  const batches = [...batchesOf(log)].map(batch => [...operationsOf(batch)])

  assert.equal(batches.length, 8)
  assert.deepEqual(
    batches.slice(1).map(batch => batch.map(({ key, value }) => [key.toString('latin1'), value?.length])),
    [1, 2, 3, 4, 5, 6, 7].map(lsn => [
      ['dgone', lsn % 2 === 0 ? undefined : 5],
      ['dnewest', 1],
      [`donly-${lsn}`, lsn % 3 === 0 ? 70_000 : 100],
      ['mmark', 20],
    ]),
  )
  for (const cut of [0, 1, 60, 200, 70_300, log.length]) {
    const torn = log.subarray(0, log.length - cut)
    await writeFile(await logOf(folder), torn)
    const [found] = await readLevelLogs(folder)
    assert.equal(found!.damagedAt, undefined)
    assert.deepEqual(found!.lastBatch, [...batchesOf(torn)].at(-1), `without the last ${cut} bytes`)
  }
})

test('batches end where LevelDB stops to read, and do not go on behind it', async () => {
  const folder = await storeWith(2)
  const log = await readFile(await logOf(folder))
  const second = log.indexOf('only-1') - 60
  const all = [...batchesOf(log)].length
  for (let at = second; at < second + 40; at++) {
    const damaged = Buffer.from(log)
    damaged[at]! ^= 2

    const kept = [...batchesOf(damaged)]

    assert.ok(kept.length < all)
    assert.deepEqual(kept, [...batchesOf(log)].slice(0, kept.length))
  }
})

test('an open leaves no second names behind', async () => {
  const folder = await storeWith(3)

  await opened(folder, contentOf)

  assert.deepEqual(
    (await readdir(folder)).filter(name => name.includes('kept')),
    [],
  )
})

test('what LevelDB has left out of its log is written again, if the open that kept it has crashed as well', async () => {
  const folder = await storeWith(6)
  const whole = await opened(folder, contentOf)
  const again = await storeWith(6)
  const log = await logOf(again)
  // As after an open in which LevelDB could not read on, removed its log, and was killed.
  await copyFile(log, `${log}.kept`)
  const bytes = await readFile(log)
  await writeFile(log, bytes.subarray(0, 32 * 1024))

  const found = await opened(again, async store => ({
    content: await contentOf(store),
    mark: await store.mark(),
    identity: await store.identity(),
  }))

  assert.deepEqual(found, { content: whole, mark: markAt(6), identity: IDENTITY })
  assert.deepEqual(await opened(again, contentOf), whole)
})

test('a log that was kept before the database went on is not written again', async () => {
  const folder = await storeWith(4)
  const log = await logOf(folder)
  const old = await readFile(log)
  const whole = await opened(folder, async store => {
    await applyAt(store, 5)
    return contentOf(store)
  })
  await writeFile(`${log}.kept`, old)

  const found = await opened(folder, contentOf)

  assert.deepEqual(found, whole)
})

/** A database that answers with this mark, and what is written to it. */
function database(lsn: number) {
  const written: BatchOperation[] = []
  return {
    written,
    get: async (key: Buffer) => (key.toString() === 'mmark' ? encodeMark(markAt(lsn)) : undefined),
    write: async (operations: BatchOperation[]) => void written.push(...operations),
  }
}

test('a database whose mark is behind its log, or that says it has left something out, gets everything again', async () => {
  for (const { lsn, log, writes } of [
    { lsn: 4, log: 'Recovering log #3', writes: 0 },
    { lsn: 3, log: 'Recovering log #3', writes: 17 },
    { lsn: 4, log: '(ignoring error) 000003.log: dropping 32768 bytes; IO error', writes: 17 },
    { lsn: 4, log: 'Ignoring error IO error: 000003.log', writes: 17 },
  ]) {
    const folder = await storeWith(4)
    const kept = await keepAll(folder)
    await writeFile(join(folder, 'LOG'), log)
    const open = database(lsn)

    await kept.settle(open)

    assert.equal(open.written.length, writes, `${lsn}, ${log}`)
    assert.deepEqual(
      (await readdir(folder)).filter(name => name.includes('kept')),
      [],
    )
  }
})

test('logs are written again in the order of their numbers', async () => {
  const folder = await storeWith(2)
  const log = await logOf(folder)
  const other = await logOf(await storeWith(3))
  await rename(log, join(folder, '000009.log'))
  await copyFile(other, join(folder, '000010.log'))
  await appendFile(join(folder, 'LOG'), 'Ignoring error')
  const open = database(3)

  await (await keepAll(folder)).settle(open)

  const newest = open.written.filter(({ key }) => key.toString() === 'dnewest').map(({ value }) => String(value))
  assert.deepEqual(newest, ['1', '2', '1', '2', '3'])
})

test('a database that has lost its bookkeeping is not made anew while a log of it is kept', async () => {
  const folder = await storeWith(2)
  const log = await logOf(folder)
  await rename(log, `${log}.kept`)
  await writeFile(join(folder, 'CURRENT'), '')

  await assert.rejects(openLevelStore(folder), { code: /^STORE_(CORRUPT|DOWN)$/ })

  assert.ok((await readdir(folder)).some(name => name.endsWith('.kept')))
})

test('a look at a store whose open has crashed shows what the next open will have', async () => {
  const folder = await storeWith(6)
  const log = await logOf(folder)
  const bytes = await readFile(log)
  await copyFile(log, `${log}.kept`)
  await writeFile(log, bytes.subarray(0, 32 * 1024))

  const view = await openStoreView(nodeFileSystem, { kind: 'level', path: folder })
  const entries = []
  for await (const page of view.pages()) entries.push(...page)

  assert.equal(entries.length, 7)
  assert.deepEqual(await view.mark(), markAt(6))
  await view.close()
  assert.ok(
    (await readdir(folder)).some(name => name.endsWith('.kept')),
    'it changes nothing',
  )
})

test('a store that another thread of the process has open keeps nothing', async () => {
  const folder = await storeWith(2)
  const store = await openLevelStore(folder)
  await applyAt(store, 3)

  await assert.rejects(openLevelStore(folder), { code: 'OWNED_ELSEWHERE' })

  assert.deepEqual(
    (await readdir(folder)).filter(name => name.includes('kept')),
    [],
  )
  await store.close()
})
