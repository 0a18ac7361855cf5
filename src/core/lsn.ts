/**
 * LSNs: the number and the version of a write, given when it is accepted. They rise and are never reused.
 *
 * A plain number holds them exactly up to 2^53 - 1. On disk they take eight bytes.
 */
export type Lsn = number

/** Before the first write. */
export const NO_LSN: Lsn = 0

/**
 * How far the LSN ceiling of a frame lies above its last LSN. Nothing above a durable ceiling is handed out, and
 * recovery starts above it, so an LSN that a caller has seen is never given to another write.
 */
export const LSN_CEILING_STEP = 1 << 24

/** Writes a number below 2^53 as eight little-endian bytes. */
export function writeUint64(buffer: Buffer, value: number, offset: number): void {
  buffer.writeUInt32LE(value % 0x1_0000_0000, offset)
  buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4)
}

/** Reads eight little-endian bytes. A number of 2^53 or more comes back inexact: callers check it with a CRC first. */
export function readUint64(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset) + buffer.readUInt32LE(offset + 4) * 0x1_0000_0000
}
