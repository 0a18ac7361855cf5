/** Logs to be damaged, each with a fork: the same log up to some frame, gone on with differently under the same ids. */
import { crc32 } from 'node:zlib'
import { LogFolder } from '../src/log/folder.js'
import { decodeFrameHeader, FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../src/log/format.js'
import { type LogRecord, readRecords } from '../src/log/record.js'
import { closeSegments, openSegments, scanSegments } from '../src/log/scan.js'
import { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { BytesFileSystem } from '../test/log/bytes-file-system.js'
import { appendClose, appendFrame, FOLDER, startLog, type Written } from '../test/log/log-bench.js'

export interface FuzzFrame {
  file: string
  offset: number
  /** As they stand on the disk. */
  bytes: Buffer
  records: string
}

export interface FuzzLog {
  files: ReadonlyMap<string, Buffer>
  frames: FuzzFrame[]
  fork: ReadonlyMap<string, Buffer>
  forkFrames: FuzzFrame[]
}

const SEGMENT_BYTES = 4 * 4096
/** Larger than what a reader reads at a time. */
const LARGE_VALUE_BYTES = 1_300_000
const HEADER_COPIES = [0, 2048]

export async function makeFuzzLogs(): Promise<FuzzLog[]> {
  return [
    await makeLog(2),
    await makeLog(6),
    await makeLog(7, { isClosed: true }),
    await makeLog(4, { largeNumber: 2 }),
  ]
}

export function textOf({ key, lsn, value }: LogRecord): string {
  return `${key}@${lsn}=${value?.latin1Slice() ?? 'deleted'};`
}

interface LogShape {
  isClosed?: boolean
  /** Which frame is larger than others. */
  largeNumber?: number
}

async function makeLog(count: number, { isClosed, largeNumber }: LogShape = {}): Promise<FuzzLog> {
  const disk = new SimulatedDisk()
  const bytes = SEGMENT_BYTES + (largeNumber === undefined ? 0 : LARGE_VALUE_BYTES)
  const log = await startLog(disk, { segmentBytesMin: bytes, segmentBytesMax: bytes })
  for (let number = 1; number <= count; number++) {
    await appendFrame(log, recordsOf(number, number === largeNumber ? LARGE_VALUE_BYTES : number * 70))
  }
  if (isClosed) await appendClose(log, count * 10 + 1)
  await log.close()
  const { files } = await BytesFileSystem.of(disk, FOLDER)
  const frames = await framesOf(files)
  const fork = forked(files, frames, Math.floor(count / 2))
  return { files, frames, fork, forkFrames: await framesOf(fork) }
}

function recordsOf(number: number, bytes: number): Written[] {
  // Every third frame is masked, since most of its sectors would be zeros.
  const value = number % 3 === 0 ? '\0'.repeat(1200) : `value ${number} `.padEnd(bytes, 'value ')
  return [
    { key: `k${number}\0`, lsn: number * 10, value },
    { key: 'gone\0', lsn: number * 10 + 1, value: undefined },
  ]
}

async function framesOf(files: ReadonlyMap<string, Buffer>): Promise<FuzzFrame[]> {
  const fs = new BytesFileSystem()
  for (const [name, bytes] of files) fs.files.set(name, bytes)
  const segments = await openSegments(new LogFolder(fs, FOLDER))
  const frames: FuzzFrame[] = []
  await scanSegments(segments, 0, ({ header, body, bytes }) => {
    const segment = segments.findLast(({ base }) => base <= header.position)!
    const offset = header.position - segment.base + SEGMENT_HEADER_BYTES
    const onDisk = Buffer.from(files.get(segment.name)!.subarray(offset, offset + bytes))
    frames.push({ file: segment.name, offset, bytes: onDisk, records: [...readRecords(body)].map(textOf).join('') })
  })
  await closeSegments(segments)
  return frames
}

/** From frame `from` on each says something else, with checksums and a chain of its own. */
function forked(files: ReadonlyMap<string, Buffer>, frames: readonly FuzzFrame[], from: number): Map<string, Buffer> {
  const fork = new Map([...files].map(([name, bytes]) => [name, Buffer.from(bytes)]))
  let chain: number | undefined
  let file: string | undefined
  for (const { file: name, offset } of frames.slice(from)) {
    const bytes = fork.get(name)!
    if (chain !== undefined && name !== file) setChainOfSegment(bytes, chain)
    file = name
    if (chain !== undefined) bytes.writeUInt32LE(chain, offset + 72)
    const { bodyBytes } = decodeFrameHeader(files.get(name)!, offset)!
    const end = offset + FRAME_HEADER_BYTES + bodyBytes
    // Within the last record's key, which no length depends on. A clean close has no body.
    if (bodyBytes > 0) bytes[end - 2]! ^= 1
    const crcAt = offset + FRAME_HEADER_BYTES - 4
    bytes.writeUInt32LE(crc32(bytes.subarray(offset, crcAt)), crcAt)
    chain = crc32(bytes.subarray(offset + FRAME_HEADER_BYTES, end), bytes.readUInt32LE(crcAt))
    bytes.writeUInt32LE(chain, end)
  }
  return fork
}

function setChainOfSegment(bytes: Buffer, chain: number): void {
  for (const start of HEADER_COPIES) {
    bytes.writeUInt32LE(chain, start + 104)
    bytes.writeUInt32LE(crc32(bytes.subarray(start, start + 124)), start + 124)
  }
}
