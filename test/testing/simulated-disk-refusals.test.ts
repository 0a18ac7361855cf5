import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type File, readText, writeFully } from '../../src/io/file-system.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

test('a full disk refuses what needs more pages, zeros as well, and takes it once there is room', async () => {
  const disk = new SimulatedDisk({ capacityBytes: 3 * 4096 })
  const file = await createFile(disk, '/a', 'x'.repeat(4096))
  const other = await createFile(disk, '/b', 'y'.repeat(5000))

  await assert.rejects(file.write(Buffer.alloc(1), 4096), { code: 'ENOSPC', syscall: 'write', path: '/a' })
  await assert.rejects(file.truncate(4097), { code: 'ENOSPC' })
  await writeText(file, 'over the old', 0)

  await disk.unlink('/b')
  await assert.rejects(file.write(Buffer.alloc(4097), 4096), { code: 'ENOSPC' }, 'an open file keeps its room')
  await other.close()
  assert.equal(await file.write(Buffer.alloc(4097), 4096), 4097)
})

test('a read-only disk refuses every change and lets itself be read', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', 'data')
  disk.readOnly = true

  const changes = [
    () => disk.makeFolder('/folder'),
    () => disk.open('/b', 'create'),
    () => disk.open('/a', 'write'),
    () => disk.rename('/a', '/b'),
    () => disk.unlink('/a'),
    () => disk.lock('/LOCK'),
    () => file.write(Buffer.from('x'), 0),
    () => file.truncate(0),
  ]
  for (const change of changes) await assert.rejects(change(), { code: 'EROFS' })
  assert.equal(await readText(disk, '/a'), 'data')
})

test('wrong calls fail as those of the system do', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', 'data')
  const reader = await disk.open('/a', 'read')
  await disk.makeFolder('/folder')

  await assert.rejects(disk.open('/a', 'create'), { code: 'EEXIST', syscall: 'open', path: '/a' })
  await assert.rejects(disk.open('/b', 'write'), { code: 'ENOENT' })
  await assert.rejects(disk.open('/a/b', 'create'), { code: 'ENOTDIR' })
  await assert.rejects(disk.open('/none/b', 'create'), { code: 'ENOENT' })
  await assert.rejects(disk.open('/folder', 'read'), { code: 'EISDIR' })
  await assert.rejects(disk.makeFolder('/folder'), { code: 'EEXIST' })
  await assert.rejects(disk.rename('/a', '/folder/a'), { code: 'EXDEV' })
  await assert.rejects(disk.rename('/a', '/folder'), { code: 'EISDIR' })
  await assert.rejects(reader.write(Buffer.from('x'), 0), { code: 'EBADF' })
  await file.close()
  await assert.rejects(file.size(), { code: 'EBADF' })
  assert.equal(await disk.kindOf('/folder'), 'simulated')
})

/** A file that is on stable storage with its name. */
async function createFile(disk: SimulatedDisk, path: string, text: string): Promise<File> {
  const file = await disk.open(path, 'create')
  await writeText(file, text, 0)
  await file.sync()
  await disk.syncFolder(path.slice(0, Math.max(1, path.lastIndexOf('/'))))
  return file
}

async function writeText(file: File, text: string, position: number): Promise<void> {
  await writeFully(file, Buffer.from(text), position)
}
