import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBelow, seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { appendFrame, diskWith, edit, frames, readLog, segmentPath, startLog } from './log-bench.js'

const SECTOR = 512
const LONG = 'long text '.repeat(900)
const WRITTEN = frames('one', 'two', LONG)
/** Header page, two frames of a block, and then the frame that is torn: 9,000 bytes in three blocks. */
const TORN_AT = 3 * 4096
const TORN_SECTORS = 24
const SEGMENT = { segmentBytesMin: 8 * 4096, segmentBytesMax: 8 * 4096 }

test('a frame that was cut off at any sector is a torn tail, and all before it is there', async () => {
  const written = Math.ceil((96 + 24 + 3 + LONG.length + 4) / SECTOR)
  for (let sectors = 0; sectors <= TORN_SECTORS; sectors++) {
    const disk = await diskWith(WRITTEN, SEGMENT)
    await edit(disk, segmentPath(1), bytes => void bytes.fill(0, TORN_AT + sectors * SECTOR))

    const { records, scan } = await readLog(disk)

    // Of the padding nothing needs to be there.
    const isWhole = sectors >= written
    assert.deepEqual(records, isWhole ? WRITTEN.flat() : WRITTEN.slice(0, 2).flat(), `${sectors} sectors`)
    assert.equal(scan.tornBytes > 0, sectors > 0 && !isWhole, `${sectors} sectors`)
  }
})

test('a frame of which any sectors are missing is a torn tail, and never a wrong record', async () => {
  const random = seededRandom(5)
  for (let round = 0; round < 200; round++) {
    const kept = Array.from({ length: TORN_SECTORS }, () => random() < 0.7)
    const lost = kept.flatMap((isKept, index) => (isKept ? [] : [index]))
    const disk = await diskWith(WRITTEN, SEGMENT)
    await edit(disk, segmentPath(1), bytes => {
      for (const index of lost) bytes.fill(0, TORN_AT + index * SECTOR, TORN_AT + (index + 1) * SECTOR)
    })

    const { records } = await readLog(disk)

    const isWhole = !lost.some(index => index < 18)
    assert.deepEqual(records, isWhole ? WRITTEN.flat() : WRITTEN.slice(0, 2).flat(), JSON.stringify(lost))
  }
})

test('zeros where a frame was, with a whole frame behind them, are damage and no torn tail', async () => {
  for (const [from, to] of [
    [0, SECTOR],
    [SECTOR, 2 * SECTOR],
    [0, 4096],
  ] as const) {
    const disk = await diskWith(frames('x'.repeat(2000), 'two'))
    await edit(disk, segmentPath(1), bytes => void bytes.fill(0, 4096 + from, 4096 + to))

    await assert.rejects(readLog(disk), { code: 'LOG_CORRUPT' }, `${from}–${to}`)
  }
})

test('the message of damage names segment, byte and the last LSN that is intact', async () => {
  const disk = await diskWith(frames('one', 'two', 'three'))
  await edit(disk, segmentPath(1), bytes => bytes.writeUInt8(bytes[8192 + 100]! ^ 1, 8192 + 100))

  await assert.rejects(readLog(disk), (error: Error) => {
    assert.match(error.message, /0000000000000001\.log/)
    assert.match(error.message, /8192/)
    assert.match(error.message, /LSN 1 /)
    return true
  })
})

test('a copy of an earlier frame behind the last one is refused', async () => {
  const disk = await diskWith(frames('one', 'two'))
  await edit(disk, segmentPath(1), bytes => void bytes.copy(bytes, 3 * 4096, 4096, 8192))

  await assert.rejects(readLog(disk), { code: 'LOG_CORRUPT' })
})

test('a stale frame behind a torn one is not taken for a later one, nor served', async () => {
  const disk = await diskWith(frames('one', 'two', LONG), SEGMENT)
  await edit(disk, segmentPath(1), bytes => {
    // The second half of the torn frame was never written; a frame of another place stands behind it.
    bytes.fill(0, TORN_AT + 4096, TORN_AT + TORN_SECTORS * SECTOR)
    bytes.copy(bytes, 6 * 4096, 4096, 8192)
  })

  const { records, scan } = await readLog(disk)

  assert.deepEqual(records, WRITTEN.slice(0, 2).flat())
  assert.ok(scan.tornBytes > 0)
})

test('a torn frame in a segment that has a successor is damage', async () => {
  const disk = await diskWith(frames('one', 'two', 'three', 'four', 'five'), {
    segmentBytesMin: 3 * 4096,
    segmentBytesMax: 3 * 4096,
  })
  await edit(disk, segmentPath(1), bytes => void bytes.fill(0, 8192))

  await assert.rejects(readLog(disk), { code: 'LOG_CORRUPT' })
})

test('what lies behind the end that a successor names is not part of the log', async () => {
  const disk = new SimulatedDisk()
  const log = await startLog(disk)
  await appendFrame(log, frames('one')[0]!)
  await log.makeRoom(0)
  await log.close()
  await edit(disk, segmentPath(1), bytes => void bytes.fill(0x5a, 8192))

  const { records } = await readLog(disk)

  assert.deepEqual(records, frames('one').flat())
})

test('a segment cut short by any number of bytes gives what it has whole, or is refused', async () => {
  const random = seededRandom(9)
  for (let round = 0; round < 100; round++) {
    const disk = await diskWith(WRITTEN, SEGMENT)
    const size = randomBelow(random, 8 * 4096)
    const file = await disk.open(segmentPath(1), 'write')
    await file.truncate(size)
    await file.close()
    try {
      const { records } = await readLog(disk)
      assert.deepEqual(records, WRITTEN.flat(), `cut to ${size} bytes`)
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'LOG_CORRUPT', `cut to ${size} bytes: ${String(error)}`)
    }
  }
})
