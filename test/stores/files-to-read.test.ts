// Looking at a files store that nobody has open: it shows what the next open will have, and changes nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileSystem } from '../../src/io/file-system.js'
import { writeFully } from '../../src/io/file-system.js'
import { openFilesStore } from '../../src/stores/files/open.js'
import { openFilesToRead } from '../../src/stores/files/open-to-read.js'
import { SimulatedDisk } from '../../src/testing/index.js'
import { contentOf, generation, markAt } from './files-helpers.js'

const READING = new Set(['open', 'read', 'size', 'close', 'list'])

async function storeAt1(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const store = await openFilesStore(disk, '/store')
  await store.apply(generation(1), markAt(1))
  await store.close()
  return disk
}

async function lookedAt(
  disk: SimulatedDisk,
): Promise<{ lsn: number; content: Record<string, string>; damage: string[] }> {
  const kinds = new Set<string>()
  disk.onCall = ({ kind }) => void kinds.add(kind)
  const files = await openFilesToRead(disk, '/store')
  const content: Record<string, string> = {}
  for (const key of files.keys) content[key] = (await files.read(key)).toString('latin1')
  disk.onCall = undefined
  assert.deepEqual(
    [...kinds].filter(kind => !READING.has(kind)),
    [],
  )
  return { lsn: files.state().mark.appliedLsn, content, damage: files.damage.map(({ message }) => message) }
}

async function write(fs: FileSystem, path: string, text: string): Promise<void> {
  await fs.unlink(path).catch(() => {})
  const file = await fs.open(path, 'create')
  await writeFully(file, Buffer.from(text), 0)
  await file.close()
}

test('files: wherever a kill cuts an apply short, a look shows what the next open will have', async () => {
  const disk = await storeAt1()
  const store = await openFilesStore(disk, '/store')
  const killed: SimulatedDisk[] = []
  disk.onCall = () => void killed.push(disk.clone())
  await store.apply(generation(2), markAt(2))
  disk.onCall = undefined
  killed.push(disk.clone())

  const seen = new Set<number>()
  for (const left of killed) {
    const { lsn, content, damage } = await lookedAt(left)
    const opened = await openFilesStore(left, '/store')
    assert.deepEqual(damage, [])
    assert.equal(lsn, (await opened.mark()).appliedLsn)
    assert.deepEqual(content, await contentOf(opened))
    seen.add(lsn)
    await opened.close()
  }
  assert.deepEqual([...seen], [1, 2])
})

test('files: what is damaged is told, and the rest is read', async () => {
  const disk = await storeAt1()
  const { content } = await lookedAt(disk)

  const noState = disk.clone()
  await write(noState, '/store/store.json', '{}')
  const files = await openFilesToRead(noState, '/store')
  assert.throws(() => files.state(), { code: 'STORE_CORRUPT', message: /store\.json is damaged/ })
  assert.equal(files.keys.length, Object.keys(content).length)

  const noFile = disk.clone()
  await noFile.unlink('/store/store.json')
  const orphans = await openFilesToRead(noFile, '/store')
  assert.throws(() => orphans.state(), { code: 'STORE_CORRUPT', message: /not its file store\.json/ })

  const otherJournal = disk.clone()
  await write(otherJournal, '/store/journal', 'HFJ1')
  const looked = await lookedAt(otherJournal)
  assert.match(looked.damage.join(), /journal is damaged/)
  assert.deepEqual(looked.content, content)
})

test('files: where there is no store, it is STORE_LOST', async () => {
  await assert.rejects(openFilesToRead(new SimulatedDisk(), '/store'), { code: 'STORE_LOST' })
})
