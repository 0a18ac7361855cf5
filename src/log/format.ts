/**
 * The bytes of a segment's header page and of a frame's header, shared by writer and reader.
 * docs/formats/log.md draws them and says why they are as they are.
 */
import { crc32 } from 'node:zlib'
import { AgentMemoryError } from '../core/errors.js'
import { type Lsn, readUint64, writeUint64 } from '../core/lsn.js'

export const FORMAT_MAJOR = 1
export const BLOCK_BYTES = 4096
export const SECTOR_BYTES = 512
export const SEGMENT_HEADER_BYTES = BLOCK_BYTES
export const FRAME_HEADER_BYTES = 96
export const FRAME_TRAILER_BYTES = 4

const SEGMENT_MAGIC = 'HFLOGSEG'
const SEGMENT_FIELDS_BYTES = 128
const SECOND_COPY = 2048
const FRAME_MAGIC = 0x52464648 // "HFFR"

/** How far the data store was known to be, when a frame or a segment header was written. */
export interface LogMark {
  lsn: Lsn
  position: number
}

export interface SegmentHeader {
  storeId: string
  logId: string
  epoch: number
  sequence: number
  base: number
  ceiling: Lsn
  firstLsn: Lsn
  mark: LogMark
  chain: number
  salt: number
  wallMs: number
  fileBytes: number
}

export const FrameType = { writes: 1, checkpoint: 2, close: 3 } as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

export interface FrameHeader {
  type: FrameType
  bodyBytes: number
  records: number
  position: number
  firstLsn: Lsn
  lastLsn: Lsn
  ceiling: Lsn
  mark: LogMark
  wallMs: number
  chain: number
  mask: number
  salt: number
  /** Also the seed of the body's CRC. */
  crc: number
}

/** Bytes that a frame with such a body takes on disk, padding included. */
export function frameBytes(bodyBytes: number): number {
  return alignUp(FRAME_HEADER_BYTES + bodyBytes + FRAME_TRAILER_BYTES)
}

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const page = Buffer.alloc(SEGMENT_HEADER_BYTES)
  page.write(SEGMENT_MAGIC, 0, 'latin1')
  page.writeUInt16LE(FORMAT_MAJOR, 8)
  page.write(header.storeId, 16, 16, 'hex')
  page.write(header.logId, 32, 16, 'hex')
  writeUint64(page, header.epoch, 48)
  writeUint64(page, header.sequence, 56)
  writeUint64(page, header.base, 64)
  writeUint64(page, header.ceiling, 72)
  writeUint64(page, header.firstLsn, 80)
  writeUint64(page, header.mark.lsn, 88)
  writeUint64(page, header.mark.position, 96)
  page.writeUInt32LE(header.chain, 104)
  page.writeUInt32LE(header.salt, 108)
  page.writeDoubleLE(header.wallMs, 112)
  page.writeUInt32LE(header.fileBytes, 120)
  page.writeUInt32LE(crc32(page.subarray(0, 124)), 124)
  page.copy(page, SECOND_COPY, 0, SEGMENT_FIELDS_BYTES)
  return page
}

/** The header of a segment from its header page: of its two copies the first that is whole; `undefined` if none is. */
export function decodeSegmentHeader(page: Buffer, name: string): SegmentHeader | undefined {
  for (const start of [0, SECOND_COPY]) {
    const copy = page.subarray(start, start + SEGMENT_FIELDS_BYTES)
    if (copy.length < SEGMENT_FIELDS_BYTES || copy.toString('latin1', 0, 8) !== SEGMENT_MAGIC) continue
    if (copy.readUInt32LE(124) !== crc32(copy.subarray(0, 124))) continue
    refuseNewerFormat(copy, name)
    return {
      storeId: copy.toString('hex', 16, 32),
      logId: copy.toString('hex', 32, 48),
      epoch: readUint64(copy, 48),
      sequence: readUint64(copy, 56),
      base: readUint64(copy, 64),
      ceiling: readUint64(copy, 72),
      firstLsn: readUint64(copy, 80),
      mark: { lsn: readUint64(copy, 88), position: readUint64(copy, 96) },
      chain: copy.readUInt32LE(104),
      salt: copy.readUInt32LE(108),
      wallMs: copy.readDoubleLE(112),
      fileBytes: copy.readUInt32LE(120),
    }
  }
  return undefined
}

function refuseNewerFormat(copy: Buffer, name: string): void {
  const major = copy.readUInt16LE(8)
  const required = copy.readUInt32LE(12)
  if (major <= FORMAT_MAJOR && required === 0) return
  throw new AgentMemoryError('FORMAT_TOO_NEW', {
    message: `Segment ${name} has format ${major} with feature bits ${required}; this version reads format ${FORMAT_MAJOR}`,
    next: 'Open the memory with the newer version of Holdfast that wrote it',
  })
}

