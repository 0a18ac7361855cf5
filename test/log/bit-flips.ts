/** Logs of a few frames whose bits are flipped, each alone: whatever is read then is right, or refused. */
import assert from 'node:assert/strict'
import { AgentMemoryError } from '../../src/core/errors.js'
import { segmentName } from '../../src/log/folder.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { BytesFileSystem } from './bytes-file-system.js'
import { appendClose, appendFrame, FOLDER, readLog, startLog, type Written } from './log-bench.js'

const RECORDS: Written[][] = [
  [{ key: 'a\0', lsn: 1, value: 'first' }],
  // Zeros over several sectors, so that this frame is masked.
  [
    { key: 'b\0', lsn: 2, value: '\0'.repeat(1500) },
    { key: 'c\0', lsn: 3, value: undefined },
  ],
  [{ key: 'a\0', lsn: 4, value: 'second' }],
]

/** What became of one flipped bit: refused, everything there, or everything there and told of. */
export type Outcome = 'refused' | 'whole' | 'whole, told as a torn tail'

// In bytes that mean something every bit is flipped; in zeros, padding and the rest of the header page one a byte.
const PLAIN_BYTES = new Set([0, 0xa5])

/** Flips the bits of the first segment of a log, and counts what becomes of them. */
export async function flipBitsOf(options: { isClosed: boolean; segmentBytes: number; segments: number }) {
  const { disk, intact } = await sample(options)
  assert.equal(disk.files.size, options.segments)
  return flipAll(disk, intact, segmentName(1))
}

async function sample(options: { isClosed: boolean; segmentBytes: number }) {
  const { isClosed, segmentBytes } = options
  const source = new SimulatedDisk()
  const log = await startLog(source, { segmentBytesMin: segmentBytes, segmentBytesMax: segmentBytes })
  for (const records of RECORDS) await appendFrame(log, records)
  if (isClosed) await appendClose(log, 4)
  await log.close()
  const disk = await BytesFileSystem.of(source, FOLDER)
  const intact = await readLog(disk)
  assert.deepEqual(intact.records, RECORDS.flat())
  return { disk, intact: JSON.stringify(intact.records) }
}

/** Flips the bits of a file, each alone, and reads the log each time. */
async function flipAll(disk: BytesFileSystem, intact: string, name: string): Promise<Map<Outcome, number>> {
  const bytes = disk.files.get(name)!
  const outcomes = new Map<Outcome, number>()
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const at = bit >>> 3
    if (PLAIN_BYTES.has(bytes[at]!) && (bit & 7) !== at % 8) continue
    bytes[at]! ^= 1 << (bit & 7)
    const outcome = await read(disk, intact, `bit ${bit & 7} of byte ${at}`)
    bytes[at]! ^= 1 << (bit & 7)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  return outcomes
}

async function read(disk: BytesFileSystem, intact: string, where: string): Promise<Outcome> {
  try {
    const { records, scan } = await readLog(disk)
    assert.equal(JSON.stringify(records), intact, where)
    return scan.tornBytes > 0 ? 'whole, told as a torn tail' : 'whole'
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    assert.ok(error instanceof AgentMemoryError, `${where}: ${String(error)}`)
    assert.ok(error.code === 'LOG_CORRUPT' || error.code === 'FORMAT_TOO_NEW', where)
    return 'refused'
  }
}
