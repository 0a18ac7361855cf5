/**
 * Values of any size: stored in chunks, streamed in and out, there whole or not at all.
 *
 * A put writes its chunks first, under a generation of its own, and commits with the manifest: one atomic batch, as
 * durable as asked. What it replaces stays readable until then, and is removed after (orphans.ts).
 */

import { invariant } from '../core/assert.js'
import { checkKeyLength, type Key } from '../core/key.js'
import type { Engine } from '../engine/engine.js'
import { DELETED, type EncodedWrite } from '../engine/flush.js'
import type { FoundValue } from '../engine/read.js'
import type { Write, WriteResult } from '../engine/write.js'
import type { MemoryMap, RangeOptions } from '../memory-map.js'
import { badOption, checkObject } from '../option-checks.js'
import { type DeleteOptions, type MapOptions, parseDeleteOptions } from '../options.js'
import { chunkKey, orphanKey } from './blob-keys.js'
import { type BlobSource, drain, startSource } from './blob-source.js'
import { checkManifest, chunkCount, type Manifest, readManifest } from './manifest.js'
import { encodeOrphan, type Orphans } from './orphans.js'
import { StoredBlob } from './stored-blob.js'
import { Upload } from './upload.js'

/** Options of {@link AgentMemory.blobs}. */
export type BlobsOptions = Pick<MapOptions, 'durability'>

/** Options of a put. */
export interface PutOptions extends DeleteOptions {
  /** Stops the put, as long as it has not been committed: it then rejects with the signal's reason and leaves nothing. */
  signal?: AbortSignal
}

/** What is known of a blob without reading it. */
export interface BlobStat {
  /** In bytes. */
  size: number
  /** SHA-256 of the whole, in hexadecimal. */
  checksum: string
  /** For compare-and-set: give it as `expected`. Compare it for equality only. */
  version: number
}

export interface BlobEntry<K extends Key = Key> extends BlobStat {
  /** A string if the key has one segment, else the array of its segments. */
  key: K
}

/** What was put, and what it has reached. */
export interface PutResult extends WriteResult {
  readonly size: number
  readonly checksum: string
}

/** A commit: a manifest, or none, in the place of the one that is there. */
interface Swap {
  key: Key
  manifest: Manifest | undefined
  /** What goes with it. */
  chunk: { index: number; content: EncodedWrite } | undefined
  /** The orphan that becomes the generation which is replaced. */
  id: string
  hasOrphan: boolean
  options: DeleteOptions
}

export class Blobs<K extends Key = Key> {
  readonly name: string
  readonly #manifests: MemoryMap<Manifest, K>
  readonly #orphans: Orphans
  readonly #engine: Engine
  readonly #checkOpen: () => void

  /** @internal Blobs come from `memory.blobs`. */
  constructor(name: string, manifests: MemoryMap<Manifest, K>, orphans: Orphans, checkOpen: () => void) {
    this.name = name
    this.#manifests = manifests
    this.#orphans = orphans
    this.#engine = orphans.engine
    this.#checkOpen = checkOpen
    // A chunk's key is longer than what leads a manifest's.
    checkKeyLength(chunkKey(name, '0'.repeat(32), 0))
  }

