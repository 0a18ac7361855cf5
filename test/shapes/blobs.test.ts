import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ReadableStream } from 'node:stream/web'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { encodeSegments } from '../../src/core/key.js'
import type { BlobSource, Durability } from '../../src/index.js'
import { openOn, simulated } from '../engine/simulated.js'
import { bytesOf, CHUNK, nothingLeftBehind, pieces, read, SMALL_CHUNKS, sha256, told } from './blob-helpers.js'

const SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK, 3 * CHUNK + 17, 9 * CHUNK + 1]

test('a blob of any size comes back as it was: at once, from the log, from the store, after an open', async () => {
  const { memory, disk } = await simulated(SMALL_CHUNKS)
  const blobs = memory.blobs('files')
  for (const size of SIZES) {
    const bytes = bytesOf(size, size)

    const result = await blobs.put(`${size}`, pieces(bytes))

    assert.deepEqual([result.size, result.checksum, result.reached], [size, sha256(bytes), 'log'])
    assert.equal(told(await read(blobs, `${size}`)), told(bytes))
    const { lsn } = result
    assert.deepEqual(await blobs.stat(`${size}`), { size, checksum: sha256(bytes), version: lsn })
  }
  await memory.checkpoint()
  for (const size of SIZES) assert.equal(told(await read(blobs, `${size}`)), told(bytesOf(size, size)))
  await nothingLeftBehind(memory)
  await memory.close()
  const reopened = await openOn(disk, SMALL_CHUNKS)
  for (const size of SIZES) {
    assert.equal(told(await read(reopened.blobs('files'), `${size}`)), told(bytesOf(size, size)))
  }
  await nothingLeftBehind(reopened)
})

test('a blob is taken from bytes, from iterables, from generators, from streams of Node and of the web', async () => {
  const { memory } = await simulated(SMALL_CHUNKS)
  const blobs = memory.blobs('files')
  const bytes = bytesOf(2 * CHUNK + 5)
  const sources: Record<string, () => BlobSource> = {
    'a Uint8Array': () => bytes,
    'a Buffer': () => Buffer.from(bytes),
    'bytes of another realm': () => runInNewContext('Uint8Array.from(bytes)', { bytes }) as Uint8Array,
    'a view of shared memory': () => {
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
      shared.set(bytes)
      return shared
    },
    'an array of pieces': () => [...pieces(bytes)],
    'an array with empty pieces': () => [new Uint8Array(), ...pieces(bytes), new Uint8Array()],
    'a generator': () => pieces(bytes),
    'an asynchronous generator': () =>
      (async function* () {
        yield* pieces(bytes, 1000)
      })(),
    'a Readable': () => Readable.from(pieces(bytes), { objectMode: false }),
    'a web stream': () => ReadableStream.from(pieces(bytes)) as unknown as AsyncIterable<Uint8Array>,
    'single bytes': () => pieces(bytes.subarray(0, 100), 1),
  }
  for (const [name, source] of Object.entries(sources)) {
    const expected = name === 'single bytes' ? bytes.subarray(0, 100) : bytes
    await blobs.put(name, source())
    assert.equal(told(await read(blobs, name)), told(expected), name)
  }
})

test('a stream is taken by pipeline and by Readable, and its pieces are no more than a chunk', async () => {
  const { memory } = await simulated(SMALL_CHUNKS)
  const blobs = memory.blobs('files')
  const bytes = bytesOf(5 * CHUNK + 3)
  await blobs.put('k', bytes)

  const taken: Uint8Array[] = []
  const blob = (await blobs.get('k'))!
  await pipeline(Readable.from(blob.stream()), async (pieces: AsyncIterable<Uint8Array>) => {
    for await (const piece of pieces) taken.push(piece)
  })

  assert.equal(told(Buffer.concat(taken)), told(bytes))
  assert.deepEqual(
    taken.map(piece => piece.length),
    [CHUNK, CHUNK, CHUNK, CHUNK, CHUNK, 3],
  )
  assert.equal(Object.getPrototypeOf(await blob.bytes()), Uint8Array.prototype)
})

