/** A blob as it was when it was asked for, to be read chunk by chunk. */
import { createHash } from 'node:crypto'
import { decodeBytes } from '../codec/bytes.js'
import { AgentMemoryError } from '../core/errors.js'
import type { Engine } from '../engine/engine.js'
import { badOption, checkObject, integer } from '../option-checks.js'
import { chunkKey } from './blob-keys.js'
import { chunkCount, type Manifest } from './manifest.js'
import type { Orphans } from './orphans.js'

/** Which bytes of a blob are read. */
export interface BlobRange {
  /** First byte. @defaultValue 0 */
  start?: number
  /** The byte behind the last one, as in `slice`. @defaultValue the end */
  end?: number
}

export interface BlobBytesOptions extends BlobRange {
  /**
   * VALUE_TOO_LARGE for more bytes than these.
   *
   * @defaultValue 64 MiB
   */
  bytesMax?: number
}

export interface BlobParts {
  name: string
  engine: Engine
  orphans: Orphans
  checkOpen(): void
  /** The generation that the blob's key has now. */
  generationNow(): Promise<string | undefined>
}

const BYTES_MAX = 64 << 20
/** Chunks that are read with one call of the store: 1 MiB. */
const READ_CHUNKS = 4

export class StoredBlob {
  /** In bytes. */
  readonly size: number
  /** SHA-256 of the whole, in hexadecimal. */
  readonly checksum: string
  /** For compare-and-set: give it as `expected`. Compare it for equality only. */
  readonly version: number
  readonly #manifest: Manifest
  readonly #parts: BlobParts

  /** @internal Blobs come from `blobs.get`. */
  constructor(manifest: Manifest, version: number, parts: BlobParts) {
    this.size = manifest.size
    this.checksum = manifest.checksum
    this.version = version
    this.#manifest = manifest
    this.#parts = parts
  }

  /**
   * The bytes in pieces, each of which the caller may keep and change. A stream that has begun gives all of this blob,
   * also if it is replaced or deleted meanwhile; one that begins after that rejects BLOB_CHANGED.
   *
   * @throws STORE_CORRUPT if a piece fails its check; or if, before the last piece, the whole fails its checksum, which a
   * range cannot be checked by
   */
  stream(range: BlobRange = {}): AsyncGenerator<Uint8Array, void, void> {
    const { start, end } = this.#range(range, ['start', 'end'], 'stream')
    return this.#pieces(start, end)
  }

  /** The bytes in one piece. VALUE_TOO_LARGE for more of them than `bytesMax`; see `stream` for other errors. */
  async bytes(options: BlobBytesOptions = {}): Promise<Uint8Array> {
    const { start, end } = this.#range(options, ['start', 'end', 'bytesMax'], 'bytes')
    const bytesMax = integer(options.bytesMax, 'bytesMax', BYTES_MAX, 0)
    if (end - start > bytesMax) throw tooLarge(end - start, bytesMax)
    const bytes = new Uint8Array(end - start)
    let at = 0
    for await (const piece of this.#pieces(start, end)) {
      bytes.set(piece, at)
      at += piece.length
    }
    return bytes
  }

  #range(options: BlobRange, known: readonly string[], what: string): { start: number; end: number } {
    checkObject(options, what, known)
    const start = Math.min(integer(options.start, 'start', 0, 0), this.size)
    const end = Math.min(integer(options.end, 'end', this.size, 0), this.size)
    if (options.end !== undefined && options.end < (options.start ?? 0)) {
      throw badOption('end', options.end, `a number from ${options.start}, which is the start`)
    }
    return { start, end }
  }

  async *#pieces(start: number, end: number): AsyncGenerator<Uint8Array, void, void> {
    const { orphans, checkOpen } = this.#parts
    const { chunkBytes, generation } = this.#manifest
    const isWhole = start === 0 && end === this.size
    const hash = isWhole ? createHash('sha256') : undefined
    if (start === end) return
    orphans.pin(generation)
    try {
      const to = Math.ceil(end / chunkBytes)
      for (let first = Math.floor(start / chunkBytes); first < to; first += READ_CHUNKS) {
        checkOpen()
        const chunks = await this.#read(first, Math.min(READ_CHUNKS, to - first))
        for (const [index, chunk] of chunks.entries()) {
          const at = (first + index) * chunkBytes
          hash?.update(chunk)
          // Whoever copies it has not got all of it before it is known to be right.
          if (at + chunk.length === this.size) this.#check(hash?.digest('hex'))
          yield chunk.subarray(Math.max(0, start - at), end - at)
        }
      }
    } finally {
      orphans.unpin(generation)
    }
  }

  async #read(first: number, count: number): Promise<Buffer[]> {
    const { name, engine } = this.#parts
    const { chunkBytes, generation, size } = this.#manifest
    const keys = Array.from({ length: count }, (_, index) => chunkKey(name, generation, first + index))
    const found = await engine.reader.bytesOf(keys)
    const missing = found.indexOf(undefined)
    if (missing !== -1) throw await this.#missingError(first + missing)
    return found.map((bytes, index) => {
      return decodeBytes(bytes!, Math.min(chunkBytes, size - (first + index) * chunkBytes))
    })
  }

  #check(found: string | undefined): void {
    if (found === undefined || found === this.checksum) return
    throw new AgentMemoryError('STORE_CORRUPT', {
      message: `A blob of ${this.size} bytes has the checksum ${found}, and ${this.checksum} was written`,
      next: 'Run "npx holdfast verify" to learn what else is damaged, and put the blob again',
    })
  }

  async #missingError(index: number): Promise<AgentMemoryError> {
    const isCurrent = (await this.#parts.generationNow()) === this.#manifest.generation
    if (!isCurrent) {
      return new AgentMemoryError('BLOB_CHANGED', {
        message: 'The blob was replaced or deleted before it was read',
        next: 'Get it again, and begin to read it at once: what has begun is read to its end',
      })
    }
    return new AgentMemoryError('STORE_CORRUPT', {
      message: `Chunk ${index} of the ${chunkCount(this.#manifest)} of a blob is missing`,
      next: 'Run "npx holdfast verify" to learn what else is damaged, and put the blob again',
    })
  }
}

function tooLarge(bytes: number, bytesMax: number): AgentMemoryError {
  return new AgentMemoryError('VALUE_TOO_LARGE', {
    message: `The blob has ${bytes} bytes to read, and bytesMax is ${bytesMax}`,
    next: 'Read it as a stream or in ranges, or raise bytesMax',
  })
}
