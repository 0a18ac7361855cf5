/**
 * Bytes that are a value by themselves, such as a part of a blob. Their MessagePack is the bytes behind a head that says
 * how many they are: so neither way needs the packer, nor a copy of its own.
 */
import { AgentMemoryError } from '../core/errors.js'

const BIN_32 = 0xc6

/** Bytes of the head. */
export const BYTES_HEAD_BYTES = 5

/** Writes the head of so many bytes at the start of a buffer. */
export function writeBytesHead(buffer: Buffer, length: number): void {
  buffer[0] = BIN_32
  buffer.writeUInt32BE(length, 1)
}

/**
 * The bytes that a MessagePack holds, as a view of it.
 *
 * @throws AgentMemoryError STORE_CORRUPT if it holds anything but `length` bytes
 */
export function decodeBytes(encoded: Buffer, length: number): Buffer {
  const bytes = encoded.subarray(BYTES_HEAD_BYTES)
  if (encoded[0] === BIN_32 && encoded.readUInt32BE(1) === length && bytes.length === length) return bytes
  throw new AgentMemoryError('STORE_CORRUPT', {
    message: `A value of ${encoded.length} bytes is not the ${length} bytes that were written`,
    next: 'Run "npx holdfast verify" to learn what else is damaged, and restore the value from a backup',
  })
}
