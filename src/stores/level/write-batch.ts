/**
 * The bytes of one of LevelDB's batches, as its log has them: a sequence number (8 bytes), a count (4), and so many
 * operations: `1 key value` for a put, `0 key` for a delete; key and value each behind their length, a varint.
 */
const HEADER_BYTES = 12
const DELETE = 0
const PUT = 1

export interface BatchOperation {
  key: Buffer
  /** `undefined` for a delete. */
  value: Buffer | undefined
}

/** The operations of a batch, in order. Throws for bytes that are none. */
export function* operationsOf(batch: Buffer): Generator<BatchOperation> {
  const reader = new Reader(batch, HEADER_BYTES)
  for (let left = batch.readUInt32LE(8); left > 0; left--) {
    const kind = reader.byte()
    if (kind !== PUT && kind !== DELETE) throw new Error(`a batch of LevelDB has an operation of kind ${kind}`)
    const key = reader.bytes()
    yield { key, value: kind === PUT ? reader.bytes() : undefined }
  }
}

class Reader {
  readonly #buffer: Buffer
  #at: number

  constructor(buffer: Buffer, at: number) {
    this.#buffer = buffer
    this.#at = at
  }

  byte(): number {
    return this.#buffer.readUInt8(this.#at++)
  }

  bytes(): Buffer {
    let length = 0
    for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
      byte = this.byte()
      length += (byte & 0x7f) * 2 ** shift
    }
    const end = this.#at + length
    if (end > this.#buffer.length) throw new Error(`a batch of LevelDB ends within an operation`)
    const bytes = this.#buffer.subarray(this.#at, end)
    this.#at = end
    return bytes
  }
}
