/** Values between the caller and the engine: objects here, binary strings there. */
import { CODEC_MSGPACK, decodeValue, encodeValue } from './codec/codec.js'
import { NEVER } from './codec/extras.js'
import { decodeText, encodeText } from './codec/text.js'
import type { EncodedWrite } from './engine/flush.js'

// Decoding reads from this buffer. It stays, since msgpackr makes a view of every buffer that it reads from.
let scratch = Buffer.allocUnsafeSlow(64 * 1024)
const SCRATCH_KEPT_BYTES = 1 << 20

/** A write of a value, and no delete. */
export type EncodedValue = EncodedWrite & { value: string }

/** Encodes a value that expires at a moment, or never. What is done to the object afterwards changes nothing in the memory. */
export function encode(value: unknown, limitBytes: number, expiresAt = NEVER): EncodedValue {
  const text = typeof value === 'string' ? encodeText(value) : undefined
  if (text !== undefined && text.length <= limitBytes) return { codec: CODEC_MSGPACK, value: text, expiresAt }
  const bytes = encodeValue(value, limitBytes)
  return { codec: CODEC_MSGPACK, value: bytes.latin1Slice(0, bytes.length), expiresAt }
}

/** Decodes a value into a fresh object, which the caller may change. */
export function decode({ codec, value }: { codec: number; value: string }): unknown {
  const text = codec === CODEC_MSGPACK ? decodeText(value) : undefined
  if (text !== undefined) return text
  const buffer = value.length <= scratch.length ? scratch : Buffer.allocUnsafeSlow(value.length)
  if (buffer !== scratch && buffer.length <= SCRATCH_KEPT_BYTES) scratch = buffer
  buffer.latin1Write(value, 0)
  return decodeValue(buffer, 0, value.length, codec)
}
