/**
 * Checks a whole log without writing: every header, frame and record, the chain between them, from the first segment to
 * the last. It goes on behind damage at the next whole frame, so that one bad place does not hide another, and says
 * which writes stood where it could not read. `verify`, `repair` and `status` stand on it.
 */
import { AgentMemoryError } from '../core/errors.js'
import type { Lsn } from '../core/lsn.js'
import { type File, readFully } from '../io/file-system.js'
import { type Candidate, type Fault, faultOf, findCandidates, findFrame } from './candidates.js'
import { type LogFolder, segmentName } from './folder.js'
import {
  BLOCK_BYTES,
  decodeFrameHeader,
  FrameType,
  frameBytes,
  type LogMark,
  SECTOR_BYTES,
  SEGMENT_HEADER_BYTES,
} from './format.js'
import { type FixedEnd, type Frame, SegmentReader, type SegmentRef } from './reader.js'
import { readRecords } from './record.js'

/** LSNs from one to another, both included; `to` is `undefined` where nobody knows how many followed. */
export interface LsnRange {
  from: Lsn
  to: Lsn | undefined
}

export interface LogProblem extends Fault {
  segment: string
  /** Byte of the file. */
  offset: number
  /** Writes that cannot be read because of it; `undefined` if it hides none. */
  lsns: LsnRange | undefined
}

/** A whole frame, and the unbroken run that it belongs to: within a run, each frame proves the one before it. */
export interface VerifiedFrame extends Frame {
  segment: string
  run: number
}

export interface LogFindings {
  segments: { name: string; bytes: number }[]
  storeId: string | undefined
  logId: string | undefined
  epoch: number
  /** Position of the first frame, and behind the last one that is whole. */
  base: number
  end: number
  /** 0 if there is no frame. */
  firstLsn: Lsn
  lastLsn: Lsn
  ceiling: Lsn
  /** The newest mark of the data store that the log knows. */
  mark: LogMark
  frames: number
  records: number
  tornBytes: number
  cleanClose: boolean
  problems: LogProblem[]
}

export interface VerifyLogOptions {
  /** Segments that end before this position are not read; their headers are. By default all are read. */
  from?: number
  /** Given each whole frame in order. Its body is valid until the callback's promise is settled. */
  onFrame?: (frame: VerifiedFrame) => void | Promise<void>
  /** Bytes of segments done, and of all. */
  onProgress?: (done: number, total: number) => void
}

export async function verifyLog(folder: LogFolder, options: VerifyLogOptions = {}): Promise<LogFindings> {
  return new LogVerifier(folder, options).run()
}

