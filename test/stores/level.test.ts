import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { ClassicLevel } from 'classic-level'
import type { DataStore } from '../../src/stores/data-store.js'
import { openLevelStore } from '../../src/stores/level/level.js'
import { storeSuite } from '../../src/testing/index.js'
import { generation, KEYS, markAt } from './level-writer.js'

const WRITER = fileURLToPath(new URL('./level-writer.js', import.meta.url))
const ALL = { from: '', to: '\xff', reverse: false, limit: 10_000 }

const root = await mkdtemp(join(tmpdir(), 'holdfast-level-'))
after(() => rm(root, { recursive: true }))

let folders = 0
function newFolder(): string {
  folders += 1
  return join(root, `store-${folders}`)
}

/** A database that has been written to. */
async function makeStoreIn(folder: string): Promise<void> {
  const store = await openLevelStore(folder)
  await store.apply([{ key: 'a', value: Buffer.from('1') }], markAt(1))
  await store.close()
}

const folderOf = new Map<DataStore, string>()
async function openIn(folder: string): Promise<DataStore> {
  const store = await openLevelStore(folder)
  folderOf.set(store, folder)
  return store
}

storeSuite({
  name: 'level',
  open: () => openIn(newFolder()),
  reopen: closed => openIn(folderOf.get(closed)!),
  destroy: closed => rm(folderOf.get(closed)!, { recursive: true }),
})

test('level: the folder is made for its owner alone', async () => {
  const folder = newFolder()
  await (await openLevelStore(folder)).close()

  assert.equal((await stat(folder)).mode & 0o777, 0o700)
})

test('level: without createIfMissing, a folder without a database is STORE_LOST and is not made', async () => {
  const folder = newFolder()
  await assert.rejects(openLevelStore(folder, { createIfMissing: false }), { code: 'STORE_LOST' })
  await assert.rejects(stat(folder), { code: 'ENOENT' })

  await mkdir(folder)
  await assert.rejects(openLevelStore(folder, { createIfMissing: false }), { code: 'STORE_LOST' })
  assert.deepEqual(await readdir(folder), [])

  await (await openLevelStore(folder)).close()
  await (await openLevelStore(folder, { createIfMissing: false })).close()
})

test('level: a database that has lost its file CURRENT is not written over', async () => {
  const folder = newFolder()
  await makeStoreIn(folder)
  await rm(join(folder, 'CURRENT'))
  const namesBefore = await readdir(folder)

  await assert.rejects(openLevelStore(folder), { code: 'STORE_CORRUPT' })

  assert.deepEqual(await readdir(folder), namesBefore)
})

test('level: damage that LevelDB finds is STORE_CORRUPT', async () => {
  const folder = newFolder()
  await makeStoreIn(folder)
  await writeFile(join(folder, 'CURRENT'), 'not a manifest')

  await assert.rejects(openLevelStore(folder), { code: 'STORE_CORRUPT' })
})

