// What happens to a blob, and to who reads it, while it is replaced, deleted, put by many, or fails to be put.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { afterPrefix, decodeSegments, encodeSegments } from '../../src/core/key.js'
import type { Engine } from '../../src/engine/engine.js'
import type { AgentMemory, AgentMemoryError, BlobSource, Blobs } from '../../src/index.js'
import { chunkKey } from '../../src/shapes/blob-keys.js'
import { NO_LOSS } from '../../src/shapes/orphans.js'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { openOn, simulated, turns } from '../engine/simulated.js'
import { bytesOf, CHUNK, leftBehind, nothingLeftBehind, pieces, read, SMALL_CHUNKS, told } from './blob-helpers.js'

const OLD = bytesOf(30 * CHUNK + 5, 1)
const NEW = bytesOf(20 * CHUNK + 9, 2)

async function withOld(): Promise<{ disk: SimulatedDisk; memory: AgentMemory; blobs: Blobs }> {
  const { disk, memory } = await simulated(SMALL_CHUNKS)
  const blobs = memory.blobs('files')
  await blobs.put('k', OLD)
  return { disk, memory, blobs }
}

test('what is there before stays readable until the new one is committed, and nothing of it after', async () => {
  const { memory, blobs } = await withOld()
  let seen = 0
  const { size } = await blobs.put(
    'k',
    (async function* () {
      for (const piece of pieces(NEW)) {
        if (seen++ % 30 === 0) assert.equal(told(await read(blobs, 'k')), told(OLD))
        yield piece
      }
    })(),
  )

  assert.equal(size, NEW.length)
  assert.equal(told(await read(blobs, 'k')), told(NEW))
  await nothingLeftBehind(memory)
})

for (const change of ['replaced', 'deleted'] as const) {
  test(`a stream that has begun gives all of its blob, though that is ${change} meanwhile`, async () => {
    const { memory, blobs } = await withOld()
    const streams = [1, 2].map(async () => {
      const stream = (await blobs.get('k'))!.stream()
      const first = (await stream.next()).value!
      return { stream, first }
    })
    const begun = await Promise.all(streams)

    if (change === 'replaced') await blobs.put('k', NEW)
    else await blobs.delete('k')
    await memory.checkpoint()
    await turns(50)
    assert.equal(told(await read(blobs, 'k')), change === 'replaced' ? told(NEW) : 'absent')

    for (const { stream, first } of begun) {
      assert.notEqual((await leftBehind(memory)).length, 0)
      const rest: Uint8Array[] = [first]
      for await (const piece of stream) rest.push(piece)
      assert.equal(told(Buffer.concat(rest)), told(OLD))
    }
    await nothingLeftBehind(memory)
  })
}

test('a reader that stops early, or whose consumer throws, lets go of what it reads', async () => {
  const { memory, blobs } = await withOld()
  const consumer = (async () => {
    for await (const _ of (await blobs.get('k'))!.stream()) throw new Error('consumer')
  })()
  await assert.rejects(consumer, /consumer/)
  const stream = (await blobs.get('k'))!.stream()
  await stream.next()
  await blobs.delete('k')
  await stream.return()
  await nothingLeftBehind(memory)
})

test('a blob that was replaced or deleted before it is read is BLOB_CHANGED, never a mixture', async () => {
  for (const change of ['replaced', 'deleted']) {
    const { memory, blobs } = await withOld()
    const blob = (await blobs.get('k'))!
    if (change === 'replaced') await blobs.put('k', NEW)
    else await blobs.delete('k')
    await nothingLeftBehind(memory)

    await assert.rejects(blob.bytes(), { code: 'BLOB_CHANGED' })
    await assert.rejects(blob.stream({ start: 5, end: 6 }).next(), { code: 'BLOB_CHANGED' })
  }
})

