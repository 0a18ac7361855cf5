import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type File, readFully, readText, writeFully } from '../../src/io/file-system.js'
import type { DiskCall } from '../../src/testing/disk-faults.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

const random = seededRandom(1)
const MIB = 1024 * 1024

test('readers see what was written at once, and a power cut that keeps nothing takes it', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', 'synced')
  await writeText(file, 'unsynced', 3)
  assert.equal(await readText(disk, '/a'), 'synunsynced')

  assert.equal(await readText(disk.crash(random, { kind: 'nothing' }), '/a'), 'synced')
  assert.equal(await readText(disk.crash(random, { kind: 'everything' }), '/a'), 'synunsynced')
  assert.equal(await readText(disk, '/a'), 'synunsynced', 'the disk itself goes on')
})

test('what was synced is in every state that a power cut leaves', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', 'synced')
  for (let n = 1; n < 5; n += 1) await writeText(file, 'later', n * 1000)
  await disk.makeFolder('/folder')

  for (let n = 0; n < 500; n += 1) {
    const text = await readText(disk.crash(random), '/a')
    assert.equal(text?.slice(0, 6), 'synced')
  }
})

test('an unsynced write is torn at sectors, wherever it starts', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', '-'.repeat(2048))
  await writeText(file, 'x'.repeat(1100), 500)

  const torn = disk.crash(random, {
    kind: 'torn',
    index: 0,
    kept: [
      { from: 0, to: 1 },
      { from: 2, to: 3 },
    ],
    others: 'all',
  })

  const expected = `${'-'.repeat(500)}${'x'.repeat(12)}${'-'.repeat(512)}${'x'.repeat(512)}${'-'.repeat(512)}`
  assert.equal(await readText(torn, '/a'), expected)
})

test('a file may have grown without its data', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', 'ab')
  await writeText(file, 'cd', 2)

  const grown = disk.crash(random, { kind: 'torn', index: 0, kept: 'size', others: 'all' })

  assert.equal(await readText(grown, '/a'), 'ab\0\0')
})

test('a later write may be kept without an earlier one, and a truncate dropped', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', '12345678')
  await file.truncate(2)
  await writeText(file, 'x', 4)
  assert.equal(await readText(disk, '/a'), '12\0\0x')

  assert.equal(await readText(disk.crash(random, { kind: 'keep one', index: 1 }), '/a'), '1234x678')
  assert.equal(await readText(disk.crash(random, { kind: 'keep one', index: 0 }), '/a'), '12')
})

test('a name is durable only once its folder was synced', async () => {
  const disk = new SimulatedDisk()
  const file = await disk.open('/a', 'create')
  await writeText(file, 'data', 0)
  await file.sync()
  assert.deepEqual(await disk.crash(random, { kind: 'nothing' }).list('/'), [])

  await disk.syncFolder('/')
  assert.equal(await readText(disk.crash(random, { kind: 'nothing' }), '/a'), 'data')
})

test('all in a folder is gone with the folder if its parent was not synced', async () => {
  const disk = new SimulatedDisk()
  await disk.makeFolder('/folder')
  await createFile(disk, '/folder/a', 'data')

  assert.deepEqual(await disk.crash(random, { kind: 'nothing' }).list('/'), [])
  await disk.syncFolder('/')
  assert.equal(await readText(disk.crash(random, { kind: 'nothing' }), '/folder/a'), 'data')
})

test('a rename is one step, and unsynced data follows its file', async () => {
  const disk = new SimulatedDisk()
  await createFile(disk, '/a', 'old')
  const file = await createFile(disk, '/tmp', 'new')
  await disk.rename('/tmp', '/a')
  await writeText(file, 'NEW', 0)
  assert.equal(await readText(disk, '/a'), 'NEW')

  const before = disk.crash(random, { kind: 'nothing' })
  assert.deepEqual([await readText(before, '/a'), await readText(before, '/tmp')], ['old', 'new'])
  const named = disk.crash(random, { kind: 'names only' })
  assert.deepEqual([await readText(named, '/a'), await readText(named, '/tmp')], ['new', undefined])
  const written = disk.crash(random, { kind: 'data only' })
  assert.deepEqual([await readText(written, '/a'), await readText(written, '/tmp')], ['old', 'NEW'])

  await disk.syncFolder('/')
  await file.sync()
  assert.equal(await readText(disk.crash(random, { kind: 'nothing' }), '/a'), 'NEW')
})

test('no power cut loses a file to another that got its old name, nor gives a file two names', async () => {
  const disk = new SimulatedDisk()
  await createFile(disk, '/a', 'precious')
  await disk.rename('/a', '/b')
  await writeText(await disk.open('/a', 'create'), 'other', 0)
  await disk.rename('/b', '/c')

  for (let n = 0; n < 300; n += 1) {
    const crashed = disk.crash(random)
    const texts = await Promise.all((await crashed.list('/')).map(name => readText(crashed, `/${name}`)))
    assert.equal(texts.filter(text => text === 'precious').length, 1)
  }
})

