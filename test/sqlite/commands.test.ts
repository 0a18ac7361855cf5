/** `holdfast status`, `verify` and `repair` of a memory whose store is a SQLite database. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { AgentMemory } from '../../src/index.js'
import { command, jsonOf, newPath, SMALL_SEGMENTS } from '../cli/helpers.js'
import { DRIVER } from './drivers.js'

async function memoryAt(location: string, options: { folder?: string } = {}): Promise<void> {
  const memory = await AgentMemory.open(location, { ...SMALL_SEGMENTS, ...options })
  for (let n = 0; n < 20; n++) await memory.map('m').set(`k${n}`, n)
  await memory.checkpoint()
  await memory.close()
}

/** What the folder holds, by name and hash. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    // What SQLite's log is looked up by is made anew by whoever opens it.
    if (!entry.isFile() || path.endsWith('-shm')) continue
    const bytes = await readFile(path)
    // SQLite may leave an empty write-ahead log where it has only read.
    if (!(path.endsWith('-wal') && bytes.length === 0)) found[path] = createHash('sha256').update(bytes).digest('hex')
  }
  return found
}

test('status and verify read the database by its location, and change nothing', async t => {
  const path = newPath(t, 'memory.db')
  await memoryAt(`sqlite:${path}`)
  // The drop-in for node:sqlite keeps its files until this process ends; another one takes them away.
  await jsonOf('status', `sqlite:${path}`)
  const before = await contentOf(dirname(path))

  const status = await jsonOf('status', `sqlite:${path}`)
  assert.equal(status.code, 0)
  assert.equal(status.json.store.kind, 'sqlite')
  assert.equal(status.json.store.appliedLsn, 20)
  const verified = await jsonOf('verify', `sqlite:${path}`)
  assert.equal(verified.code, 0)
  assert.equal(verified.json.store.entries, 20)

  assert.deepEqual(await contentOf(dirname(path)), before)
})

test('a folder elsewhere is named by --folder, and a folder alone says what is missing', async t => {
  const path = newPath(t, 'memory.db')
  const folder = `${path}-elsewhere`
  await memoryAt(`sqlite:${path}`, { folder })

  assert.equal((await jsonOf('verify', `sqlite:${path}`, '--folder', folder)).json.store.entries, 20)
  assert.equal((await jsonOf('verify', `sqlite:${path}`)).json.error?.code, 'NOT_A_MEMORY')
  const { json } = await jsonOf('status', folder)
  assert.match(json.store.unread!, /sqlite:\.\/memory\.db/)
})

test('verify finds what hides entries, and a value that was changed by hand', async t => {
  const path = newPath(t, 'memory.db')
  await memoryAt(`sqlite:${path}`)
  const database = DRIVER.open(path)
  database.exec('UPDATE holdfast_entries SET value = zeroblob(30) WHERE segments = \'["k7"]\'')
  database.close()

  const { code, json } = await jsonOf('verify', `sqlite:${path}`)

  assert.equal(code, 1)
  assert.deepEqual(
    json.problems.map(each => each.code),
    ['STORE_CORRUPT'],
  )
})

test('repair copies a database into a folder, and a folder into a database', async t => {
  const path = newPath(t, 'memory.db')
  await memoryAt(`sqlite:${path}`)
  const [folder, again] = [join(dirname(path), 'copy'), join(dirname(path), 'again.db')]

  assert.equal((await command('repair', `sqlite:${path}`, '--to', folder, '--yes')).code, 0)
  assert.equal((await command('repair', folder, '--to', `sqlite:${again}`, '--yes')).code, 0)
  assert.equal((await command('repair', folder, '--to', `sqlite:${again}`, '--yes')).code, 2, 'it is there now')

  for (const location of [folder, `sqlite:${again}`]) {
    const memory = await AgentMemory.open(location, SMALL_SEGMENTS)
    for (let n = 0; n < 20; n++) assert.equal(await memory.map('m').get(`k${n}`), n)
    await memory.close()
  }
})
