/**
 * The chunks of one put, on their way into the memory. All but the last go there as they fill up; the last one is handed
 * to whoever commits. What fits one chunk leaves nothing behind if it is not committed, since nothing was written.
 */
import { createHash } from 'node:crypto'
import { BYTES_HEAD_BYTES, writeBytesHead } from '../codec/bytes.js'
import { NEVER } from '../codec/extras.js'
import { PLAIN_FORM } from '../codec/form.js'
import { UnsettledWriteError } from '../core/errors.js'
import type { Engine } from '../engine/engine.js'
import { failedError } from '../engine/failures.js'
import type { EncodedWrite } from '../engine/flush.js'
import { chunkKey, orphanKey } from './blob-keys.js'
import { encodeOrphan, NO_LOSS, type Orphans } from './orphans.js'

/**
 * Bytes of a chunk, if frames are not smaller. A GiB in and out, measured, with 2 MiB on their way at a time: 176 MiB of
 * RSS at 64 KiB, 148 at 256 KiB, 144 at 512 KiB, and 177 at 1 MiB, of which V8 is slow to give back what it frees.
 */
const CHUNK_BYTES = 256 * 1024
/** The buffer of a chunk begins with so much, and grows: most blobs are small. */
const BUFFER_BYTES_MIN = 4 * 1024
/** What goes into a frame with the last chunk at most: its key, a manifest, and an orphan. */
const FRAME_RESERVE_BYTES = 8 * 1024

/** Chunks that the first orphan of an upload speaks of; it is written again for twice as many when they are used up. */
const ORPHAN_CHUNKS_MIN = 32

export class Upload {
  /** The generation of the chunks, and the id of the orphan that speaks of them until they are committed. */
  readonly generation: string
  readonly chunkBytes: number
  readonly #name: string
  readonly #engine: Engine
  readonly #orphans: Orphans
  readonly #hash = createHash('sha256')
  #buffer: Buffer = Buffer.alloc(0)
  /** Bytes of the chunk that is being filled. */
  #filled = 0
  #written = 0
  /** How many chunks the orphan speaks of; 0 if there is none. */
  #orphanChunks = 0
  readonly #flying = new Set<Promise<void>>()
  #failure: { error: unknown } | undefined

  constructor(name: string, engine: Engine, orphans: Orphans) {
    this.#name = name
    this.#engine = engine
    this.#orphans = orphans
    this.generation = orphans.own()
    this.chunkBytes = Math.min(CHUNK_BYTES, engine.config.frameBytesMax - FRAME_RESERVE_BYTES)
  }

  /** Whether something was written that has to be removed if it is not committed. */
  get hasOrphan(): boolean {
    return this.#orphanChunks > 0
  }

  get size(): number {
    return this.#written * this.chunkBytes + this.#filled
  }

  /** Takes a copy of a piece. Waits while too much is on its way. */
  async add(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      // A full chunk waits for what comes behind it: it may be the last.
      if (this.#filled === this.chunkBytes) await this.#writeChunk()
      const part = piece.subarray(at, at + this.chunkBytes - this.#filled)
      this.#makeRoom(this.#filled + part.length)
      this.#buffer.set(part, BYTES_HEAD_BYTES + this.#filled)
      this.#filled += part.length
      at += part.length
    }
  }

  /** Resolves once all chunks that were written are in the log: with the last one, if there is one, and the checksum. */
  async finish(): Promise<{ last: EncodedWrite | undefined; index: number; checksum: string }> {
    const last = this.#filled > 0 ? this.#takeChunk() : undefined
    await this.landed()
    if (this.#failure !== undefined) throw this.#failure.error
    return { last, index: this.#written, checksum: this.#hash.digest('hex') }
  }

  /** Resolves once nothing is on its way any more. Never rejects. */
  async landed(): Promise<void> {
    await Promise.all(this.#flying)
  }

  #makeRoom(bytes: number): void {
    if (this.#buffer.length >= BYTES_HEAD_BYTES + bytes) return
    const grown = Math.min(this.chunkBytes, Math.max(bytes, BUFFER_BYTES_MIN, this.#filled * 2))
    const buffer = Buffer.allocUnsafeSlow(BYTES_HEAD_BYTES + grown)
    this.#buffer.copy(buffer)
    this.#buffer = buffer
  }

  async #writeChunk(): Promise<void> {
    if (this.#written === this.#orphanChunks) await this.#writeOrphan()
    await this.#orphans.slots.take()
    if (this.#failure !== undefined) {
      this.#orphans.slots.give()
      throw this.#failure.error
    }
    const key = chunkKey(this.#name, this.generation, this.#written)
    this.#written += 1
    const flight = this.#write(key, this.#takeChunk()).finally(() => this.#flying.delete(flight))
    this.#flying.add(flight)
    this.#filled = 0
  }

  async #write(key: string, chunk: EncodedWrite): Promise<void> {
    try {
      await this.#engine.writer.writeOne(key, chunk, 'write-ahead', NO_LOSS)
      // The log has it: nobody reads it before the commit, and others need the room.
      this.#engine.tier.letGo(key)
    } catch (error) {
      this.#failure ??= { error: asRefusal(error) }
    } finally {
      this.#orphans.slots.give()
    }
  }

  /** Before the first chunk that it speaks of: a crash may keep either of them alone only in this order. */
  async #writeOrphan(): Promise<void> {
    const chunks = Math.max(ORPHAN_CHUNKS_MIN, this.#orphanChunks * 2)
    const orphan = encodeOrphan({ name: this.#name, generation: this.generation, chunks })
    // From here on it may be there, whatever the answer is.
    this.#orphanChunks = chunks
    try {
      await this.#engine.writer.writeOne(orphanKey(this.generation), orphan, 'write-ahead', NO_LOSS)
    } catch (error) {
      throw asRefusal(error)
    }
  }

  #takeChunk(): EncodedWrite {
    const bytes = this.#buffer.subarray(0, BYTES_HEAD_BYTES + this.#filled)
    writeBytesHead(bytes, this.#filled)
    this.#hash.update(bytes.subarray(BYTES_HEAD_BYTES))
    return { form: PLAIN_FORM, value: bytes.latin1Slice(), expiresAt: NEVER }
  }
}

/** That a chunk is in doubt says nothing of the blob: it was not committed. */
function asRefusal(error: unknown): unknown {
  return error instanceof UnsettledWriteError ? failedError(error.cause) : error
}
