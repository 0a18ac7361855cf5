import assert from 'node:assert/strict'
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { FOLDER, openOn } from '../engine/simulated.js'
import { freshFolder, SMALL } from './temporary-folder.js'

test('a folder with other things in it is not ours, and stays as it is', async () => {
  const folder = await freshFolder()
  await mkdir(folder)
  await writeFile(join(folder, 'notes.txt'), 'mine')

  await refused(folder, 'NOT_A_MEMORY', /notes\.txt/)

  assert.deepEqual(await readdir(folder), ['notes.txt'])
})

test('the root of a volume, and a folder that doctor looks at, are as good as empty', async () => {
  const folder = await freshFolder()
  await mkdir(join(folder, 'lost+found'), { recursive: true })
  await mkdir(join(folder, '.holdfast-scratch-x1'))

  const memory = await AgentMemory.open(folder)
  await memory.map('m').set('a', 1)
  await memory.close()

  assert.ok((await readdir(folder)).includes('holdfast.json'))
})

test('a holdfast.json that is not ours, or of a newer format, is refused, and nothing is added', async () => {
  const texts: [string, string][] = [
    ['NOT_A_MEMORY', '{}'],
    ['NOT_A_MEMORY', 'not json'],
    ['NOT_A_MEMORY', '{"holdfast":"memory","format":1}'],
    ['FORMAT_TOO_NEW', '{"holdfast":"memory","format":2,"shape":"unknown"}'],
  ]
  for (const [code, text] of texts) {
    const folder = await freshFolder()
    await mkdir(folder)
    await writeFile(join(folder, 'holdfast.json'), text)

    await refused(folder, code)

    assert.deepEqual(await readdir(folder), ['holdfast.json'], text)
    assert.equal(await readFile(join(folder, 'holdfast.json'), 'utf8'), text)
  }
})

test('a path that is a file, or leads through one, is NOT_A_MEMORY', async () => {
  const path = await freshFolder()
  await writeFile(path, 'a file')

  await refused(path, 'NOT_A_MEMORY')
  await refused(join(path, 'below'), 'NOT_A_MEMORY')

  assert.equal(await readFile(path, 'utf8'), 'a file')
})

test('a folder that cannot be written is FOLDER_NOT_WRITABLE', async () => {
  const disk = new SimulatedDisk()
  disk.readOnly = true
  await assert.rejects(openOn(disk), { code: 'FOLDER_NOT_WRITABLE' })
  assert.deepEqual(await disk.list('/'), [])

  disk.readOnly = false
  await (await openOn(disk)).close()
  const before = disk.fingerprint()
  disk.readOnly = true
  await assert.rejects(openOn(disk), { code: 'FOLDER_NOT_WRITABLE' })
  assert.equal(disk.fingerprint(), before)

  if (process.getuid?.() === 0) return
  const folder = await freshFolder()
  await mkdir(folder)
  await chmod(folder, 0o500)
  await refused(folder, 'FOLDER_NOT_WRITABLE')
})

test('files are for their owner only, and none is made outside of the folder', async () => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  await memory.map('m').set('../../escape', 1)
  await memory.checkpoint()
  await memory.close()

  assert.deepEqual(await readdir(join(folder, '..')), ['memory'])
  assert.deepEqual((await readdir(folder)).sort(), ['holdfast.json', 'log', 'owner.lock', 'store'])
  for (const path of ['', 'log', 'store']) assert.equal((await stat(join(folder, path))).mode & 0o777, 0o700, path)
  const files = ['holdfast.json', 'owner.lock', ...(await namesIn(folder, 'log')), ...(await namesIn(folder, 'store'))]
  for (const path of files) assert.equal((await stat(join(folder, path))).mode & 0o777, 0o600, path)
})

async function namesIn(folder: string, part: string): Promise<string[]> {
  return (await readdir(join(folder, part))).map(name => join(part, name))
}

test('parents of a new folder are made, and a memory can be moved while it is closed', async () => {
  const folder = join(await freshFolder(), 'deep', 'er')
  const first = await AgentMemory.open(folder, SMALL)
  await first.map('m').set('k', 1)
  await first.close()
  await rename(folder, `${folder}-moved`)

  const second = await AgentMemory.open(`${folder}-moved`, SMALL)

  assert.equal(await second.map('m').get('k'), 1)
  await second.close()
})