/** Writes a frame's header into the first bytes of `frame` and returns its CRC. */
export function encodeFrameHeader(frame: Buffer, header: Omit<FrameHeader, 'crc'>): number {
  frame.fill(0, 0, FRAME_HEADER_BYTES)
  frame.writeUInt32LE(FRAME_MAGIC, 0)
  frame.writeUInt8(header.type, 4)
  frame.writeUInt16LE(FRAME_HEADER_BYTES, 6)
  frame.writeUInt32LE(header.bodyBytes, 8)
  frame.writeUInt32LE(header.records, 12)
  writeUint64(frame, header.position, 16)
  writeUint64(frame, header.firstLsn, 24)
  writeUint64(frame, header.lastLsn, 32)
  writeUint64(frame, header.ceiling, 40)
  writeUint64(frame, header.mark.lsn, 48)
  writeUint64(frame, header.mark.position, 56)
  frame.writeDoubleLE(header.wallMs, 64)
  frame.writeUInt32LE(header.chain, 72)
  frame.writeUInt32LE(header.mask, 76)
  frame.writeUInt32LE(header.salt, 88)
  const crc = crc32(frame.subarray(0, FRAME_HEADER_BYTES - 4))
  frame.writeUInt32LE(crc, FRAME_HEADER_BYTES - 4)
  return crc
}

/** Whether the bytes at `offset` are a header, of whatever type, of this segment and place. */
export function isFrameHeaderOf(bytes: Buffer, offset: number, salt: number, position: number): boolean {
  if (offset + FRAME_HEADER_BYTES > bytes.length || bytes.readUInt32LE(offset) !== FRAME_MAGIC) return false
  const copy = bytes.subarray(offset, offset + FRAME_HEADER_BYTES)
  if (copy.readUInt32LE(FRAME_HEADER_BYTES - 4) !== crc32(copy.subarray(0, FRAME_HEADER_BYTES - 4))) return false
  return copy.readUInt32LE(88) === salt && readUint64(copy, 16) === position
}

/** The header at `offset`, if its magic and its CRC are right; `undefined` otherwise. Place and chain are not looked at. */
export function decodeFrameHeader(bytes: Buffer, offset: number): FrameHeader | undefined {
  if (offset + FRAME_HEADER_BYTES > bytes.length || bytes.readUInt32LE(offset) !== FRAME_MAGIC) return undefined
  const copy = bytes.subarray(offset, offset + FRAME_HEADER_BYTES)
  const crc = copy.readUInt32LE(FRAME_HEADER_BYTES - 4)
  if (crc !== crc32(copy.subarray(0, FRAME_HEADER_BYTES - 4))) return undefined
  const type = copy.readUInt8(4)
  if (type < FrameType.writes || type > FrameType.close || copy.readUInt16LE(6) !== FRAME_HEADER_BYTES) {
    throw new AgentMemoryError('FORMAT_TOO_NEW', {
      message: `A frame has type ${type} and a header of ${copy.readUInt16LE(6)} bytes, which this version does not know`,
      next: 'Open the memory with the newer version of Holdfast that wrote it',
    })
  }
  return {
    type: type as FrameType,
    bodyBytes: copy.readUInt32LE(8),
    records: copy.readUInt32LE(12),
    position: readUint64(copy, 16),
    firstLsn: readUint64(copy, 24),
    lastLsn: readUint64(copy, 32),
    ceiling: readUint64(copy, 40),
    mark: { lsn: readUint64(copy, 48), position: readUint64(copy, 56) },
    wallMs: copy.readDoubleLE(64),
    chain: copy.readUInt32LE(72),
    mask: copy.readUInt32LE(76),
    salt: copy.readUInt32LE(88),
    crc,
  }
}

/** XORs bytes with the xorshift32 sequence of `seed`. Doing it twice gives the bytes back. */
export function applyMask(bytes: Buffer, seed: number): void {
  let state = seed
  for (let at = 0; at < bytes.length; at++) {
    if (at % 4 === 0) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
    }
    bytes[at] ^= state >>> ((at % 4) * 8)
  }
}

/**
 * Whether any 512-byte sector of `bytes` (which starts on a sector) is all zeros, or would be with one bit flipped: of
 * such a sector a reader could not tell damage from a write that never came. A last part of a sector counts as one.
 */
export function hasFaintSector(bytes: Buffer): boolean {
  for (let start = 0; start < bytes.length; start += SECTOR_BYTES) {
    if (hasTwoBits(bytes[start]!)) continue
    const end = Math.min(start + SECTOR_BYTES, bytes.length)
    let seen = 0
    let at = start
    for (; at < end && seen < 2; at++) if (bytes[at] !== 0) seen += hasTwoBits(bytes[at]!) ? 2 : 1
    if (seen < 2) return true
  }
  return false
}

function hasTwoBits(byte: number): boolean {
  return (byte & (byte - 1)) !== 0
}
