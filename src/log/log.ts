/**
 * The write-ahead log while it is open: frames go to the active segment, one in flight; full segments stay until the
 * data store has them. docs/formats/log.md is its format and the order of its calls.
 *
 * After the first error of a write or a sync the log is `failed` for good: what the file holds is not known, and no
 * later success of the same file would prove anything. A new `Log` on a new segment goes on.
 */
import { invariant } from '../core/assert.js'
import { LSN_CEILING_STEP, type Lsn } from '../core/lsn.js'
import type { Clock } from '../io/clock.js'
import { type File, writeFully, writeFullyNow } from '../io/file-system.js'
import { Blanks } from './blanks.js'
import { type Blank, type LogFolder, randomSalt, temporaryName } from './folder.js'
import { BLOCK_BYTES, FrameType, frameBytes, type LogMark, SEGMENT_HEADER_BYTES, type SegmentHeader } from './format.js'
import { FrameBuilder } from './frame.js'
import { type Frame, readFrame, type SegmentRef } from './reader.js'
import type { LogScan } from './scan.js'

export interface LogConfig {
  clock: Clock
  storeId: string
  logId: string
  epoch: number
  /** The first LSN that may be handed out: above all that may have been handed out before. */
  firstFreeLsn: Lsn
  /** How far the data store is. Without a scan the log starts at this position. */
  mark: LogMark
  segmentBytesMin: number
  segmentBytesMax: number
}

interface Segment extends SegmentRef {
  file: File
  sequence: number
  /** Readers that have the file open; it is closed once it is released and they are gone. */
  pins: number
  released: boolean
  isClosed: boolean
}

/** A frame that is ready to be written. Its bytes are valid until the next frame is built. */
export interface SealedFrame {
  bytes: Buffer
  position: number
  chain: number
  ceiling: Lsn
  mark: LogMark
}

export class Log {
  readonly #folder: LogFolder
  readonly #config: LogConfig
  readonly #builder = new FrameBuilder()
  readonly #blanks: Blanks
  #segments: Segment[] = []
  #end: number
  #chain: number
  #ceiling: Lsn
  #lastLsn: Lsn
  /** The mark in the newest synced frame or segment header: what may be released. */
  #syncedMark: LogMark
  #failed = false
  #syncs = 0

  /**
   * Starts a new segment behind what a scan has found, and writes the last frame again into it: it may have been in
   * the page cache only. Nothing may be served before this returns.
   */
  static async start(folder: LogFolder, scan: LogScan | undefined, config: LogConfig): Promise<Log> {
    const log = new Log(folder, scan, config)
    await log.#begin(scan)
    return log
  }