  /**
   * Stores a blob under a key, in the place of the one that is there. It is visible, whole, once it has been committed,
   * and the promise resolves when that is as durable as asked. Until then readers see what was there before. Whatever makes
   * it fail before, the source's own error or the signal's reason included, leaves nothing of it. Of puts of one key that
   * run at the same time, the last to be committed stays.
   *
   * @throws VERSION_CONFLICT if `expected` does not hold when it is to be committed
   */
  async put(key: K, source: BlobSource, options: PutOptions = {}): Promise<PutResult> {
    this.#checkOpen()
    const { signal, ...writeOptions } = parsePutOptions(options)
    // Wrong keys are told before anything is read.
    this.#manifests.toDelete(key, {})
    const pieces = startSource(source)
    const upload = new Upload(this.name, this.#engine, this.#orphans)
    const { generation, chunkBytes } = upload
    let isCommitted = false
    try {
      await drain(pieces, signal, async piece => {
        this.#checkOpen()
        await upload.add(piece)
      })
      const { last, index, checksum } = await upload.finish()
      // What is told to be in the store must be, to its last chunk; and that must not take as long as all of them.
      const durability = this.#manifests.durabilityOf(this.#manifests.toDelete(key, {}).key, writeOptions)
      if (durability === 'write-through' && upload.hasOrphan) await this.#engine.checkpoint()
      signal?.throwIfAborted()
      this.#checkOpen()
      const manifest: Manifest = { format: 1, size: upload.size, chunkBytes, generation, checksum }
      const result = await this.#swap({
        key,
        manifest,
        chunk: last && { index, content: last },
        id: generation,
        hasOrphan: upload.hasOrphan,
        options: writeOptions,
      })
      isCommitted = true
      return { ...result, size: manifest.size, checksum }
    } finally {
      await upload.landed()
      const removal = this.#orphans.settle(generation)
      if (!isCommitted && upload.hasOrphan) await removal
    }
  }

  /** The blob of a key, to be read; `undefined` if there is none. */
  async get(key: K): Promise<StoredBlob | undefined> {
    this.#checkOpen()
    const found = await this.#manifests.getEntry(key)
    if (found === undefined) return undefined
    return new StoredBlob(checkManifest(found.value), found.version, {
      name: this.name,
      engine: this.#engine,
      orphans: this.#orphans,
      checkOpen: this.#checkOpen,
      generationNow: async () => (await this.#manifests.get(key))?.generation,
    })
  }

  /** Size, checksum and version of a blob; `undefined` if there is none. */
  async stat(key: K): Promise<BlobStat | undefined> {
    const found = await this.#manifests.getEntry(key)
    return found && statOf(found.value, found.version)
  }

  has(key: K): Promise<boolean> {
    return this.#manifests.has(key)
  }

  /** Removes a blob. It is gone at once; its chunks are removed after. Removing one that is absent is no error. */
  async delete(key: K, options: DeleteOptions = {}): Promise<WriteResult> {
    this.#checkOpen()
    parseDeleteOptions(options)
    const id = this.#orphans.own()
    try {
      return await this.#swap({ key, manifest: undefined, chunk: undefined, id, hasOrphan: false, options })
    } finally {
      void this.#orphans.settle(id)
    }
  }

  /** The blobs of a range in the order of their keys, page by page: what {@link MemoryMap.entries} does for a map. */
  async *list(options: RangeOptions<K> = {}): AsyncGenerator<BlobEntry<K>, void, void> {
    for await (const { key, value, version } of this.#manifests.entries(options)) {
      yield { key, ...statOf(value, version) }
    }
  }

  /** The one atomic batch of a commit: see I29 in orphans.ts. */
  async #swap({ key, manifest, chunk, id, hasOrphan, options }: Swap): Promise<WriteResult> {
    const { expected } = options
    const bare = this.#manifests.toDelete(key as K, {})
    const name = this.name
    const content = manifest === undefined ? DELETED : this.#manifests.toWrite(key as K, manifest, {}).content
    let replaced: Manifest | undefined
    const commit: Write = {
      ...bare,
      expected,
      content: found => {
        replaced = found && readManifest(found)
        return content as EncodedWrite
      },
    }
    const orphan: Write = {
      ...bare,
      key: orphanKey(id),
      content: (found: FoundValue | undefined) => {
        invariant(found !== undefined || !hasOrphan, 'I29: chunks are committed that were orphaned')
        if (replaced === undefined || replaced.size === 0) return DELETED
        return encodeOrphan({ name, generation: replaced.generation, chunks: chunkCount(replaced) })
      },
    }
    const writes = [commit, orphan]
    if (chunk !== undefined) {
      writes.unshift({ ...bare, key: chunkKey(name, id, chunk.index), content: chunk.content })
    }
    const result = await this.#engine.writer.write(writes, this.#manifests.durabilityOf(bare.key, options))
    if (chunk !== undefined) this.#engine.tier.letGo(chunkKey(name, id, chunk.index))
    // Writes of a batch have LSNs that follow one another, and the manifest's, which is its version, is the last but one.
    return { lsn: result.lsn - 1, reached: result.reached, durable: () => result.durable() }
  }
}

function statOf(manifest: Manifest, version: number): BlobStat {
  const { size, checksum } = checkManifest(manifest)
  return { size, checksum, version }
}

function parsePutOptions(options: PutOptions): PutOptions {
  checkObject(options, 'put', ['durability', 'expected', 'signal'])
  const { signal, ...writeOptions } = options
  parseDeleteOptions(writeOptions)
  if (signal !== undefined && typeof signal?.throwIfAborted !== 'function') {
    throw badOption('signal', signal, 'the signal of an AbortController')
  }
  return options
}

/** Checks the options of `memory.blobs`. */
export function parseBlobsOptions(options: BlobsOptions): BlobsOptions {
  checkObject(options, 'blobs', ['durability'])
  return options
}
