/**
 * A frame in the making: records are added to a buffer that is used again for every frame, then it is sealed with its
 * header, its trailer and its padding. And back: a frame from bytes that have been read.
 */
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { invariant } from '../core/assert.js'
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import {
  alignUp,
  applyMask,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  FRAME_TRAILER_BYTES,
  type FrameHeader,
  frameBytes,
  hasFaintSector,
} from './format.js'
import { BATCH_EXTRA_BYTES, recordBytes, writeRecord } from './record.js'

const PADDING = 0xa5
// A buffer that one large frame has made large is let go again: a memory keeps at most this much for the next frame.
const KEPT_BUFFER_BYTES = 1 << 20

export class FrameBuilder {
  #buffer = Buffer.allocUnsafeSlow(64 * 1024)
  #end = FRAME_HEADER_BYTES
  #records = 0

  /** Starts a frame with room for `bodyBytes`. */
  begin(bodyBytes: number): void {
    const needed = frameBytes(bodyBytes)
    if (this.#buffer.length < needed) this.#buffer = Buffer.allocUnsafeSlow(alignUp(needed * 1.25))
    else if (this.#buffer.length > KEPT_BUFFER_BYTES && needed <= KEPT_BUFFER_BYTES) {
      this.#buffer = Buffer.allocUnsafeSlow(KEPT_BUFFER_BYTES)
    }
    this.#end = FRAME_HEADER_BYTES
    this.#records = 0
  }

  /** Adds a record and returns its offset in the body. Key and value are binary strings; no value is a delete. */
  add(key: EncodedKey, lsn: Lsn, form: number, value: string | undefined, expiresAt = 0, batch = lsn): number {
    const start = this.#end
    const end =
      start +
      recordBytes(key.length, value === undefined ? 0 : value.length, expiresAt) +
      (batch === lsn ? 0 : BATCH_EXTRA_BYTES)
    invariant(end + FRAME_TRAILER_BYTES <= this.#buffer.length, 'a frame is larger than was counted')
    this.#end = writeRecord(this.#buffer, start, key, lsn, form, value, expiresAt, batch)
    this.#records += 1
    return start - FRAME_HEADER_BYTES
  }

  /** Adds a body that was read from another segment, as it is. */
  addBody(body: Buffer, records: number): void {
    body.copy(this.#buffer, this.#end)
    this.#end += body.length
    this.#records += records
  }

  get bodyBytes(): number {
    return this.#end - FRAME_HEADER_BYTES
  }

  /** Closes the frame. The bytes are valid until the next `begin`; `chain` is the seed of the next frame. */
  seal(header: Omit<FrameHeader, 'crc' | 'mask' | 'bodyBytes' | 'records'>): { bytes: Buffer; chain: number } {
    const bodyEnd = this.#end
    const frame = this.#buffer.subarray(0, alignUp(bodyEnd + FRAME_TRAILER_BYTES))
    frame.fill(PADDING, bodyEnd + FRAME_TRAILER_BYTES)
    const body = frame.subarray(FRAME_HEADER_BYTES, bodyEnd)
    const fields = { ...header, bodyBytes: body.length, records: this.#records }
    let chain = this.#close(frame, body, { ...fields, mask: 0 })
    // A sector of zeros would look like one that was never written, and one with a single bit would if that bit flipped.
    // The seed is random, so that nobody can write a value that is zeros only once it is masked.
    while (hasFaintSector(frame)) {
      const mask = randomBytes(4).readUInt32LE() || 1
      applyMask(body, mask)
      chain = this.#close(frame, body, { ...fields, mask })
      if (hasFaintSector(frame)) applyMask(body, mask)
    }
    return { bytes: frame, chain }
  }

  #close(frame: Buffer, body: Buffer, fields: Omit<FrameHeader, 'crc'>): number {
    const headerCrc = encodeFrameHeader(frame, fields)
    const chain = crc32(body, headerCrc)
    frame.writeUInt32LE(chain, FRAME_HEADER_BYTES + body.length)
    return chain
  }
}

/** The body of a whole frame whose header has been read, unmasked; `undefined` if it fails its CRC. May change `bytes`. */
export function openFrame(bytes: Buffer, header: FrameHeader): { body: Buffer; chain: number } | undefined {
  const bodyEnd = FRAME_HEADER_BYTES + header.bodyBytes
  const body = bytes.subarray(FRAME_HEADER_BYTES, bodyEnd)
  const chain = crc32(body, header.crc)
  if (bytes.readUInt32LE(bodyEnd) !== chain) return undefined
  if (header.mask !== 0) applyMask(body, header.mask)
  return { body, chain }
}
