/**
 * The least that a durable write can cost here: one block into a file of zeros, and its sync. It is what the log does,
 * on the calling thread as the log does it, and nothing else.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'

const BLOCK_BYTES = 4096
const BLOCKS = 1024

export class SyncedBlocks {
  readonly #fd: number
  readonly #block = Buffer.alloc(BLOCK_BYTES, 'a block ')
  #next = 0

  constructor(path: string) {
    this.#fd = openSync(path, 'wx')
    const zeros = Buffer.alloc(BLOCKS * BLOCK_BYTES)
    for (let done = 0; done < zeros.length; ) done += writeSync(this.#fd, zeros, done, zeros.length - done, done)
    fsyncSync(this.#fd)
  }

  /** Writes and syncs one block. */
  write(): void {
    writeSync(this.#fd, this.#block, 0, BLOCK_BYTES, this.#next * BLOCK_BYTES)
    fdatasyncSync(this.#fd)
    this.#next = (this.#next + 1) % BLOCKS
  }

  close(): void {
    closeSync(this.#fd)
  }
}