test('any range is what slice gives', async () => {
  const { memory } = await simulated(SMALL_CHUNKS)
  const blobs = memory.blobs('files')
  const sizes = [0, 1, CHUNK, 3 * CHUNK + 11]
  for (const size of sizes) await blobs.put(`${size}`, bytesOf(size, size))
  const place = fc.oneof(
    fc.integer({ min: 0, max: 4 * CHUNK }),
    fc.constantFrom(0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 11),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...sizes), fc.option(place), fc.option(place), async (size, a, b) => {
      const [start, end] = a !== null && b !== null && a > b ? [b, a] : [a, b]
      const range = { ...(start !== null && { start }), ...(end !== null && { end }) }
      const blob = (await blobs.get(`${size}`))!
      const expected = bytesOf(size, size).slice(start ?? 0, end ?? undefined)
      assert.equal(told(await blob.bytes(range)), told(expected))
      const streamed: Uint8Array[] = []
      for await (const piece of blob.stream(range)) streamed.push(piece)
      assert.equal(told(Buffer.concat(streamed)), told(expected))
      assert.ok(streamed.every(piece => piece.length > 0))
    }),
    { numRuns: 150 },
  )
})

test('bytes over bytesMax are refused, and a range of them is not', async () => {
  const { memory } = await simulated(SMALL_CHUNKS)
  const blobs = memory.blobs('files')
  await blobs.put('k', bytesOf(1000))
  const blob = (await blobs.get('k'))!

  await assert.rejects(blob.bytes({ bytesMax: 999 }), { code: 'VALUE_TOO_LARGE' })
  assert.equal((await blob.bytes({ bytesMax: 999, start: 1 })).length, 999)
  assert.equal((await blob.bytes({ bytesMax: 1000 })).length, 1000)
})

test('blobs are listed in the order of their keys, page by page, with what stat says', async () => {
  const { memory } = await simulated(SMALL_CHUNKS)
  const blobs = memory.blobs('files')
  for (const key of [['a', '2'], ['a', '1'], ['ab', '1'], ['b']]) await blobs.put(key, bytesOf(10, key.length))

  const keys = async (options = {}) => {
    const found: unknown[] = []
    for await (const { key, size } of blobs.list(options)) found.push([key, size])
    return found
  }

  assert.deepEqual(await keys({ pageSize: 1 }), [
    [['a', '1'], 10],
    [['a', '2'], 10],
    [['ab', '1'], 10],
    ['b', 10],
  ])
  assert.deepEqual(await keys({ prefix: 'a' }), [
    [['a', '1'], 10],
    [['a', '2'], 10],
  ])
  assert.deepEqual(await keys({ reverse: true, limit: 1 }), [['b', 10]])
  assert.equal(await blobs.has(['a', '1']), true)
  await blobs.delete(['a', '1'])
  assert.equal(await blobs.has(['a', '1']), false)
  assert.equal(await blobs.get(['a', '1']), undefined)
  assert.equal(await blobs.stat(['a', '1']), undefined)
  await blobs.delete('absent')
  assert.deepEqual(await keys({ gt: ['a', '2'] }), [
    [['ab', '1'], 10],
    ['b', 10],
  ])
})

test('a put is as durable as it says, a small one in one frame', async () => {
  const { memory } = await simulated(SMALL_CHUNKS)
  const reached: Record<Durability, string> = { 'write-back': 'tier', 'write-ahead': 'log', 'write-through': 'store' }
  for (const durability of ['write-back', 'write-ahead', 'write-through'] as const) {
    const blobs = memory.blobs(durability, { durability })
    for (const [key, size] of [
      ['small', 100],
      ['large', 3 * CHUNK + 100],
    ] as const) {
      const result = await blobs.put(key, bytesOf(size))
      assert.equal(result.reached, reached[durability])
      await result.durable()
      assert.equal((await blobs.put(key, bytesOf(size), { durability: 'write-through' })).reached, 'store')
    }
  }
  const blobs = memory.blobs('files')
  await nothingLeftBehind(memory)
  const { syncs } = memory.status().log
  const { accepted } = memory.status().lsn
  await blobs.put('one', bytesOf(100))
  assert.equal(memory.status().log.syncs - syncs, 1)
  assert.equal(memory.status().lsn.accepted - accepted, 3)
})

