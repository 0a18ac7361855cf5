/**
 * Frames of one segment, in order, each checked before it is handed out: header CRC, salt, position, chain, body CRC.
 * Where there is no such frame, the reader says why: the end, a torn tail, or corruption (thrown as LOG_CORRUPT).
 * The rules are those of docs/formats/log.md, "Reading".
 */
import { AgentMemoryError } from '../core/errors.js'
import type { Lsn } from '../core/lsn.js'
import { type File, readFully } from '../io/file-system.js'
import {
  BLOCK_BYTES,
  decodeFrameHeader,
  type FrameHeader,
  frameBytes,
  isFrameHeaderOf,
  SECTOR_BYTES,
  SEGMENT_HEADER_BYTES,
} from './format.js'
import { openFrame } from './frame.js'

const WINDOW_BYTES = 1 << 20
const FRAME_READ_BYTES = 64 << 10
const ZEROS = Buffer.alloc(WINDOW_BYTES)

/** A frame that has been checked. `body` is valid until the next frame is read. */
export interface Frame {
  header: FrameHeader
  body: Buffer
  /** Bytes on disk, padding included. */
  bytes: number
  chain: number
}

/** What stands at the place where a frame should start. */
export type Found = { kind: 'frame'; frame: Frame } | { kind: 'end' } | { kind: 'torn'; bytes: number }

/** What a reader must know of a segment. Plain data: it is sent to other threads. */
export interface SegmentRef {
  path: string
  name: string
  base: number
  salt: number
  fileBytes: number
}

/** Where a successor's header says that this segment's frames end. */
export interface FixedEnd {
  position: number
  chain: number
}

/** What a reader reads into. Readers that follow one another may share one. */
export interface ReadBuffer {
  bytes: Buffer
}

export class SegmentReader {
  readonly #file: File
  readonly #ref: SegmentRef
  readonly #fixedEnd: FixedEnd | undefined
  readonly #readTo: number
  #position: number
  #chain: number | undefined
  #lastLsn: Lsn = 0
  #window: Buffer = Buffer.alloc(0)
  #windowStart = 0
  readonly #buffer: ReadBuffer

  /**
   * `chain` is the chain value before `position`; without it the first frame's word is taken for it. Bytes are read ahead
   * up to the position `readTo`: to the end of the file without it.
   */
  constructor(
    file: File,
    ref: SegmentRef,
    from: { position: number; chain: number | undefined },
    fixedEnd?: FixedEnd,
    readTo?: number,
    buffer: ReadBuffer = { bytes: Buffer.alloc(0) },
  ) {
    this.#file = file
    this.#ref = ref
    this.#fixedEnd = fixedEnd
    this.#position = from.position
    this.#chain = from.chain
    this.#buffer = buffer
    this.#readTo = readTo === undefined ? ref.fileBytes : readTo - ref.base + SEGMENT_HEADER_BYTES
  }

  /** Position behind the last frame that was read. */
  get position(): number {
    return this.#position
  }

  /** Chain value behind the last frame that was read. */
  get chain(): number | undefined {
    return this.#chain
  }

