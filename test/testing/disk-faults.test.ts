import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type File, readFully, readText, writeFully } from '../../src/io/file-system.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

const random = seededRandom(1)

test('a fault hits the call with its index, once', async () => {
  const { disk, file } = await diskWithFile()
  disk.faults.add({ at: disk.calls + 1, error: 'EIO' })

  await writeFully(file, Buffer.from('x'), 0)
  await assert.rejects(file.write(Buffer.from('y'), 0), { code: 'EIO', syscall: 'write', path: '/a' })
  await writeFully(file, Buffer.from('z'), 0)

  assert.equal(await readText(disk, '/a'), 'zata')
})

test('a fault hits the n-th call of a kind on the paths it names', async () => {
  const { disk, file } = await diskWithFile()
  const other = await disk.open('/other', 'create')
  disk.faults.add({ at: { kind: ['write', 'truncate'], path: /other$/, nth: 2 }, error: 'ENOSPC' })

  await writeFully(file, Buffer.from('x'), 0)
  await writeFully(other, Buffer.from('x'), 0)
  await assert.rejects(other.truncate(0), { code: 'ENOSPC' })
  await other.truncate(0)
})

test('a sticky fault hits all later calls that match', async () => {
  const { disk, file } = await diskWithFile()
  disk.faults.add({ at: { kind: 'write', nth: 2 }, error: 'EIO', sticky: true })

  await file.write(Buffer.from('x'), 0)
  for (let n = 0; n < 3; n += 1) await assert.rejects(file.write(Buffer.from('x'), 0), { code: 'EIO' })
  assert.throws(() => file.writeNow(Buffer.from('x'), 0), { code: 'EIO' })
  await file.sync()

  disk.faults.clear()
  await file.write(Buffer.from('x'), 0)
})

test('a failed write may have written a part', async () => {
  const { disk, file } = await diskWithFile()
  disk.faults.add({ at: { kind: 'write' }, error: 'EIO', partial: 2 })

  await assert.rejects(file.write(Buffer.from('wxyz'), 0), { code: 'EIO' })

  assert.equal(await readText(disk, '/a'), 'wxta')
})

test('a short write takes some and says so, and a short read too', async () => {
  const { disk, file } = await diskWithFile()
  disk.faults.add({ at: { kind: 'write' }, error: 'short', partial: 3 })
  disk.faults.add({ at: { kind: 'read' }, error: 'short' })

  assert.equal(await file.write(Buffer.from('wxyz'), 0), 3)
  const buffer = Buffer.alloc(4)
  assert.equal(await file.read(buffer, 0), 2)
  assert.equal(await readFully(file, buffer, 0), 4)
  assert.equal(buffer.toString(), 'wxya')
})

test('after a failed sync the data is read, a later sync succeeds, and a power cut takes it', async () => {
  const { disk, file } = await diskWithFile()
  disk.faults.add({ at: { kind: 'dataSync' }, error: 'EIO' })
  await writeFully(file, Buffer.from('lost'), 0)

  await assert.rejects(file.dataSync(), { code: 'EIO' })
  await file.dataSync()
  await writeFully(file, Buffer.from('!'), 4)
  await file.sync()

  assert.equal(await readText(disk, '/a'), 'lost!')
  assert.equal(await readText(disk.crash(random, { kind: 'everything' }), '/a'), 'data!')
})

test('a failed sync may have made a first part durable', async () => {
  const { disk, file } = await diskWithFile()
  disk.faults.add({ at: { kind: 'sync' }, error: 'EIO', partial: 6 })
  await writeFully(file, Buffer.from('1234'), 0)
  await writeFully(file, Buffer.from('5678'), 4)

  await assert.rejects(file.sync(), { code: 'EIO' })

  assert.equal(await readText(disk.crash(random), '/a'), '123456')
})

test('names are gone after a failed sync of their folder', async () => {
  const { disk } = await diskWithFile()
  disk.faults.add({ at: { kind: 'syncFolder' }, error: 'EIO' })
  await disk.rename('/a', '/b')

  await assert.rejects(disk.syncFolder('/'), { code: 'EIO' })
  await disk.syncFolder('/')

  assert.deepEqual(await disk.list('/'), ['b'])
  assert.deepEqual(await disk.crash(random, { kind: 'everything' }).list('/'), ['a'])
})

test('a disk that lies makes nothing durable until it syncs in truth', async () => {
  const { disk, file } = await diskWithFile()
  disk.faults.add({ at: { kind: 'dataSync' }, error: 'lie' })
  await writeFully(file, Buffer.from('lies'), 0)

  file.dataSyncNow()
  assert.equal(await readText(disk.crash(random, { kind: 'nothing' }), '/a'), 'data')

  file.dataSyncNow()
  assert.equal(await readText(disk.crash(random, { kind: 'nothing' }), '/a'), 'lies')
})

test('a call that hangs does its work when it is released', async () => {
  const { disk, file } = await diskWithFile()
  disk.faults.add({ at: { kind: 'write' }, error: 'hang' })
  const write = file.write(Buffer.from('late'), 0)

  assert.equal(await readText(disk, '/a'), 'data')
  disk.releaseHangs()
  assert.equal(await write, 4)
  assert.equal(await readText(disk, '/a'), 'late')
})

test('a delay holds calls back, so that several are under way at once', async () => {
  const { disk, file } = await diskWithFile()
  disk.delay = call => (call.kind === 'write' ? new Promise(resolve => setImmediate(resolve)) : undefined)
  const write = file.write(Buffer.from('late'), 0)

  assert.equal(await readText(disk, '/a'), 'data')
  await write
  assert.equal(await readText(disk, '/a'), 'late')
})

async function diskWithFile(): Promise<{ disk: SimulatedDisk; file: File }> {
  const disk = new SimulatedDisk()
  const file = await disk.open('/a', 'create')
  await writeFully(file, Buffer.from('data'), 0)
  await file.sync()
  await disk.syncFolder('/')
  return { disk, file }
}
