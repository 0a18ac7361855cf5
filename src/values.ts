/** Values between the caller and the engine: objects here, binary strings there. */
import { decodeValue, encodeValue } from './codec/codec.js'
import { NEVER } from './codec/extras.js'
import { CODEC, COMPRESSION, formOf } from './codec/form.js'
import { decodeText, encodeText } from './codec/text.js'
import type { EncodedWrite } from './engine/flush.js'

const PLAIN_FORM = formOf(CODEC.messagePack, COMPRESSION.none, 0)

// Decoding reads from this buffer. It stays, since msgpackr makes a view of every buffer that it reads from.
let scratch = Buffer.allocUnsafeSlow(64 * 1024)
const SCRATCH_KEPT_BYTES = 1 << 20

/** Encodes a value that expires at a moment, or never. What is done to the object afterwards changes nothing in the memory. */
export function encode(value: unknown, limitBytes: number, expiresAt = NEVER): EncodedWrite {
  const text = typeof value === 'string' ? encodeText(value) : undefined
  if (text !== undefined && text.length <= limitBytes) return { form: PLAIN_FORM, value: text, expiresAt }
  const bytes = encodeValue(value, limitBytes)
  return { form: PLAIN_FORM, value: bytes.latin1Slice(0, bytes.length), expiresAt }
}

/** Decodes a value into a fresh object, which the caller may change. */
export function decode({ value }: { value: string }): unknown {
  const text = decodeText(value)
  if (text !== undefined) return text
  const buffer = value.length <= scratch.length ? scratch : Buffer.allocUnsafeSlow(value.length)
  if (buffer !== scratch && buffer.length <= SCRATCH_KEPT_BYTES) scratch = buffer
  buffer.latin1Write(value, 0)
  return decodeValue(buffer, 0, value.length)
}
