import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { readFully, readText, writeFully, writeFullyNow } from '../../src/io/file-system.js'
import { nodeFileSystem as fs } from '../../src/io/node-file-system.js'

const onlyUnix = { skip: process.platform === 'win32' }
const onlyLinux = { skip: process.platform !== 'linux' }

test('what was written is read back, at any position and after opening again', async t => {
  const path = join(temporaryFolder(t), 'file')
  const file = await fs.open(path, 'create')
  await writeFully(file, Buffer.from('hello world'), 0)
  writeFullyNow(file, Buffer.from('W'), 6)
  await file.dataSync()
  file.dataSyncNow()
  await file.sync()
  await file.close()

  const again = await fs.open(path, 'read')
  const buffer = Buffer.alloc(64)
  const count = await readFully(again, buffer, 6)
  assert.equal(buffer.toString('utf8', 0, count), 'World')
  assert.equal(await again.size(), 11)
  assert.equal(await again.read(buffer, 11), 0)
  await again.close()
})

test('a file is cut and grown with zeros by truncate', async t => {
  const file = await fs.open(join(temporaryFolder(t), 'file'), 'create')
  await writeFully(file, Buffer.from('abcdef'), 0)
  await file.truncate(2)
  await file.truncate(4)

  const buffer = Buffer.alloc(8, 1)
  assert.equal(await readFully(file, buffer, 0), 4)
  assert.deepEqual([...buffer.subarray(0, 4)], [97, 98, 0, 0])
  await file.close()
})

test('folders are for their owner only, and so are files', onlyUnix, async t => {
  const folder = join(temporaryFolder(t), 'folder')
  await fs.makeFolder(folder)
  await (await fs.open(join(folder, 'file'), 'create')).close()

  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.equal(statSync(join(folder, 'file')).mode & 0o777, 0o600)
})

test('what is in the way or missing is told by the code of the error', async t => {
  const folder = temporaryFolder(t)
  await (await fs.open(join(folder, 'file'), 'create')).close()

  await assert.rejects(fs.open(join(folder, 'file'), 'create'), { code: 'EEXIST' })
  await assert.rejects(fs.open(join(folder, 'none'), 'write'), { code: 'ENOENT' })
  await assert.rejects(fs.open(join(folder, 'none'), 'read'), { code: 'ENOENT' })
  await assert.rejects(fs.makeFolder(folder), { code: 'EEXIST' })
  await assert.rejects(fs.makeFolder(join(folder, 'none', 'folder')), { code: 'ENOENT' })
  await assert.rejects(fs.unlink(join(folder, 'none')), { code: 'ENOENT' })
})

test('a rename replaces the file that had the name', async t => {
  const folder = temporaryFolder(t)
  for (const name of ['a', 'b']) {
    const file = await fs.open(join(folder, name), 'create')
    await writeFully(file, Buffer.from(name), 0)
    await file.close()
  }

  await fs.rename(join(folder, 'a'), join(folder, 'b'))
  await fs.syncFolder(folder)

  assert.deepEqual(await fs.list(folder), ['b'])
  assert.equal(await readText(fs, join(folder, 'b')), 'a')
})

test('a lock is refused to the same process until it is released, and its text can be read meanwhile', async t => {
  const path = join(temporaryFolder(t), 'LOCK')
  const lock = await fs.lock(path)
  assert.ok(lock)
  await lock.write('a long text about who holds it')
  await lock.write('pid 1')

  assert.equal(await fs.lock(path), undefined)
  // The refused attempt opened and closed the file, which must not end the lock that is held.
  assert.equal(await fs.lock(path), undefined)
  assert.equal(await readText(fs, path), 'pid 1')

  await lock.release()
  await lock.release()
  const next = await fs.lock(path)
  assert.ok(next)
  await next.release()
})

test('a lock is refused to another process, and ends with the process that holds it', async t => {
  const path = join(temporaryFolder(t), 'LOCK')
  const lock = await fs.lock(path)
  await lock?.write('pid 1')
  assert.equal(await lockElsewhere(path), 'refused: pid 1')

  await lock?.release()
  assert.equal(await lockElsewhere(path), 'held')

  const next = await fs.lock(path)
  assert.ok(next, 'the other process is gone without releasing it')
  await next.release()
})

test('the kind of file system is told where it is known', onlyLinux, async t => {
  assert.match(await fs.kindOf(temporaryFolder(t)), /^[a-z0-9]+$/)
  assert.equal(await fs.kindOf('/dev/shm'), 'tmpfs')
  assert.equal(await fs.kindOf('/proc'), 'unknown')
  await assert.rejects(fs.kindOf('/none'), { code: 'ENOENT' })
})

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

async function lockElsewhere(path: string): Promise<string> {
  const [node, words] = ['node-file-system', 'file-system'].map(
    name => new URL(`../../src/io/${name}.js`, import.meta.url),
  )
  const program = `
    const { nodeFileSystem } = await import('${node}')
    const { readText } = await import('${words}')
    const path = ${JSON.stringify(path)}
    const lock = await nodeFileSystem.lock(path)
    console.log(lock === undefined ? 'refused: ' + (await readText(nodeFileSystem, path)) : 'held')
    process.exit()`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  return stdout.trim()
}