test('level: a mark that fails its checksum is STORE_CORRUPT', async () => {
  const folder = newFolder()
  const store = await openLevelStore(folder)
  await store.apply([], markAt(5))
  await store.close()
  const database = new ClassicLevel<Buffer, Buffer>(folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const record = await database.get(Buffer.from('mmark'))
  record![0]! ^= 1
  await database.put(Buffer.from('mmark'), record!)
  await database.close()

  await assert.rejects(openLevelStore(folder), { code: 'STORE_CORRUPT' })
})

test('level: a folder that cannot be made is STORE_DOWN, with its cause', async () => {
  await assert.rejects(openLevelStore(join(newFolder(), 'below', 'nothing')), (error: Error & { code: string }) => {
    assert.equal(error.code, 'STORE_DOWN')
    assert.equal((error.cause as { code: string }).code, 'ENOENT')
    return true
  })
})

test('level: a thread that opens a folder twice is told that it is open, however its path is written', async () => {
  const folder = newFolder()
  const store = await openLevelStore(folder)
  const link = newFolder()
  await symlink(folder, link)

  await assert.rejects(openLevelStore(folder), { code: 'OWNED_ELSEWHERE' })
  await assert.rejects(openLevelStore(link), { code: 'OWNED_ELSEWHERE' })

  await store.close()
  await (await openLevelStore(link)).close()
})

test('level: a second process is told that the store is open elsewhere', async () => {
  const folder = newFolder()
  const store = await openLevelStore(folder)
  assert.equal(await outputOf(spawn(process.execPath, [WRITER, 'open', folder])), 'OWNED_ELSEWHERE\n')

  await store.close()
  assert.equal(await outputOf(spawn(process.execPath, [WRITER, 'open', folder])), 'opened\n')
})

test('level: closing waits for the calls that run', async () => {
  const folder = newFolder()
  const store = await openLevelStore(folder)
  const applied = store.apply(generation(1), markAt(1))
  const page = store.page(ALL)
  await store.close()
  await applied
  await page

  const reopened = await openLevelStore(folder)
  assert.deepEqual(await reopened.mark(), markAt(1))
  await reopened.close()
})

test('level: a worker thread applies while this thread reads, from one open database', async () => {
  const folder = newFolder()
  const store = await openLevelStore(folder)
  const worker = new Worker(WRITER, { workerData: { folder, lastLsn: 200 } })
  let done = false
  const finished = once(worker, 'exit').then(() => {
    done = true
  })

  const seen = new Set<number>()
  while (!done) {
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

  await finished
  assert.ok(seen.size > 1, 'pages were read while the worker applied')
  assert.deepEqual(await store.mark(), markAt(200))
  await store.flush()
  assert.equal(await store.flushedLsn(), 200, 'a flush covers what another thread has applied')
  await store.close()
})

test('level: a kill in the middle of applies leaves mark and data at one acknowledged or later apply', async () => {
  const folder = newFolder()
  let lastLsn = 0
  for (const acknowledgements of [1, 40, 150, 90, 23]) {
    const child = spawn(process.execPath, [WRITER, 'forever', folder], { stdio: ['ignore', 'pipe', 'inherit'] })
    const acknowledged = await killAfter(child, acknowledgements)
    assert.ok(acknowledged >= lastLsn + acknowledgements)

    const store = await openLevelStore(folder, { createIfMissing: false })
    const mark = await store.mark()
    const page = await store.page(ALL)
    await store.close()

    lastLsn = mark.appliedLsn
    assert.ok(lastLsn >= acknowledged, `mark ${lastLsn}, acknowledged ${acknowledged}`)
    assert.deepEqual(mark, markAt(lastLsn))
    assert.deepEqual(page, generation(lastLsn))
  }
})

test('level: after a write that failed, every write is refused until the store is opened again', async t => {
  if (spawnSync('prlimit', ['--version']).status !== 0) return t.skip('needs prlimit')
  const folder = newFolder()
  // Past the limit, and with the signal ignored, a write fails as it does on a full disk: some bytes, then an error.
  const script = 'trap "" XFSZ; ulimit -S -f 8192; exec "$@"'
  const child = spawn('sh', ['-c', script, 'sh', process.execPath, WRITER, 'untilFull', folder])

  const outcome = JSON.parse(await outputOf(child))

  assert.ok(outcome.acknowledged >= 10)
  assert.deepEqual(outcome.failures, ['STORE_DOWN', 'STORE_DOWN'])
  assert.equal(outcome.readable, true)
  // The write that failed is in doubt: it may be there, but then whole and with its mark.
  const inDoubt = outcome.markAfterReopen - outcome.acknowledged
  assert.ok(inDoubt === 0 || inDoubt === 1)
  const store = await openLevelStore(folder)
  assert.equal((await store.page(ALL)).length, outcome.markAfterReopen)
  assert.deepEqual(await store.mark(), markAt(1000))
  await store.close()
})

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

/** What a power cut within the making of a database may leave: LevelDB renames CURRENT before its MANIFEST is synced. */
const STILLBORN: Record<string, Record<string, string>> = {
  'an empty MANIFEST': { CURRENT: 'MANIFEST-000001\n', 'MANIFEST-000001': '', LOCK: '' },
  'no MANIFEST': { CURRENT: 'MANIFEST-000001\n', LOCK: '' },
  'an empty CURRENT, and an empty log': { CURRENT: '', 'MANIFEST-000002': '', '000003.log': '' },
  'a log without CURRENT': { 'MANIFEST-000001': '', '000003.log': '' },
}
for (const [what, files] of Object.entries(STILLBORN)) {
  test(`level: a database whose making was cut short, with ${what}, is made anew`, async () => {
    const folder = newFolder()
    await mkdir(folder)
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)

    const store = await openLevelStore(folder)

    await store.apply([{ key: 'a', value: Buffer.from('1') }], markAt(1))
    await store.close()
    const again = await openLevelStore(folder, { createIfMissing: false })
    assert.deepEqual(await again.get('a'), Buffer.from('1'))
    await again.close()
  })
}

test('level: a database with content is never made anew, however broken its bookkeeping is', async () => {
  for (const broken of ['MANIFEST', 'CURRENT']) {
    const folder = newFolder()
    await makeStoreIn(folder)
    for (const name of await readdir(folder)) if (name.startsWith(broken)) await writeFile(join(folder, name), '')
    const before = (await readdir(folder)).sort()

    await assert.rejects(openLevelStore(folder), { code: /^STORE_(CORRUPT|DOWN)$/ })

    const content = before.filter(name => /\.(log|ldb)$/.test(name))
    const left = await readdir(folder)
    assert.deepEqual(
      content.filter(name => !left.includes(name)),
      [],
    )
  }
})
