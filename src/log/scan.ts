/**
 * Reads a whole log that nobody is writing: its headers, then every frame from a position on. It changes nothing, so
 * recovery, `verify` and `repair` all stand on it.
 */
import { AgentMemoryError } from '../core/errors.js'
import type { Lsn } from '../core/lsn.js'
import type { File } from '../io/file-system.js'
import type { LogFolder } from './folder.js'
import { FrameType, type LogMark, type SegmentHeader } from './format.js'
import { type Frame, readFrame, SegmentReader, type SegmentRef } from './reader.js'

export interface ScannedSegment extends SegmentRef {
  file: File
  header: SegmentHeader
}

/** The last frame of a log, kept: it may not be on stable storage yet. */
export interface LastFrame {
  header: Frame['header']
  body: Buffer
}

/** What a log was found to hold. */
export interface LogScan {
  segments: ScannedSegment[]
  /** Where the frames end, the last one not counted, and the chain value there. */
  safeEnd: { position: number; chain: number }
  last: LastFrame | undefined
  end: number
  lastLsn: Lsn
  ceiling: Lsn
  mark: LogMark
  epoch: number
  tornBytes: number
  /** The last frame says that the log was closed, so nothing can have been torn off. */
  cleanClose: boolean
  frames: number
  records: number
}

/** Opens the segments and checks that their headers belong together. The caller closes the files. */
export async function openSegments(folder: LogFolder): Promise<ScannedSegment[]> {
  const opened: ScannedSegment[] = []
  try {
    for (const { name, path } of await folder.segments()) {
      const file = await folder.fs.open(path, 'write')
      const segment = { name, path, file } as ScannedSegment
      opened.push(segment)
      segment.header = await folder.readHeader(file, name)
      segment.base = segment.header.base
      segment.salt = segment.header.salt
      segment.fileBytes = segment.header.fileBytes
    }
    opened.reduce((before, segment) => {
      checkNeighbours(before, segment)
      return segment
    }, opened[0]!)
    return opened
  } catch (error) {
    await closeSegments(opened)
    throw error
  }
}

export async function closeSegments(segments: readonly ScannedSegment[]): Promise<void> {
  await Promise.allSettled(segments.map(segment => segment.file.close()))
}

/** Reads all frames of the segments that reach past `from`, and hands those at or behind `from` to `onFrame`. */
export async function scanSegments(
  segments: ScannedSegment[],
  from: number,
  onFrame: (frame: Frame) => void,
): Promise<LogScan> {
  const first = segments[0]!
  const scan: LogScan = {
    segments,
    safeEnd: { position: first.base, chain: first.header.chain },
    last: undefined,
    end: first.base,
    lastLsn: 0,
    ceiling: 0,
    mark: { lsn: 0, position: 0 },
    epoch: 0,
    tornBytes: 0,
    cleanClose: false,
    frames: 0,
    records: 0,
  }
  for (const [index, segment] of segments.entries()) {
    noteHeader(scan, segment)
    const next = segments[index + 1]
    if (next !== undefined && next.base <= from) continue
    await scanSegment(scan, segment, next, from, onFrame)
  }
  return scan
}

async function scanSegment(
  scan: LogScan,
  segment: ScannedSegment,
  next: ScannedSegment | undefined,
  from: number,
  onFrame: (frame: Frame) => void,
): Promise<void> {
  const start = { position: segment.base, chain: segment.header.chain }
  const fixedEnd = next && { position: next.base, chain: next.header.chain }
  const reader = new SegmentReader(segment.file, segment, start, fixedEnd)
  scan.safeEnd = start
  scan.end = start.position
  let lastPosition: number | undefined
  for (;;) {
    const before = { position: reader.position, chain: reader.chain ?? start.chain }
    const found = await reader.next()
    if (found.kind === 'torn') scan.tornBytes = found.bytes
    if (found.kind !== 'frame') break
    lastPosition = before.position
    noteFrame(scan, found.frame, before)
    if (before.position >= from) {
      scan.frames += 1
      scan.records += found.frame.header.records
      onFrame(found.frame)
    }
  }
  // Only the last frame of all is copied. It is read a second time, so that the others need not be kept.
  if (next === undefined && lastPosition !== undefined) {
    const { header, body } = await readFrame(segment.file, segment, lastPosition)
    scan.last = { header, body }
  }
}

function noteHeader(scan: LogScan, { header }: ScannedSegment): void {
  scan.epoch = Math.max(scan.epoch, header.epoch)
  scan.ceiling = Math.max(scan.ceiling, header.ceiling)
  scan.lastLsn = Math.max(scan.lastLsn, header.firstLsn - 1)
  if (header.mark.lsn >= scan.mark.lsn) scan.mark = header.mark
}

function noteFrame(scan: LogScan, frame: Frame, before: LogScan['safeEnd']): void {
  const { header } = frame
  scan.safeEnd = before
  scan.end = before.position + frame.bytes
  scan.lastLsn = Math.max(scan.lastLsn, header.lastLsn)
  // A clean close hands its ceiling on exactly, so that it leaves no gap; any other frame's ceiling is only raised.
  scan.cleanClose = header.type === FrameType.close
  scan.ceiling = scan.cleanClose ? header.ceiling : Math.max(scan.ceiling, header.ceiling)
  if (header.mark.lsn >= scan.mark.lsn) scan.mark = header.mark
}

function checkNeighbours(before: ScannedSegment, segment: ScannedSegment): void {
  if (before === segment) return
  const wrong =
    segment.header.logId !== before.header.logId || segment.header.storeId !== before.header.storeId
      ? 'belongs to another log'
      : segment.header.sequence !== before.header.sequence + 1
        ? `does not follow ${before.name}: a segment between them is missing`
        : segment.base < before.base
          ? `starts before ${before.name} does`
          : undefined
  if (wrong === undefined) return
  throw new AgentMemoryError('LOG_CORRUPT', {
    message: `Log segment ${segment.name} ${wrong}`,
    next: 'Put the missing or right file back from a backup, or run "npx holdfast repair" to save what is intact into a copy',
  })
}