test('a chunk that is missing or of another blob is STORE_CORRUPT, before the last piece of it has been given', async () => {
  const { memory, blobs } = await withOld()
  await blobs.put('other', bytesOf(OLD.length, 7))
  const { reader, writer } = memory.map('any').engine as Engine
  const [first, second] = await generationsOf(memory)
  const [bytes] = await reader.bytesOf([chunkKey('files', second!, 3)])
  const write = (generation: string, value: string | undefined) =>
    writer.writeOne(chunkKey('files', generation, 3), { form: 1, value, expiresAt: 0 }, 'write-ahead', NO_LOSS)
  // It is whole and right by itself, but stands in the place of another.
  await write(first!, bytes!.latin1Slice())
  await write(second!, undefined)

  const outcomes: string[] = []
  for (const key of ['k', 'other']) {
    const taken: Uint8Array[] = []
    const reading = (async () => {
      for await (const piece of (await blobs.get(key))!.stream()) taken.push(piece)
    })()
    const error = await reading.then(
      () => undefined,
      (reason: AgentMemoryError) => reason,
    )
    assert.equal(error?.code, 'STORE_CORRUPT')
    assert.ok(Buffer.concat(taken).length < OLD.length)
    outcomes.push(error.message)
  }
  assert.ok(outcomes.some(message => /checksum/.test(message)))
  assert.ok(outcomes.some(message => /Chunk 3 of the 31/.test(message)))
})

test('64 puts of one key at once leave one of them, whole, and nothing else', async () => {
  const { memory, blobs } = await withOld()
  const all = Array.from({ length: 64 }, (_, index) => bytesOf((index % 5) * CHUNK + index, index + 10))

  const results = await Promise.all(all.map(bytes => blobs.put('k', bytes)))

  const last = results.reduce((a, b) => (a.lsn > b.lsn ? a : b))
  assert.equal(told(await read(blobs, 'k')), told(all[results.indexOf(last)]))
  await nothingLeftBehind(memory)
})

test('64 puts of 64 keys at once, with deletes and maps between them, all arrive', async () => {
  const { memory, blobs } = await withOld()
  const map = memory.map<number, string>('files')
  const all = Array.from({ length: 64 }, (_, index) => bytesOf((index % 7) * CHUNK + index, index + 10))

  await Promise.all([
    ...all.map((bytes, index) => blobs.put(`k${index}`, pieces(bytes))),
    ...all.map((_, index) => map.set(`k${index}`, index)),
    ...all.map((_, index) => blobs.delete(`absent${index}`)),
    blobs.delete('k'),
  ])

  for (const [index, bytes] of all.entries()) assert.equal(told(await read(blobs, `k${index}`)), told(bytes))
  assert.equal(await blobs.has('k'), false)
  await nothingLeftBehind(memory)
})

test('a source that fails fails the put with its own error, and leaves what was there', async () => {
  const failure = new Error('the source failed')
  const sources: [string, () => BlobSource, object | RegExp][] = [
    ['at once', () => failing(0, failure), failure],
    ['in the first chunk', () => failing(1, failure), failure],
    ['behind 15 chunks', () => failing(15 * 6, failure), failure],
    ['behind 100 chunks', () => failing(100 * 6, failure, bytesOf(101 * CHUNK)), failure],
    ['a destroyed Readable', () => destroyed(failure), failure],
    ['a Readable of text', () => Readable.from(['text', 'more']), { code: 'INVALID_ARGUMENT' }],
    ['a piece that is a number', () => [1, 2] as never, { code: 'INVALID_ARGUMENT' }],
    ['a piece that is an array', () => [[1, 2]] as never, { code: 'INVALID_ARGUMENT' }],
    ['text behind 15 chunks', () => [OLD.subarray(0, 15 * CHUNK), 'text'] as never, { code: 'INVALID_ARGUMENT' }],
  ]
  const { memory, blobs } = await withOld()
  for (const [name, source, expected] of sources) {
    await assert.rejects(blobs.put('k', source()), expected, name)
    assert.deepEqual(await leftBehind(memory), [], `${name}: its chunks are gone when it rejects`)
    assert.equal(told(await read(blobs, 'k')), told(OLD), name)
    await assert.rejects(blobs.put('fresh', source()), expected, name)
    assert.equal(await blobs.has('fresh'), false)
  }
})