class LogVerifier {
  readonly #folder: LogFolder
  readonly #options: VerifyLogOptions
  readonly #findings: LogFindings = {
    segments: [],
    storeId: undefined,
    logId: undefined,
    epoch: 0,
    base: 0,
    end: 0,
    firstLsn: 0,
    lastLsn: 0,
    ceiling: 0,
    mark: { lsn: 0, position: 0 },
    frames: 0,
    records: 0,
    tornBytes: 0,
    cleanClose: false,
    problems: [],
  }
  #run = 0
  /** Last LSN of the frames read so far: what is missing begins behind it. `undefined` before the first. */
  #lastRead: Lsn | undefined
  /** Problems behind the last whole frame: the next one tells how far what they hide reaches. */
  #open: LogProblem[] = []
  /** How far those reach, as far as anything but a frame says it. */
  #openTo: Lsn | undefined

  constructor(folder: LogFolder, options: VerifyLogOptions) {
    this.#folder = folder
    this.#options = options
  }

  async run(): Promise<LogFindings> {
    const candidates = await findCandidates(this.#folder)
    const findings = this.#findings
    findings.segments = candidates.map(({ name, bytes }) => ({ name, bytes }))
    findings.base = findings.end = candidates.find(each => each.ref !== undefined)?.ref?.base ?? 0
    const total = candidates.reduce((sum, { bytes }) => sum + bytes, 0)
    let done = 0
    for (const [index, candidate] of candidates.entries()) {
      if (this.#examineHeader(candidate, candidates[index - 1])) {
        await this.#readSegment(candidate, candidates[index + 1])
      }
      done += candidate.bytes
      this.#options.onProgress?.(done, total)
    }
    this.#closeGap(this.#openTo)
    return findings
  }

  /** Whether the segment is of this log, so that its frames count. */
  #examineHeader(candidate: Candidate, before: Candidate | undefined): boolean {
    const { header, fault, name, sequence } = candidate
    const findings = this.#findings
    if (before !== undefined && sequence !== before.sequence + 1) {
      const [first, last] = [segmentName(before.sequence + 1), segmentName(sequence - 1)]
      const what = first === last ? `Log segment ${first} is` : `Log segments ${first} to ${last} are`
      this.#damage(name, 0, corrupt(`${what} missing before ${name}`))
    }
    if (header === undefined) {
      if (fault !== undefined) this.#damage(name, 0, fault)
      return true
    }
    if (fault !== undefined) findings.problems.push({ ...fault, segment: name, offset: 0, lsns: undefined })
    findings.storeId ??= header.storeId
    findings.logId ??= header.logId
    if (!this.#isOfLog(candidate)) {
      this.#damage(name, 0, corrupt(`Log segment ${name} belongs to another log`))
      return false
    }
    if (before?.header !== undefined && this.#isOfLog(before) && header.base < before.header.base) {
      this.#damage(name, 0, corrupt(`Log segment ${name} starts before ${before.name} does`))
    }
    findings.epoch = Math.max(findings.epoch, header.epoch)
    findings.ceiling = Math.max(findings.ceiling, header.ceiling)
    findings.lastLsn = Math.max(findings.lastLsn, header.firstLsn - 1)
    if (header.mark.lsn >= findings.mark.lsn) findings.mark = header.mark
    // The first segment may begin with a copy of an older frame, so its own word for its first LSN is only a bound.
    this.#lastRead ??= Math.min(header.firstLsn - 1, header.mark.lsn)
    if (this.#open.length > 0) this.#openTo = header.firstLsn - 1
    return true
  }

  #isOfLog({ header }: Candidate): boolean {
    return header?.storeId === this.#findings.storeId && header?.logId === this.#findings.logId
  }

  async #readSegment(candidate: Candidate, next: Candidate | undefined): Promise<void> {
    const { ref, header, path, name, sequence } = candidate
    const isFixed = next?.header !== undefined && next.sequence === sequence + 1 && this.#isOfLog(next)
    const fixedEnd = isFixed ? { position: next.header!.base, chain: next.header!.chain } : undefined
    if (ref === undefined || (fixedEnd !== undefined && fixedEnd.position <= (this.#options.from ?? -1))) return
    let file: File
    try {
      file = await this.#folder.fs.open(path, 'read')
    } catch (error) {
      this.#damage(name, 0, faultOf(error))
      return
    }
    try {
      await this.#readFrames(file, ref, header?.chain, fixedEnd, next === undefined)
    } finally {
      await file.close()
    }
  }

  async #readFrames(
    file: File,
    ref: SegmentRef,
    chain: number | undefined,
    fixedEnd: FixedEnd | undefined,
    isLast: boolean,
  ): Promise<void> {
    const endOffset = fixedEnd === undefined ? ref.fileBytes : offsetOf(ref, fixedEnd.position)
    let reader = new SegmentReader(file, ref, { position: ref.base, chain }, fixedEnd)
    for (;;) {
      const { position } = reader
      let frame: Frame
      try {
        const found = await reader.next()
        if (found.kind === 'torn' && isLast) this.#findings.tornBytes = found.bytes
        if (found.kind !== 'frame') return
        frame = found.frame
        this.#checkFrame(frame, ref, position)
      } catch (error) {
        this.#damage(ref.name, offsetOf(ref, position), faultOf(error))
        this.#openTo = await lastLsnAt(file, ref, position)
        // A frame that is whole and says something impossible has been passed; damage ends nobody knows where.
        const from = reader.position > position ? reader.position : position + BLOCK_BYTES
        const resume = await findFrame(file, ref, offsetOf(ref, from), endOffset)
        if (resume === undefined) return
        reader = new SegmentReader(file, ref, { position: resume, chain: undefined }, fixedEnd)
        continue
      }
      // Where a header is lost, nothing tells that the segment before was cut off at a frame that was copied to here.
      const isCopy = chain === undefined && position < this.#findings.end
      if (!isCopy) await this.#takeFrame(frame, ref, position)
    }
  }

  /** Throws for a frame whose checksum is right and whose content is not. */
  #checkFrame({ header, body }: Frame, ref: SegmentRef, position: number): void {
    const fault = (what: string) => {
      const message = `Log segment ${ref.name} has a frame at byte ${offsetOf(ref, position)} that was written wrong: ${what}`
      return new AgentMemoryError('LOG_CORRUPT', { message, next: 'Report it; the frame has the right checksum' })
    }
    const isCopy = position < this.#findings.end
    if (this.#findings.frames > 0 && !isCopy && header.firstLsn <= this.#lastRead!) {
      throw fault(`it starts at LSN ${header.firstLsn}, and one before it had LSN ${this.#lastRead}`)
    }
    let count = 0
    for (const { lsn } of readRecords(body)) {
      count += 1
      if (lsn < header.firstLsn || lsn > header.lastLsn) throw fault(`it has a record of LSN ${lsn}`)
    }
    if (count !== header.records) throw fault(`it has ${count} records and says ${header.records}`)
  }

  async #takeFrame(frame: Frame, ref: SegmentRef, position: number): Promise<void> {
    const { header } = frame
    const findings = this.#findings
    if (findings.frames === 0) findings.firstLsn = header.firstLsn
    this.#closeGap(Math.min(this.#openTo ?? header.firstLsn - 1, header.firstLsn - 1))
    this.#lastRead = header.lastLsn
    findings.end = position + frame.bytes
    findings.lastLsn = Math.max(findings.lastLsn, header.lastLsn)
    findings.cleanClose = header.type === FrameType.close
    findings.ceiling = Math.max(findings.ceiling, header.ceiling)
    if (header.mark.lsn >= findings.mark.lsn) findings.mark = header.mark
    findings.frames += 1
    findings.records += header.records
    await this.#options.onFrame?.({ ...frame, segment: ref.name, run: this.#run })
  }

  #damage(segment: string, offset: number, fault: Fault): void {
    const problem = { ...fault, segment, offset, lsns: undefined }
    this.#findings.problems.push(problem)
    this.#findings.cleanClose = false
    this.#open.push(problem)
    this.#openTo = undefined
    this.#run += 1
  }

  /** Tells the open problems which writes they hide: those between the last frame before them and the next behind. */
  #closeGap(to: Lsn | undefined): void {
    const from = (this.#lastRead ?? 0) + 1
    for (const problem of this.#open) problem.lsns = to !== undefined && to < from ? undefined : { from, to }
    this.#open = []
  }
}

function offsetOf(ref: SegmentRef, position: number): number {
  return position - ref.base + SEGMENT_HEADER_BYTES
}

function corrupt(message: string): Fault {
  return { code: 'LOG_CORRUPT', message }
}

/** The last LSN of a damaged frame, if its header is whole and nothing stands behind it. */
async function lastLsnAt(file: File, ref: SegmentRef, position: number): Promise<Lsn | undefined> {
  const block = Buffer.alloc(BLOCK_BYTES)
  try {
    await readFully(file, block, offsetOf(ref, position))
    const header = decodeFrameHeader(block, 0)
    if (header === undefined || header.salt !== ref.salt || header.position !== position) return undefined
    const behind = Buffer.alloc(SECTOR_BYTES)
    await readFully(file, behind, offsetOf(ref, position + frameBytes(header.bodyBytes)))
    return behind.every(byte => byte === 0) ? header.lastLsn : undefined
  } catch {
    // It could not be read before either: that has been told.
    return undefined
  }
}
