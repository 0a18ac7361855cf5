// Compressed values on every road: tier, log, store, scans, crashes, verify and repair.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { levelsOf } from '../../src/codec/compression.js'
import { CODEC, COMPRESSION, formOf } from '../../src/codec/form.js'
import { decodeStoredValue } from '../../src/codec/stored-value.js'
import { encodeKey } from '../../src/core/key.js'
import { AgentMemory, type MapOptions, type MemoryMap } from '../../src/index.js'
import { openLevelStore } from '../../src/stores/level/level.js'
import { seededRandom } from '../../src/testing/random.js'
import { freshFolder, freshMemory, SMALL } from '../api/temporary-folder.js'
import { command, damage, frameOfLsn, jsonOf } from '../cli/helpers.js'
import { openOn, simulated } from '../engine/simulated.js'
import { OPTIONS, optionsOf, type Step, stepOf } from './compressed-values.js'

const NAMES = levelsOf('zstd') === undefined ? (['gzip', 'brotli'] as const) : (['gzip', 'brotli', 'zstd'] as const)
const COUNT = 60
const KEYS = Array.from({ length: COUNT }, (_, number) => `k${number}`)

async function fill(map: MemoryMap<Step>): Promise<void> {
  await Promise.all(KEYS.map((key, number) => map.set(key, stepOf(number))))
}

async function assertWhole(map: MemoryMap<Step>, count = COUNT): Promise<void> {
  const expected = KEYS.slice(0, count).map((_, number) => stepOf(number))
  assert.deepEqual(await Promise.all(KEYS.slice(0, count).map(key => map.get(key))), expected, 'get')
  assert.deepEqual(await map.getMany(KEYS.slice(0, count)), expected, 'getMany')
  assert.deepEqual((await map.getEntry('k1'))?.value, expected[1], 'getEntry')
  for (const pageSize of [7, 256]) {
    const scanned: Step[] = []
    for await (const { value } of map.entries({ pageSize })) scanned.push(value)
    assert.deepEqual(
      scanned.sort((a, b) => a.number - b.number),
      expected,
      'entries',
    )
  }
}

for (const name of NAMES) {
  test(`${name}: evicted from the tier, read from the log, checkpointed, read from the store, recovered`, async () => {
    // Room for some entries only: the others are read from the log.
    const { memory, disk } = await simulated({ tierBytesMax: 20_000 })
    const map = memory.map('m', optionsOf(name))
    await fill(map)
    assert.ok(memory.status().tier.bytes <= 20_000)
    await assertWhole(map)
    // Killed: everything is replayed from the log.
    await assertWhole((await openOn(disk.clone())).map('m', optionsOf(name)))
    await assertWhole((await openOn(disk.clone(), { tierBytesMax: 0 })).map('m', optionsOf(name)))

    await memory.checkpoint()
    await assertWhole(map)
    assert.deepEqual((await map.update('k1', value => value)).value, stepOf(1))
    await memory.close()
    const reopened = await openOn(disk)
    // By a map that compresses nothing: what is stored tells.
    await assertWhole(reopened.map<Step>('m', { version: 3 }))
    await reopened.close()
  })

  test(`${name}: whatever a power cut leaves is whole`, async () => {
    const { memory, disk } = await simulated()
    const map = memory.map('m', optionsOf(name))
    const half = KEYS.slice(0, COUNT / 2)
    for (const [number, key] of half.entries()) await map.set(key, stepOf(number))
    // Nobody has answered these: each is there as it was, or not at all.
    const unanswered = KEYS.slice(COUNT / 2).map((key, at) => map.set(key, stepOf(COUNT / 2 + at)))
    for (let seed = 1; seed <= 20; seed++) {
      const reopened = await openOn(disk.crash(seededRandom(seed)))
      const found = await reopened.map('m', optionsOf(name)).getMany(KEYS)
      for (const [number, value] of found.entries()) {
        if (value !== undefined || number < half.length) assert.deepEqual(value, stepOf(number), `seed ${seed}`)
      }
      await reopened.close()
    }
    await Promise.all(unanswered)
  })
}