test('a put one of whose chunks is refused is not committed', async () => {
  const { memory } = await simulated({ ...SMALL_CHUNKS, queuedBytesMax: CHUNK + 500 })
  const blobs = memory.blobs('files')

  // One chunk is in the next frame and one waits for it: there is no room for a third, and for what is small there is.
  await assert.rejects(blobs.put('k', bytesOf(3 * CHUNK + 10)), { code: 'OVERLOADED' })

  assert.equal(await blobs.has('k'), false)
  assert.deepEqual(await leftBehind(memory), [])
})

test('an abort stops a put at any moment before its commit, also one whose source hangs, and leaves nothing', async () => {
  const { memory, blobs } = await withOld()
  const reason = new Error('no longer wanted')
  const aborted = AbortSignal.abort(reason)
  let isAsked = false
  const asks = (function* () {
    isAsked = true
    yield new Uint8Array(1)
  })()
  await assert.rejects(blobs.put('k', asks, { signal: aborted }), reason)
  assert.equal(isAsked, false)

  for (const count of [0, 1, 6, 100]) {
    const controller = new AbortController()
    let isStopped = false
    const source = (async function* () {
      try {
        yield* pieces(OLD.subarray(0, count * 10_007))
        setImmediate(() => controller.abort(reason))
        await new Promise(resolve => controller.signal.addEventListener('abort', resolve))
        yield new Uint8Array(1)
      } finally {
        isStopped = true
      }
    })()
    await assert.rejects(blobs.put('k', source, { signal: controller.signal }), reason)
    assert.deepEqual(await leftBehind(memory), [])
    await turns()
    assert.equal(isStopped, true)
  }

  const controller = new AbortController()
  const hangs: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
  }
  const put = blobs.put('k', hangs, { signal: controller.signal })
  await turns()
  controller.abort(reason)
  await assert.rejects(put, reason)
  assert.equal(told(await read(blobs, 'k')), told(OLD))
  const { signal } = new AbortController()
  await blobs.put('k', NEW, { signal })
  assert.equal(told(await read(blobs, 'k')), told(NEW))
})

test('what is done to bytes after they were given, or were read, changes nothing in the memory', async () => {
  const { blobs } = await withOld()
  const given = NEW.slice()
  const put = blobs.put('k', given)
  given.fill(0)
  await put
  const piece = new Uint8Array(1000)
  await blobs.put(
    'pieces',
    (function* () {
      for (let value = 1; value <= 200; value++) yield piece.fill(value)
    })(),
  )

  const blob = (await blobs.get('k'))!
  for await (const each of blob.stream()) each.fill(0)
  ;(await blob.bytes()).fill(0)

  assert.equal(told(await blob.bytes()), told(NEW))
  const expected = Buffer.concat(Array.from({ length: 200 }, (_, index) => Buffer.alloc(1000, index + 1)))
  assert.equal(told(await read(blobs, 'pieces')), told(expected))
})

