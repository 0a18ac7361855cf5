/**
 * Values to bytes and back: lossless or refused, never changed.
 *
 * The bytes are MessagePack, written by msgpackr. What MessagePack cannot say is replaced by specials before
 * (`prepare.ts`) and made again after (`special.ts`); such values are marked by a first byte that MessagePack never
 * uses. Every value stands for itself: no table of structures is shared between values. docs/formats/stored-value.md
 * draws the bytes, docs/decisions/0002-codec.md says why.
 */
import { Packr, RESET_BUFFER_MODE } from 'msgpackr'
import { Preparation } from './prepare.js'
import { Refusal, refusalError, tooLargeError, undecodable } from './refusal.js'
import { BlobReader, restoreSpecials } from './special.js'

/** The first byte of a value with specials: the one byte that MessagePack never uses. */
const SPECIALS_MARK = 0xc1
/** The mark, and the length of the tree. */
const SPECIALS_HEADER_BYTES = 5

/** msgpackr packs into this much and grows it as needed. */
const BUFFER_BYTES = 64 * 1024
/** A buffer that grew past this is let go of, or one large value would hold its memory for good. */
const BUFFER_BYTES_KEPT = 1024 * 1024

const packr = new Packr({
  // Records are tables of structures: larger and slower for a value by itself, and their reader is made by eval.
  useRecords: false,
  // Without it, an object with more than 65,535 keys cannot be packed.
  variableMapSize: true,
  useToJSON: false,
  // Off, so that bytes cannot describe something with cycles.
  structuredClone: false,
})
packr.useBuffer(Buffer.allocUnsafeSlow(BUFFER_BYTES))

/**
 * The bytes of a value. They are valid until the next call: the caller copies them at once.
 *
 * The value is neither changed nor kept. An accessor property is read as what it gives, and may be read twice.
 *
 * @throws WrongCallError VALUE_UNSUPPORTED or VALUE_CYCLIC, with the path to what cannot be stored
 * @throws AgentMemoryError VALUE_TOO_LARGE for more than `limitBytes`
 */
export function encodeValue(value: unknown, limitBytes: number): Buffer {
  const preparation = new Preparation(limitBytes)
  const tree = prepare(value, preparation)
  let bytes = packr.pack(tree, RESET_BUFFER_MODE)
  if (bytes.buffer.byteLength > BUFFER_BYTES_KEPT) packr.useBuffer(Buffer.allocUnsafeSlow(BUFFER_BYTES))
  if (preparation.hasSpecials) bytes = withBlobs(bytes, preparation)
  if (bytes.length > limitBytes) throw tooLargeError(bytes.length, limitBytes, true)
  return bytes
}

/**
 * The value that `bytes` hold from `start` to `end`. It is fresh: it shares no memory with `bytes`.
 *
 * @throws AgentMemoryError STORE_CORRUPT if the bytes are no value
 */
export function decodeValue(bytes: Buffer, start: number, end: number): unknown {
  try {
    // An `end` of 0 would mean the end of the buffer to msgpackr.
    if (!(0 <= start && start < end && end <= bytes.length)) throw new Error(`no bytes from ${start} to ${end}`)
    if (bytes[start] !== SPECIALS_MARK) return packr.unpack(bytes, { start, end }) as unknown
    return decodeSpecials(bytes, start, end)
  } catch (cause) {
    throw undecodable(cause)
  }
}

function prepare(value: unknown, preparation: Preparation): unknown {
  try {
    if (value === undefined) throw new Refusal('undefined', 'Use delete to remove an entry, or store null')
    return preparation.prepare(value, 0)
  } catch (error) {
    throw error instanceof Refusal ? refusalError(error) : error
  }
}

function withBlobs(tree: Buffer, { blobs, blobBytes }: Preparation): Buffer {
  const bytes = Buffer.allocUnsafe(SPECIALS_HEADER_BYTES + tree.length + blobBytes)
  bytes[0] = SPECIALS_MARK
  bytes.writeUInt32LE(tree.length, 1)
  bytes.set(tree, SPECIALS_HEADER_BYTES)
  let position = SPECIALS_HEADER_BYTES + tree.length
  for (const blob of blobs) {
    bytes.set(blob, position)
    position += blob.length
  }
  return bytes
}

function decodeSpecials(bytes: Buffer, start: number, end: number): unknown {
  const treeStart = start + SPECIALS_HEADER_BYTES
  const treeEnd = treeStart + bytes.readUInt32LE(start + 1)
  if (treeEnd > end) throw new Error(`a tree up to ${treeEnd} does not fit before ${end}`)
  const blobs = new BlobReader(bytes, treeEnd, end)
  const value = restoreSpecials(packr.unpack(bytes, { start: treeStart, end: treeEnd }), blobs)
  if (!blobs.isAtEnd) throw new Error('bytes are left over behind the value')
  return value
}
