import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { LSN_CEILING_STEP } from '../../src/core/lsn.js'
import { LogFolder } from '../../src/log/folder.js'
import { readRecords } from '../../src/log/record.js'
import { openSegments, scanSegments } from '../../src/log/scan.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import {
  appendClose,
  appendFrame,
  CONFIG,
  diskWith,
  edit,
  FOLDER,
  frames,
  readLog,
  segmentPath,
  startLog,
} from './log-bench.js'

const SMALL = { segmentBytesMin: 3 * 4096, segmentBytesMax: 3 * 4096 }

test('frames go over as many segments as they need, in order, at positions that go on', async () => {
  const disk = new SimulatedDisk()
  const log = await startLog(disk, SMALL)
  const written = frames(...Array.from({ length: 9 }, (_, index) => `value ${index}`))
  const positions: number[] = []
  for (const records of written) {
    await log.prepareSpare()
    positions.push(await appendFrame(log, records))
  }

  assert.equal(log.segmentCount, 5)
  assert.deepEqual(
    positions,
    Array.from({ length: 9 }, (_, index) => index * 4096),
  )
  for (const [index, position] of positions.entries()) {
    const frame = await log.read(position)
    assert.deepEqual(
      [...readRecords(frame.body)].map(each => each.value?.latin1Slice()),
      [`value ${index}`],
    )
  }
  await log.close()
  assert.deepEqual((await readLog(disk)).records, written.flat())
})

test('a frame larger than a segment gets one that has room for it, and the spare stays', async () => {
  const disk = new SimulatedDisk()
  const log = await startLog(disk, SMALL)
  await log.prepareSpare()
  const written = frames('small', 'x'.repeat(100_000), 'small again')
  await appendFrame(log, written[0]!)
  await appendFrame(log, written[1]!)
  assert.ok(log.hasSpare)
  await appendFrame(log, written[2]!)

  assert.equal(log.hasSpare, false)
  assert.equal(log.segmentCount, 3)
  await log.close()
  assert.deepEqual((await readLog(disk)).records, written.flat())
})

test('without a spare a segment is made when it is needed', async () => {
  const written = frames('1', '2', '3', '4', '5')
  const disk = await diskWith(written, SMALL)

  assert.deepEqual((await readLog(disk)).records, written.flat())
})

test('a log whose middle segment is missing, or is another one, is refused', async () => {
  const written = frames('1', '2', '3', '4', '5', '6')
  const missing = await diskWith(written, SMALL)
  await missing.unlink(segmentPath(2))
  await assert.rejects(readLog(missing), { code: 'LOG_CORRUPT' })

  const swapped = await diskWith(written, SMALL)
  await swapped.unlink(segmentPath(2))
  await swapped.rename(segmentPath(3), segmentPath(2))
  await assert.rejects(readLog(swapped), { code: 'LOG_CORRUPT' })
})

test('a segment of another log among ours is refused', async () => {
  const disk = await diskWith(frames('1', '2', '3', '4'), SMALL)
  await edit(disk, segmentPath(2), bytes => reseal(bytes, copy => copy.write('33'.repeat(16), 32, 16, 'hex')))

  await assert.rejects(readLog(disk), { code: 'LOG_CORRUPT' })
})

test('one damaged copy of a segment header does no harm, two are refused', async () => {
  const disk = await diskWith(frames('1', '2'))
  await edit(disk, segmentPath(1), bytes => void bytes.fill(0xff, 0, 512))
  assert.equal((await readLog(disk)).records.length, 2)

  await edit(disk, segmentPath(1), bytes => void bytes.fill(0xff, 2048, 2560))
  await assert.rejects(readLog(disk), { code: 'LOG_CORRUPT' })
})

test('a newer format or an unknown required feature is FORMAT_TOO_NEW, a newer minor version is read', async () => {
  const disk = await diskWith(frames('1'))
  await edit(disk, segmentPath(1), bytes => reseal(bytes, copy => copy.writeUInt16LE(7, 10)))
  assert.equal((await readLog(disk)).records.length, 1)

  await edit(disk, segmentPath(1), bytes => reseal(bytes, copy => copy.writeUInt16LE(2, 8)))
  await assert.rejects(readLog(disk), { code: 'FORMAT_TOO_NEW' })

  await edit(disk, segmentPath(1), bytes => {
    reseal(bytes, copy => {
      copy.writeUInt16LE(1, 8)
      copy.writeUInt32LE(1, 12)
    })
  })
  await assert.rejects(readLog(disk), { code: 'FORMAT_TOO_NEW' })
})