test('each wrong call rejects with a code, and changes nothing', async () => {
  const { memory, blobs } = await withOld()
  const blob = (await blobs.get('k'))!
  const { accepted } = memory.status().lsn
  const one = new Uint8Array(1)
  const calls: [string, string, () => unknown][] = [
    ['no name', 'INVALID_NAME', () => memory.blobs('')],
    ['a long name', 'KEY_TOO_LONG', () => memory.blobs('x'.repeat(990))],
    ['an expiry', 'UNKNOWN_OPTION', () => memory.blobs('other', { ttlMs: 5 } as never)],
    ['a wrong durability', 'INVALID_OPTION', () => memory.blobs('other', { durability: 'back' as never })],
    ['other options', 'OPTIONS_DIFFER', () => memory.blobs('files', { durability: 'write-back' })],
    ['text', 'INVALID_ARGUMENT', () => blobs.put('k', 'text' as never)],
    ['nothing', 'INVALID_ARGUMENT', () => blobs.put('k', undefined as never)],
    ['null', 'INVALID_ARGUMENT', () => blobs.put('k', null as never)],
    ['an ArrayBuffer', 'INVALID_ARGUMENT', () => blobs.put('k', new ArrayBuffer(5) as never)],
    ['an object', 'INVALID_ARGUMENT', () => blobs.put('k', { length: 5 } as never)],
    ['an array of numbers', 'INVALID_ARGUMENT', () => blobs.put('k', [5] as never)],
    ['a long key', 'KEY_TOO_LONG', () => blobs.put('x'.repeat(1010), one)],
    ['a number as key', 'INVALID_KEY', () => blobs.put(5 as never, one)],
    ['an empty key', 'INVALID_KEY', () => blobs.get([])],
    ['an unknown option', 'UNKNOWN_OPTION', () => blobs.put('k', one, { ttlMs: 5 } as never)],
    ['a wrong version', 'INVALID_OPTION', () => blobs.put('k', one, { expected: '1' as never })],
    ['a signal that is none', 'INVALID_OPTION', () => blobs.put('k', one, { signal: {} as never })],
    ['no options', 'INVALID_OPTION', () => blobs.put('k', one, null as never)],
    ['an option of a delete', 'UNKNOWN_OPTION', () => blobs.delete('k', { signal: 1 } as never)],
    ['a wrong start', 'INVALID_OPTION', () => blob.bytes({ start: -1 })],
    ['an end before the start', 'INVALID_OPTION', () => blob.bytes({ start: 5, end: 4 })],
    ['a start of a stream', 'INVALID_OPTION', () => blob.stream({ start: 1.5 })],
    ['a limit of a stream', 'UNKNOWN_OPTION', () => blob.stream({ bytesMax: 5 } as never)],
    ['a limit', 'INVALID_OPTION', () => blob.bytes({ bytesMax: -1 })],
    ['a page of nothing', 'INVALID_OPTION', () => blobs.list({ pageSize: 0 }).next()],
  ]
  for (const [what, code, call] of calls) {
    await assert.rejects(
      async () => void (await call()),
      (error: Error & { code?: string; next?: string }) => {
        assert.equal(error.code, code, `${what}: ${error.message}`)
        assert.ok(error.next, what)
        return true
      },
      what,
    )
  }
  assert.equal(memory.status().lsn.accepted, accepted)
})

test('a memory that is closed refuses everything, and what was being put is gone at the next open', async () => {
  const { disk, memory, blobs } = await withOld()
  const blob = (await blobs.get('k'))!
  const stream = blob.stream()
  await stream.next()
  let close: Promise<unknown> | undefined
  const put = blobs.put(
    'fresh',
    (async function* () {
      yield* pieces(OLD)
      close = memory.close()
      yield* pieces(NEW)
    })(),
  )
  await assert.rejects(put, { code: 'CLOSED' })
  await close

  const drained = async () => {
    for await (const _ of stream);
  }
  await assert.rejects(drained, { code: 'CLOSED' })
  await assert.rejects(blobs.get('k'), { code: 'CLOSED' })
  await assert.rejects(blobs.delete('k'), { code: 'CLOSED' })
  await assert.rejects(blobs.list().next(), { code: 'CLOSED' })
  assert.throws(() => memory.blobs('files'), { code: 'CLOSED' })

  const reopened = await openOn(disk, SMALL_CHUNKS)
  await nothingLeftBehind(reopened)
  assert.equal(told(await read(reopened.blobs('files'), 'k')), told(OLD))
  assert.equal(await reopened.blobs('files').has('fresh'), false)
})

async function* failing(count: number, error: Error, bytes = OLD): AsyncGenerator<Uint8Array> {
  let left = count
  for (const piece of pieces(bytes)) {
    if (left-- === 0) break
    yield piece
  }
  throw error
}

function destroyed(error: Error): Readable {
  const stream = new Readable({ read() {} })
  stream.push(OLD.subarray(0, 10 * CHUNK))
  setImmediate(() => stream.destroy(error))
  return stream
}

async function generationsOf(memory: AgentMemory): Promise<string[]> {
  const lead = encodeSegments(['', 'blobs', 'files', 'chunk'])
  const found = new Set<string>()
  const range = { from: lead, to: afterPrefix(lead), reverse: false }
  for await (const page of memory.map('any').engine.scanner.pages(range, 64)) {
    for (const { key } of page) found.add(decodeSegments(key)[4]!)
  }
  return [...found]
}