test('an unlinked file comes back if the folder was not synced, and stays readable to who has it open', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', 'data')
  await disk.unlink('/a')

  assert.equal(await readText(disk, '/a'), undefined)
  assert.equal((await readAll(file)).toString(), 'data')
  assert.equal(await readText(disk.crash(random, { kind: 'nothing' }), '/a'), 'data')
  await disk.syncFolder('/')
  assert.deepEqual(await disk.crash(random, { kind: 'everything' }).list('/'), [])
})

test('a clone keeps what is unsynced, is free of locks, and goes its own way', async () => {
  const disk = new SimulatedDisk()
  assert.ok(await disk.lock('/LOCK'))
  assert.equal(await disk.lock('/LOCK'), undefined)
  const file = await createFile(disk, '/a', 'one')
  await writeText(file, 'two', 0)

  const clone = disk.clone()
  await writeText(file, 'six', 0)

  assert.ok(await clone.lock('/LOCK'))
  assert.equal(await readText(clone, '/a'), 'two')
  assert.equal(await readText(clone.crash(random, { kind: 'nothing' }), '/a'), 'one')
  assert.equal(await readText(disk, '/a'), 'six')
})

test('a lock is released once, and its text replaces the one before', async () => {
  const disk = new SimulatedDisk()
  const lock = await disk.lock('/LOCK')
  await lock?.write('a long text')
  await lock?.write('short')
  assert.equal(await readText(disk, '/LOCK'), 'short')
  await lock?.release()
  await lock?.release()
  assert.ok(await disk.lock('/LOCK'))
})

test('equal disks have equal fingerprints, however they came about', async () => {
  const [one, other] = [new SimulatedDisk(), new SimulatedDisk()]
  await createFile(one, '/a', 'x'.repeat(5000))
  await createFile(one, '/b', '')
  await createFile(other, '/b', '')
  const file = await createFile(other, '/c', 'y'.repeat(9000))
  await writeText(file, 'x'.repeat(5000), 0)
  await file.truncate(5000)
  await file.sync()
  await other.rename('/c', '/a')
  await other.syncFolder('/')
  assert.equal(one.fingerprint(), other.fingerprint())

  await writeText(file, 'z', 4999)
  assert.equal(one.fingerprint(), other.fingerprint(), 'what is not durable does not count')
  await file.sync()
  assert.notEqual(one.fingerprint(), other.fingerprint())
})

test('files of zeros cost nearly nothing, and a copy of them even less', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', '')
  const zeros = Buffer.alloc(4 * MIB)
  const before = process.memoryUsage().arrayBuffers
  for (let n = 0; n < 64; n += 1) await writeFully(file, zeros, n * zeros.length)
  await file.sync()
  const copies = Array.from({ length: 1000 }, () => disk.crash(random))

  assert.equal(await file.size(), 256 * MIB)
  assert.ok(process.memoryUsage().arrayBuffers - before < MIB)
  assert.equal(copies[999]?.fingerprint(), disk.fingerprint())
})

test('every call is counted and shown before it takes effect', async () => {
  const disk = new SimulatedDisk()
  const file = await disk.open('/a', 'create')
  const calls: DiskCall[] = []
  const sizes: number[] = []
  disk.onCall = call => {
    calls.push(call)
    sizes.push(disk.unsynced().length)
  }

  await file.write(Buffer.from('abc'), 0)
  file.writeNow(Buffer.from('d'), 3)
  await disk.rename('/a', '/b')
  file.dataSyncNow()

  assert.deepEqual(calls, [
    { index: 1, kind: 'write', path: '/a', bytes: 3 },
    { index: 2, kind: 'write', path: '/a', bytes: 1 },
    { index: 3, kind: 'rename', path: '/a', bytes: 0 },
    { index: 4, kind: 'dataSync', path: '/b', bytes: 0 },
  ])
  assert.deepEqual(sizes, [1, 2, 3, 4])
  assert.equal(disk.calls, 5)
})

test('once the power is off nothing settles and nothing changes', async () => {
  const disk = new SimulatedDisk()
  const file = await createFile(disk, '/a', 'data')
  disk.onCall = () => disk.powerOff()

  const write = file.write(Buffer.from('more'), 0)

  assert.equal(await settledWithin(write), false)
  assert.equal(await settledWithin(file.size()), false)
  assert.throws(() => file.writeNow(Buffer.from('x'), 0), /power/)
  assert.equal(await readText(disk.clone(), '/a'), 'data')
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

async function readAll(file: File): Promise<Buffer> {
  const buffer = Buffer.alloc(await file.size())
  await readFully(file, buffer, 0)
  return buffer
}

async function settledWithin(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise<boolean>(resolve => setImmediate(resolve, false))])
}