test('a clean close hands on its ceiling exactly; anything else leaves room above the last LSN', async () => {
  const crashed = await readLog(await diskWith(frames('1', '2')))
  assert.ok(crashed.scan.ceiling >= 2 + LSN_CEILING_STEP)
  assert.equal(crashed.scan.cleanClose, false)

  const disk = new SimulatedDisk()
  const log = await startLog(disk)
  for (const records of frames('1', '2')) await appendFrame(log, records)
  await appendClose(log, 2)
  await log.close()
  const closed = await readLog(disk)
  assert.equal(closed.scan.ceiling, 2)
  assert.equal(closed.scan.cleanClose, true)
})

test('going on copies the last frame to a new segment, at its position, and the log is the same', async () => {
  const written = frames('1', '2', 'x'.repeat(9000))
  const disk = await diskWith(written, { segmentBytesMin: 8 * 4096, segmentBytesMax: 8 * 4096 })
  for (let epoch = 2; epoch < 6; epoch++) {
    const segments = await openSegments(new LogFolder(disk, FOLDER))
    const scan = await scanSegments(segments, 0, () => {})
    const log = await startLog(disk, { epoch, firstFreeLsn: scan.ceiling + 1 }, scan)

    assert.equal(log.end, scan.end)
    const frame = await log.read(2 * 4096)
    assert.deepEqual([...readRecords(frame.body)][0]!.lsn, 3)
    await log.close()
    const again = await readLog(disk)
    assert.deepEqual(again.records, written.flat())
    assert.equal(again.scan.epoch, epoch)
    assert.equal(again.scan.segments.length, epoch)
  }
})

test('segments behind a synced mark are removed, oldest first, and a reader that is under way is not cut off', async () => {
  const disk = new SimulatedDisk()
  const log = await startLog(disk, SMALL)
  for (const records of frames('1', '2', '3', '4', '5')) await appendFrame(log, records)
  assert.equal(log.canRelease, false)
  assert.equal(log.wouldRelease({ lsn: 4, position: 4 * 4096 }), true)
  const reading = log.read(0)
  log.builder.begin(0)
  await log.append(log.seal(2, { first: 6, last: 5 }, { lsn: 4, position: 4 * 4096 }))

  await log.release()

  assert.equal(log.segmentCount, 1)
  assert.equal((await reading).header.lastLsn, 1)
  assert.deepEqual(await disk.list(FOLDER), ['0000000000000003.log'])
  await assert.rejects(log.read(0))
  assert.equal((await log.read(4 * 4096)).header.lastLsn, 5)
})

test('leftovers of an interrupted creation are removed, and nothing else is', async () => {
  const disk = await diskWith(frames('1'))
  for (const name of ['spare', '0000000000000002.tmp', 'notes.txt', '2.log']) {
    await (await disk.open(`${FOLDER}/${name}`, 'create')).close()
  }

  await new LogFolder(disk, FOLDER).removeTemporary()

  assert.deepEqual((await disk.list(FOLDER)).sort(), ['0000000000000001.log', '2.log', 'notes.txt'])
  assert.equal((await readLog(disk)).records.length, 1)
})

test('a failed sync is final for the log', async () => {
  const disk = new SimulatedDisk()
  const log = await startLog(disk)
  await appendFrame(log, frames('1')[0]!)
  disk.faults.add({ at: { kind: 'dataSync' }, error: 'EIO' })

  await assert.rejects(appendFrame(log, frames('1', '2')[1]!), { code: 'EIO' })

  assert.equal(log.failed, true)
  await assert.rejects(appendFrame(log, frames('1', '2')[1]!), /Invariant broken/)
  assert.equal(CONFIG.firstFreeLsn, log.firstFreeLsn)
})

/** Changes both copies of a segment's header, and makes their CRCs right again. */
function reseal(bytes: Buffer, change: (copy: Buffer) => void): void {
  for (const start of [0, 2048]) {
    const copy = bytes.subarray(start, start + 128)
    change(copy)
    copy.writeUInt32LE(crc32(copy.subarray(0, 124)), 124)
  }
}