test('a blob that goes in and out crowds nothing else out of the tier', async () => {
  const { memory } = await simulated({ ...SMALL_CHUNKS, tierBytesMax: 16 << 20 })
  const blobs = memory.blobs('files')
  const map = memory.map<string, string>('hot')
  for (let index = 0; index < 1000; index++) await map.set(`k${index}`, 'x'.repeat(1100), { durability: 'write-back' })
  await memory.checkpoint()
  const isHeld = () => {
    const { reader } = map.engine
    const lead = encodeSegments(['hot'])
    return Array.from({ length: 1000 }, (_, index) => reader.held(lead + encodeSegments([`k${index}`])) !== undefined)
  }
  const bytes = bytesOf(100 * CHUNK)

  await blobs.put('k', pieces(bytes))
  assert.equal(told(await read(blobs, 'k')), told(bytes))
  await memory.checkpoint()
  assert.equal(told(await read(blobs, 'k')), told(bytes))

  assert.deepEqual(
    isHeld().filter(each => !each),
    [],
  )
})

test('a condition is decided when the blob is committed, and a refused put leaves nothing', async () => {
  const { memory } = await simulated(SMALL_CHUNKS)
  const blobs = memory.blobs('files')
  const { lsn } = await blobs.put('k', bytesOf(2 * CHUNK, 1), { expected: null })

  await assert.rejects(blobs.put('k', bytesOf(2 * CHUNK, 2), { expected: null }), {
    code: 'VERSION_CONFLICT',
    actual: lsn,
  })
  await assert.rejects(blobs.put('k', bytesOf(5, 2), { expected: lsn - 1 }), { code: 'VERSION_CONFLICT' })
  await assert.rejects(blobs.delete('k', { expected: lsn + 1 }), { code: 'VERSION_CONFLICT' })
  assert.equal(told(await read(blobs, 'k')), told(bytesOf(2 * CHUNK, 1)))
  await nothingLeftBehind(memory)

  const { lsn: second } = await blobs.put('k', bytesOf(3 * CHUNK, 3), { expected: lsn })
  assert.equal((await blobs.stat('k'))?.version, second)
  await blobs.delete('k', { expected: second })
  await blobs.put('k', bytesOf(1), { expected: null })
  await nothingLeftBehind(memory)
})

test('blobs have nothing to do with maps of their name, nor with other scopes', async () => {
  const { memory } = await simulated(SMALL_CHUNKS)
  const names = ['files', '__proto__', 'a\0b', ':', '../x', 'blobs', 'chunk', '\u{1F600}', ' ']
  const scopes = [memory, memory.scope('acme'), memory.scope('acme-corp'), memory.scope('acme', 'u1'), memory.scope('')]
  let seed = 0
  const expected: [string, () => Promise<Uint8Array | undefined>, Uint8Array][] = []
  for (const name of names) {
    for (const [index, scope] of scopes.entries()) {
      for (const key of ['__proto__', 'a', '\0', ':']) {
        const bytes = bytesOf(100, ++seed)
        await scope.blobs(name).put(key, bytes)
        await scope.map(name).set(key, seed)
        expected.push([`${name} ${index} ${key}`, () => read(scope.blobs(name), key), bytes])
      }
    }
  }
  for (const [what, found, bytes] of expected) assert.equal(told(await found()), told(bytes), what)
  let count = 0
  for await (const { key } of memory.scope('acme').map('files').entries()) count += typeof key === 'string' ? 1 : 0
  assert.equal(count, 4)
  const listed: unknown[] = []
  for await (const { key } of memory.scope('acme').blobs('files').list()) listed.push(key)
  assert.deepEqual(listed, ['\0', ':', '__proto__', 'a', ['u1', '\0'], ['u1', ':'], ['u1', '__proto__'], ['u1', 'a']])
})
