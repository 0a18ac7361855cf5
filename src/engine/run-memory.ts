/**
 * Memory that the runs of a checkpoint use one after another. Each run reads and makes megabytes of buffers and needs
 * none of them at its end; V8 gives buffers back only once tens of MiB of them have gathered.
 */
import type { ReadBuffer } from '../log/reader.js'

// Twice what a run takes along, since a run ends with a whole frame. What is larger gets buffers of its own.
const KEPT_BYTES = 8 << 20

export class RunMemory {
  readonly reading: ReadBuffer = { bytes: Buffer.alloc(0) }
  readonly #arena = Buffer.allocUnsafeSlow(KEPT_BYTES)
  #used = 0

  /** A run begins: what was taken for the one before it is used again. */
  reset(): void {
    this.#used = 0
    if (this.reading.bytes.length > KEPT_BYTES) this.reading.bytes = Buffer.alloc(0)
  }

  readonly take = (bytes: number): Buffer => {
    const end = this.#used + bytes
    if (end > KEPT_BYTES) return Buffer.allocUnsafe(bytes)
    const taken = this.#arena.subarray(this.#used, end)
    this.#used = end
    return taken
  }
}