test('what a killed process has acknowledged is there, compressed', async () => {
  const folder = await freshFolder()
  await writeAndKill(folder, COUNT)

  const memory = await AgentMemory.open(folder, { tierBytesMax: 0 })
  await assertWhole(memory.map('m', OPTIONS))
  await memory.close()
})

test('the form of a value goes all the way into the store, and takes few bytes there', async () => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  await fill(memory.map('m', OPTIONS))
  await memory.close()

  const store = await openLevelStore(`${folder}/store`)
  const key = encodeKey(['m', 'k7'])
  const { form, value } = decodeStoredValue(key, (await store.get(key))!)
  await store.close()
  assert.equal(form, formOf(CODEC.messagePack, COMPRESSION.gzip, 3))
  assert.ok(value.length < 200, `${value.length} bytes`)
})

test('verify finds compressed values right; repair saves them as they are, from the log and from the store', async () => {
  const [logged, stored] = [await freshFolder(), await freshFolder()]
  await writeAndKill(logged, 20)
  const memory = await AgentMemory.open(stored)
  for (const [number, key] of KEYS.slice(0, 20).entries()) await memory.map('m', OPTIONS).set(key, stepOf(number))
  await memory.close()
  for (const folder of [logged, stored]) assert.equal((await command('verify', folder)).code, 0)

  damage(frameOfLsn(logged, 15))
  const fromLog = await freshFolder()
  assert.equal((await command('repair', logged, '--to', fromLog, '--yes')).code, 0)
  // The damaged value of the store comes back from the log.
  await changeStored(stored, 'k7', value => flipped(value, value.length - 1))
  const fromStore = await freshFolder()
  const { json } = await jsonOf('repair', stored, '--to', fromStore, '--yes')

  assert.equal(json.rescued, 1)
  for (const [folder, count] of [
    [fromLog, 14],
    [fromStore, 20],
  ] as const) {
    const saved = await AgentMemory.open(folder)
    await assertWhole(saved.map('m', OPTIONS), count)
    await saved.close()
  }
})

test('a damaged compressed value is STORE_CORRUPT to whoever reads it', async () => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, SMALL)
  await fill(memory.map('m', OPTIONS))
  await memory.close()
  const changes: ((value: Buffer) => Buffer)[] = [
    ...Array.from({ length: 8 }, (_, part) => (value: Buffer) => flipped(value, Math.floor((part * value.length) / 8))),
    value => value.subarray(0, -1),
    value => value.subarray(0, 30),
    value => Buffer.concat([value, Buffer.from([0])]),
  ]
  for (const change of changes) {
    const undo = await changeStored(folder, 'k7', change)
    const reopened = await AgentMemory.open(folder, SMALL)
    await assert.rejects(reopened.map('m', OPTIONS).get('k7'), { code: 'STORE_CORRUPT' })
    assert.deepEqual(await reopened.map('m', OPTIONS).get('k8'), stepOf(8))
    await reopened.close()
    await undo()
  }
})

test('the status tells how much smaller values became, also those that were left as they are', async t => {
  const memory = await freshMemory(t)
  assert.deepEqual(memory.status().compression, { bytesBefore: 0, bytesAfter: 0, ratio: 1 })
  await memory.map<Step>('plain').set('k', stepOf(1))
  assert.deepEqual(memory.status().compression, { bytesBefore: 0, bytesAfter: 0, ratio: 1 })
  const map = memory.map('m', OPTIONS)
  await map.set('k', stepOf(1))
  const { bytesBefore, bytesAfter, ratio } = memory.status().compression
  assert.ok(bytesBefore > 1800 && bytesAfter < 200 && ratio > 10)
  assert.equal(ratio, bytesBefore / bytesAfter)

  // Below the threshold.
  await map.set('small', { number: 1, text: '', at: new Date(0) })
  const after = memory.status().compression
  assert.equal(after.bytesBefore - bytesBefore, after.bytesAfter - bytesAfter)
})

test('writes are accepted in the order of their calls, large or small, compressed or not', async t => {
  const memory = await freshMemory(t)
  const compressed = memory.map('m', OPTIONS)
  const plain = memory.map<number>('plain')
  const writes = Array.from({ length: 64 }, (_, number) =>
    number % 2 === 0
      ? compressed.set('k', { ...stepOf(number), text: 'x'.repeat(number * 1000) })
      : plain.set('k', number),
  )
  const lsns = (await Promise.all(writes)).map(({ lsn }) => lsn)

  assert.deepEqual(
    lsns,
    lsns.map((_, index) => lsns[0]! + index),
  )
  assert.equal((await compressed.get('k'))?.number, 62)
})