test('a store without its log is LOG_LOST; with proceed it goes on, and says from where', async t => {
  const folder = await used()
  await rm(join(folder, 'log'), { recursive: true })
  await refused(folder, 'LOG_LOST', /LSN 2/)
  await refused(folder, 'LOG_LOST')

  const memory = await AgentMemory.open(folder, { ...SMALL, onLogLost: 'proceed' })
  t.after(() => memory.close())
  const warning = await new Promise<{ code: string; message: string }>(resolve => memory.on('warning', resolve))

  assert.equal(warning.code, 'LOG_LOST')
  assert.match(warning.message, /LSN 2/)
  assert.deepEqual(await memory.map('m').getMany(['a', 'b']), [1, 2])
  assert.ok((await memory.map('m').set('c', 3)).lsn > 1000)
})

test('a log without its store is STORE_LOST, and no new store is made', async () => {
  const folder = await used()
  await rm(join(folder, 'store'), { recursive: true })

  await refused(folder, 'STORE_LOST')
  await refused(folder, 'STORE_LOST')

  assert.equal((await readdir(folder)).includes('store'), false)
})

test('an older copy of the store under a newer log is STORE_REGRESSED or LOG_LOST, never taken', async () => {
  const folder = await used()
  await cp(join(folder, 'store'), join(folder, '..', 'backup'), { recursive: true })
  await use(folder, 'c')
  await rm(join(folder, 'store'), { recursive: true })
  await rename(join(folder, '..', 'backup'), join(folder, 'store'))

  await refused(folder, 'STORE_REGRESSED')
})

test('an older copy of the log under a newer store is LOG_LOST or STORE_REGRESSED, never taken', async () => {
  const folder = await used()
  await cp(join(folder, 'log'), join(folder, '..', 'backup'), { recursive: true })
  await use(folder, 'c')
  await rm(join(folder, 'log'), { recursive: true })
  await rename(join(folder, '..', 'backup'), join(folder, 'log'))

  await refused(folder, 'LOG_LOST')
})

test('the store of another memory is WRONG_STORE', async () => {
  const [folder, other] = [await used(), await used()]
  await rm(join(folder, 'store'), { recursive: true })
  await rename(join(other, 'store'), join(folder, 'store'))

  await refused(folder, 'WRONG_STORE')
  await refused(folder, 'WRONG_STORE', /in-memory/, { store: 'in-memory' })
})

test('a memory whose newest log segment is gone is refused', async () => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  for (let index = 0; index < 40; index++) await memory.map('m').set(`k${index}`, index)
  await memory.close()
  const segments = (await readdir(join(folder, 'log'))).filter(name => name.endsWith('.log')).sort()
  await rm(join(folder, 'log', segments.at(-1)!))

  await refused(folder, 'LOG_LOST')
})

test('the lock is let go of after a refusal: once mended, the memory opens', async () => {
  const disk = new SimulatedDisk()
  await (await openOn(disk)).close()
  await disk.rename(`${FOLDER}/log`, `${FOLDER}/away`)
  await assert.rejects(openOn(disk), { code: 'LOG_LOST' })
  for (const name of await disk.list(`${FOLDER}/log`).catch(() => [])) await disk.unlink(`${FOLDER}/log/${name}`)
  await disk.rename(`${FOLDER}/away`, `${FOLDER}/log`)

  await (await openOn(disk)).close()
})

async function used(): Promise<string> {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  await memory.map('m').setMany([
    ['a', 1],
    ['b', 2],
  ])
  await memory.close()
  return folder
}

async function use(folder: string, key: string): Promise<void> {
  const memory = await AgentMemory.open(folder, SMALL)
  await memory.map('m').set(key, 3)
  await memory.close()
}

async function refused(folder: string, code: string, what = /./, options: AgentMemoryOptions = {}): Promise<void> {
  await assert.rejects(
    AgentMemory.open(folder, { ...SMALL, ...options }),
    (error: Error & { code?: string; next?: string }) => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, what)
      assert.ok((error.next ?? '').length > 10)
      return true
    },
  )
}