  async next(): Promise<Found> {
    const offset = this.#position - this.#ref.base + SEGMENT_HEADER_BYTES
    if (this.#position === this.#fixedEnd?.position) return this.#endAsFixed()
    const room = this.#ref.fileBytes - offset
    if (room < BLOCK_BYTES) return this.#endOr(0, 'the segment ends before its frames do')
    const block = await this.#bytesAt(offset, BLOCK_BYTES)
    if (block.length < BLOCK_BYTES) throw this.#corrupt(offset, 'the file is shorter than its header says')
    const header = decodeFrameHeader(block, 0)
    if (header === undefined) return this.#withoutHeader(offset, block)
    const wrong = this.#misplaced(header)
    if (wrong !== undefined) throw this.#corrupt(offset, wrong)
    const bytes = frameBytes(header.bodyBytes)
    if (bytes > room) throw this.#corrupt(offset, `a frame of ${bytes} bytes passes the end of the file`)
    const whole = await this.#bytesAt(offset, bytes)
    if (whole.length < bytes) throw this.#corrupt(offset, 'the file is shorter than its header says')
    // Looked for before the body is unmasked: the rule is about the bytes on disk.
    const opened = openFrame(whole, header)
    if (opened === undefined) return this.#withBadBody(offset, whole)
    this.#position += bytes
    this.#chain = opened.chain
    this.#lastLsn = header.lastLsn
    return { kind: 'frame', frame: { header, body: opened.body, bytes, chain: opened.chain } }
  }

  #endAsFixed(): Found {
    if (this.#chain !== undefined && this.#chain !== this.#fixedEnd?.chain) {
      throw this.#corrupt(
        this.#position - this.#ref.base + SEGMENT_HEADER_BYTES,
        'the chain does not lead to the next segment',
      )
    }
    return { kind: 'end' }
  }

  #misplaced(header: FrameHeader): string | undefined {
    if (header.salt !== this.#ref.salt) return 'a frame of another segment stands here'
    if (header.position !== this.#position) return `a frame of position ${header.position} stands here`
    if (this.#chain !== undefined && header.chain !== this.#chain) return 'a frame does not continue the one before it'
    return undefined
  }

  async #withoutHeader(offset: number, block: Buffer): Promise<Found> {
    const isZero = block.subarray(0, SECTOR_BYTES).equals(ZEROS.subarray(0, SECTOR_BYTES))
    if (!isZero) throw this.#corrupt(offset, 'a frame header fails its checksum')
    return this.#endOr(await this.#tornBytes(offset), 'zeros stand where a frame was')
  }

  async #withBadBody(offset: number, whole: Buffer): Promise<Found> {
    let unwritten = false
    for (let at = 0; at < whole.length && !unwritten; at += SECTOR_BYTES) {
      unwritten = whole.subarray(at, at + SECTOR_BYTES).equals(ZEROS.subarray(0, SECTOR_BYTES))
    }
    // A frame that was written whole has no sector of zeros, so this one was, and was damaged afterwards.
    if (!unwritten) throw this.#corrupt(offset, 'a frame fails its checksum')
    return this.#endOr(await this.#tornBytes(offset), 'a frame fails its checksum')
  }

  #endOr(torn: number, otherwise: string): Found {
    if (this.#fixedEnd !== undefined) {
      throw this.#corrupt(this.#position - this.#ref.base + SEGMENT_HEADER_BYTES, otherwise)
    }
    return torn === 0 ? { kind: 'end' } : { kind: 'torn', bytes: torn }
  }

  /**
   * Bytes from `offset` to the last sector that is not zero. One frame is in flight at a time, so a valid frame behind
   * a bad one proves that the bad one had been synced: that is corruption.
   */
  async #tornBytes(offset: number): Promise<number> {
    let end = offset
    for (let at = offset; at < this.#ref.fileBytes; ) {
      const chunk = await this.#bytesAt(at, Math.min(WINDOW_BYTES, this.#ref.fileBytes - at))
      if (chunk.length === 0) break
      if (!chunk.equals(ZEROS.subarray(0, chunk.length))) {
        for (let block = 0; block < chunk.length; block += BLOCK_BYTES) {
          const position = at + block - SEGMENT_HEADER_BYTES + this.#ref.base
          // Not decoded: these bytes may be part of a value, and look like a header of any type.
          if (at + block !== offset && isFrameHeaderOf(chunk, block, this.#ref.salt, position)) {
            throw this.#corrupt(offset, `a frame is damaged and a later one, at byte ${at + block}, is whole`)
          }
        }
        end = at + lastNonZero(chunk)
      }
      at += chunk.length
    }
    return end - offset
  }

  /** A view of the file. It is valid until the next call. */
  async #bytesAt(offset: number, bytes: number): Promise<Buffer> {
    const start = offset - this.#windowStart
    if (start >= 0 && start + bytes <= this.#window.length) return this.#window.subarray(start, start + bytes)
    const ahead = Math.min(WINDOW_BYTES, this.#readTo - offset)
    const wanted = Math.max(bytes, Math.min(ahead, this.#ref.fileBytes - offset))
    const buffer = this.#buffer
    if (buffer.bytes.length < wanted) buffer.bytes = Buffer.allocUnsafeSlow(wanted)
    const count = await readFully(this.#file, buffer.bytes.subarray(0, wanted), offset)
    this.#window = buffer.bytes.subarray(0, count)
    this.#windowStart = offset
    return this.#window.subarray(0, Math.min(bytes, count))
  }

  #corrupt(offset: number, what: string): AgentMemoryError {
    return new AgentMemoryError('LOG_CORRUPT', {
      message: `Log segment ${this.#ref.name} is damaged at byte ${offset}: ${what}; all writes up to LSN ${this.#lastLsn} of this segment are intact`,
      next: 'Run "npx holdfast verify" on the folder, then restore it from a backup, or run "npx holdfast repair" to save what is intact into a copy',
    })
  }
}

function lastNonZero(bytes: Buffer): number {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

/** Reads and checks the one frame that starts at a position. Throws LOG_CORRUPT if it is not there. */
export async function readFrame(file: File, ref: SegmentRef, position: number): Promise<Frame> {
  // A frame of ordinary size comes with one read.
  const readTo = position + FRAME_READ_BYTES
  const reader = new SegmentReader(file, ref, { position, chain: undefined }, { position: -1, chain: 0 }, readTo)
  const found = await reader.next()
  if (found.kind === 'frame') return found.frame
  throw new AgentMemoryError('LOG_CORRUPT', {
    message: `Log segment ${ref.name} has no frame at position ${position}`,
    next: 'Run "npx holdfast verify" on the folder',
  })
}