test('a value over the limit is refused by its size before compression', async t => {
  const memory = await freshMemory(t, { frameBytesMax: 64 * 1024 })
  const map = memory.map<string>('m', { compression: 'brotli' })

  await assert.rejects(map.set('k', 'x'.repeat(64 * 1024)), { code: 'VALUE_TOO_LARGE' })
  await map.set('k', 'x'.repeat(60 * 1024))
  assert.equal((await map.get('k'))?.length, 60 * 1024)
})

test('a value that was compressed under a larger limit is read under a smaller one', async () => {
  const folder = await freshFolder()
  const large = await AgentMemory.open(folder, { ...SMALL, frameBytesMax: 4 << 20 })
  await large.map<string>('m', { compression: 'gzip' }).set('k', 'x'.repeat(3 << 20))
  await large.close()
  const small = await AgentMemory.open(folder, { ...SMALL, frameBytesMax: 64 * 1024 })
  assert.equal((await small.map<string>('m').get('k'))?.length, 3 << 20)
  await small.close()
})

test('compressions that make no sense are refused when the map is opened', async t => {
  const memory = await freshMemory(t)
  const wrong: [unknown, string][] = [
    ['lz4', 'INVALID_OPTION'],
    [null, 'INVALID_OPTION'],
    [true, 'INVALID_OPTION'],
    [{}, 'INVALID_OPTION'],
    [{ algorithm: 'none' }, 'INVALID_OPTION'],
    [{ algorithm: 'gzip', threshold: 5 }, 'UNKNOWN_OPTION'],
    [{ algorithm: 'gzip', thresholdBytes: -1 }, 'INVALID_OPTION'],
    [{ algorithm: 'gzip', level: 0 }, 'INVALID_OPTION'],
    [{ algorithm: 'gzip', level: 10 }, 'INVALID_OPTION'],
    [{ algorithm: 'brotli', level: 12 }, 'INVALID_OPTION'],
  ]
  for (const [compression, code] of wrong) {
    assert.throws(() => memory.map('m', { compression } as MapOptions), { code }, JSON.stringify(compression))
  }
  memory.map('m', { compression: 'gzip' })
  memory.map('m', { compression: { algorithm: 'gzip', thresholdBytes: 1024, level: 6 } })
  assert.throws(() => memory.map('m', { compression: 'brotli' }), { code: 'OPTIONS_DIFFER' })
  assert.throws(() => memory.map('m', {}), { code: 'OPTIONS_DIFFER' })
})

test('zstd where the runtime has none is refused when the map is opened', async t => {
  const memory = await freshMemory(t)
  const open = () => memory.map('m', { compression: 'zstd' })

  if (levelsOf('zstd') !== undefined) await open().set('k', 1)
  else assert.throws(open, { code: 'INVALID_OPTION', message: /"zstd", which this Node\.js \(v\d.*Node\.js 22\.15/ })
})

/** A process writes so many values, half of them into the store, and is killed once all are acknowledged. */
async function writeAndKill(folder: string, count: number): Promise<void> {
  const program = fileURLToPath(new URL('compressing-child.js', import.meta.url))
  const child = spawn(process.execPath, [program, folder, String(count)])
  const closed = once(child, 'close')
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await closed
}

/** Changes what the store of a closed memory keeps under a key of the map, and returns what undoes it. */
async function changeStored(
  folder: string,
  key: string,
  change: (value: Buffer) => Buffer,
): Promise<() => Promise<void>> {
  const store = await openLevelStore(`${folder}/store`)
  const encoded = encodeKey(['m', key])
  const value = Buffer.from((await store.get(encoded))!)
  await store.apply([{ key: encoded, value: change(value) }], await store.mark())
  await store.close()
  return async () => void (await changeStored(folder, key, () => value))
}

function flipped(value: Buffer, at: number): Buffer {
  const copy = Buffer.from(value)
  copy[at]! ^= 0x10
  return copy
}