  private constructor(folder: LogFolder, scan: LogScan | undefined, config: LogConfig) {
    this.#folder = folder
    this.#blanks = new Blanks(folder)
    this.#config = config
    this.#end = scan?.safeEnd.position ?? config.mark.position
    this.#chain = scan?.safeEnd.chain ?? 0
    this.#lastLsn = scan?.lastLsn ?? config.mark.lsn
    // The new segment's header makes room for LSNs: none may be handed out above a ceiling that is not durable.
    this.#ceiling = config.firstFreeLsn + LSN_CEILING_STEP
    this.#syncedMark = config.mark
    this.#segments = (scan?.segments ?? []).map(segment => ({
      ...segment,
      sequence: segment.header.sequence,
      pins: 0,
      released: false,
      isClosed: false,
    }))
  }

  /** Position behind the last frame. */
  get end(): number {
    return this.#end
  }

  /** The first LSN that this log may hand out. */
  get firstFreeLsn(): Lsn {
    return this.#config.firstFreeLsn
  }

  /** No LSN above it may be handed out before another frame is synced. */
  get ceiling(): Lsn {
    return this.#ceiling
  }

  get failed(): boolean {
    return this.#failed
  }

  get syncs(): number {
    return this.#syncs + this.#blanks.syncs
  }

  get segmentCount(): number {
    return this.#segments.length
  }

  /** Whether a spare segment waits: without one the log cannot promise room for what is accepted next. */
  get hasSpare(): boolean {
    return this.#blanks.hasSpare
  }

  /** Bytes of frames between a position and the end. */
  bytesSince(position: number): number {
    return Math.max(0, this.#end - position)
  }

  /** The frame that is being built: `begin` it, `add` records, then `seal`. */
  get builder(): FrameBuilder {
    return this.#builder
  }

  /** Whether a frame with such a body fits the active segment. */
  fits(bodyBytes: number): boolean {
    return frameBytes(bodyBytes) <= this.#room()
  }

  /**
   * Starts a new segment that has room for such a body. An error while a file of zeros is made harms nothing and is
   * thrown as DISK_FULL or IO_ERROR; any other is final, as that of a frame.
   */
  async makeRoom(bodyBytes: number): Promise<void> {
    const needed = Math.max(SEGMENT_HEADER_BYTES + frameBytes(bodyBytes), this.#config.segmentBytesMin)
    const blank = await this.#blanks.take(needed, temporaryName(this.#nextSequence()))
    try {
      await this.#become(blank, this.#headerOf(blank))
    } catch (error) {
      this.#failed = true
      throw error
    }
  }

  /** Closes the frame in the builder for the place where it will stand. */
  seal(type: FrameType, lsns: { first: Lsn; last: Lsn }, mark: LogMark): SealedFrame {
    // A clean close leaves no gap in the LSNs; everything else leaves room for those that a crash forgets.
    const ceiling = type === FrameType.close ? lsns.last : lsns.last + LSN_CEILING_STEP
    const { bytes, chain } = this.#builder.seal({
      type,
      position: this.#end,
      firstLsn: lsns.first,
      lastLsn: lsns.last,
      ceiling,
      mark,
      wallMs: this.#config.clock.wallMs(),
      chain: this.#chain,
      salt: this.#active.salt,
    })
    return { bytes, position: this.#end, chain, ceiling, mark }
  }

  /** Writes and syncs a frame through the thread pool. */
  async append(frame: SealedFrame): Promise<void> {
    this.#checkInFlight(frame)
    try {
      await writeFully(this.#active.file, frame.bytes, this.#offsetOf(frame.position))
      await this.#active.file.dataSync()
    } catch (error) {
      this.#failed = true
      throw error
    }
    this.#appended(frame)
  }

  /** Writes and syncs a frame on the calling thread. */
  appendNow(frame: SealedFrame): void {
    this.#checkInFlight(frame)
    try {
      writeFullyNow(this.#active.file, frame.bytes, this.#offsetOf(frame.position))
      this.#active.file.dataSyncNow()
    } catch (error) {
      this.#failed = true
      throw error
    }
    this.#appended(frame)
  }

  /** Reads and checks the frame at a position that has not been released. */
  async read(position: number): Promise<Frame> {
    const segment = this.#segmentAt(position)
    invariant(segment !== undefined, 'a frame is read that has been released')
    segment.pins += 1
    try {
      return await readFrame(segment.file, segment, position)
    } finally {
      segment.pins -= 1
      await closeIfFree(segment)
    }
  }

  /** The segments with the frames from a position on, for a reader on another thread. */
  refs(from: number): SegmentRef[] {
    return this.#segments
      .filter((_, index) => (this.#segments[index + 1]?.base ?? Number.POSITIVE_INFINITY) > from)
      .map(({ path, name, base, salt, fileBytes }) => ({ path, name, base, salt, fileBytes }))
  }

  /** Whether a frame with this mark would allow a segment to go that has to stay now. */
  wouldRelease(mark: LogMark): boolean {
    return mark.position > this.#syncedMark.position && this.#isBehind(mark.position)
  }

  /** Whether there is a segment that the mark of the newest synced frame allows to go. */
  get canRelease(): boolean {
    return this.#isBehind(this.#syncedMark.position)
  }

  /** Removes the segments that the data store has for sure: those behind the mark of the newest synced frame. */
  async release(): Promise<void> {
    while (this.canRelease) {
      const segment = this.#segments.shift()!
      await this.#folder.remove(segment.path)
      segment.released = true
      await closeIfFree(segment)
    }
  }

  /** Makes the spare segment if there is none. Rejects with DISK_FULL or IO_ERROR; nothing is harmed then. */
  async prepareSpare(): Promise<void> {
    if (this.#failed) return
    const doubled = Math.min(this.#config.segmentBytesMax, this.#active.fileBytes * 2)
    await this.#blanks.prepare(Math.max(doubled, this.#config.segmentBytesMin))
  }

  /** Resolves once no spare is being made. */
  idle(): Promise<void> {
    return this.#blanks.idle()
  }

  /** Lets go of the spare, so that its name is free. No frame may be written any more. */
  closeSpare(): Promise<void> {
    return this.#blanks.close()
  }

  /** Closes the files, each once its readers are gone. What is in the log stays there. */
  async close(): Promise<void> {
    await this.closeSpare()
    const segments = this.#segments
    this.#segments = []
    for (const segment of segments) segment.released = true
    await Promise.allSettled(segments.map(closeIfFree))
  }

  get #active(): Segment {
    return this.#segments[this.#segments.length - 1]!
  }

  #room(): number {
    return this.#active.fileBytes - this.#offsetOf(this.#end)
  }

  #offsetOf(position: number): number {
    return position - this.#active.base + SEGMENT_HEADER_BYTES
  }

  #segmentAt(position: number): Segment | undefined {
    // Of two segments that reach over a position, the newer one counts: recovery has copied the frame into it.
    for (let index = this.#segments.length - 1; index >= 0; index--) {
      if (this.#segments[index]!.base <= position) return this.#segments[index]
    }
    return undefined
  }

  #isBehind(position: number): boolean {
    return this.#segments.length > 1 && this.#segments[1]!.base <= position
  }

  async #begin(scan: LogScan | undefined): Promise<void> {
    const last = scan?.last
    const needed = SEGMENT_HEADER_BYTES + frameBytes(last?.body.length ?? 0) + BLOCK_BYTES
    const bytes = Math.max(this.#config.segmentBytesMin, needed)
    const blank = await this.#blanks.make(bytes, temporaryName(this.#nextSequence()))
    const header = this.#headerOf(blank)
    if (last === undefined) {
      await this.#become(blank, header)
      return
    }
    this.#builder.begin(last.body.length)
    this.#builder.addBody(last.body, last.header.records)
    // A clean close is one only as the last frame of all; writes will follow this copy.
    const type = last.header.type === FrameType.close ? FrameType.checkpoint : last.header.type
    const frame = this.#builder.seal({ ...last.header, type, chain: this.#chain, salt: header.salt })
    await this.#become(blank, header, frame.bytes)
    this.#end += frame.bytes.length
    this.#chain = frame.chain
  }

  #headerOf(blank: Blank): SegmentHeader {
    const { storeId, logId, epoch, clock } = this.#config
    return {
      storeId,
      logId,
      epoch,
      sequence: this.#nextSequence(),
      base: this.#end,
      ceiling: this.#ceiling,
      firstLsn: this.#lastLsn + 1,
      mark: this.#syncedMark,
      chain: this.#chain,
      salt: randomSalt(),
      wallMs: clock.wallMs(),
      fileBytes: blank.bytes,
    }
  }

  async #become(blank: Blank, header: SegmentHeader, firstFrame?: Buffer): Promise<void> {
    const { name, path } = await this.#folder.becomeSegment(blank, header, firstFrame)
    this.#syncs += 2
    this.#segments.push({
      name,
      path,
      file: blank.file,
      base: header.base,
      salt: header.salt,
      fileBytes: header.fileBytes,
      sequence: header.sequence,
      pins: 0,
      released: false,
      isClosed: false,
    })
  }

  #nextSequence(): number {
    return (this.#segments.at(-1)?.sequence ?? 0) + 1
  }

  #checkInFlight(frame: SealedFrame): void {
    invariant(!this.#failed, 'a frame is written to a failed log')
    invariant(frame.position === this.#end, 'two frames in flight')
  }

  #appended(frame: SealedFrame): void {
    this.#syncs += 1
    this.#end += frame.bytes.length
    this.#chain = frame.chain
    this.#ceiling = frame.ceiling
    this.#syncedMark = frame.mark
  }

  /** Tells the log up to where LSNs have been framed: the next segment's header says it. */
  noteLastLsn(lsn: Lsn): void {
    this.#lastLsn = lsn
  }
}

/** Closes a released segment once nobody reads from it: who comes last does it. */
async function closeIfFree(segment: Segment): Promise<void> {
  if (!segment.released || segment.pins > 0 || segment.isClosed) return
  segment.isClosed = true
  await segment.file.close()
}
