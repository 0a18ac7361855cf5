/**
 * Generations of chunks that no manifest names, and their removal.
 *
 * I29: at every moment each generation that has a chunk is named by a manifest or by an orphan, whose change is one atomic
 * batch. An upload makes an orphan of its own generation before its first chunk. Its commit, in one batch, writes the
 * manifest and turns that orphan into the generation that the manifest named before. So whatever a crash keeps, an orphan
 * that no running upload owns says exactly what to remove, and removing it again does no harm.
 *
 * One for each engine, for all handles of it: a generation that another handle writes or reads must stay.
 */
import { randomBytes } from 'node:crypto'
import { afterPrefix, decodeSegments, type EncodedKey } from '../core/key.js'
import type { Engine } from '../engine/engine.js'
import { DELETED, type EncodedWrite } from '../engine/flush.js'
import type { Write } from '../engine/write.js'
import { LossBudget } from '../policy/loss-budget.js'
import { decode, encode } from '../values.js'
import { chunkKey, ORPHANS, orphanKey } from './blob-keys.js'
import { Slots } from './slots.js'

export interface Orphan {
  /** Name of the blobs. */
  name: string
  generation: string
  /** The generation has no chunk from this number on. It may have fewer. */
  chunks: number
}

/** Deletes in one batch. */
const BATCH_DELETES = 512
const PAGE_ORPHANS = 256
const ORPHAN_BYTES_MAX = 4096
// Chunks of all uploads that are on their way to the log at a time: 2 MiB, so that they neither fill the queue of calls
// nor crowd out of the tier what others read.
const CHUNKS_IN_FLIGHT = 8

/** Writes of our own are never acknowledged as write-back: nothing is at risk. */
export const NO_LOSS = new LossBudget({ ms: 0, writes: 0, bytes: 0 })

export class Orphans {
  readonly slots = new Slots(CHUNKS_IN_FLIGHT)
  readonly engine: Engine
  /** Orphans of uploads that are going on. */
  readonly #owned = new Set<string>()
  /** Orphans that are to be removed. */
  readonly #waiting = new Set<string>()
  /** Readers of each generation. */
  readonly #readers = new Map<string, number>()
  /** Orphans whose generation is being read, by that generation. */
  readonly #pinned = new Map<string, string>()
  #hasLooked = false
  #looking: Promise<void> | undefined
  #running: Promise<void> | undefined

  /** Starts to remove what former processes have left behind. */
  constructor(engine: Engine) {
    this.engine = engine
    const resume = () => void this.#resume()
    engine.events.on('diskFree', resume)
    engine.events.on('storeUp', resume)
    resume()
  }

  /** An id for an orphan, or a generation, that nothing else has. The caller owns it until it calls `settle`. */
  own(): string {
    const id = randomBytes(16).toString('hex')
    this.#owned.add(id)
    return id
  }

  /** What its owner had to do is done: if there is an orphan of this id, it is removed. Never rejects. */
  settle(id: string): Promise<void> {
    this.#owned.delete(id)
    this.#waiting.add(id)
    if (!this.#hasLooked) void this.#resume()
    return this.#run()
  }

  /** A generation is being read: it stays until all that have pinned it have unpinned it. */
  pin(generation: string): void {
    this.#readers.set(generation, (this.#readers.get(generation) ?? 0) + 1)
  }

  unpin(generation: string): void {
    const left = this.#readers.get(generation)! - 1
    if (left > 0) {
      this.#readers.set(generation, left)
      return
    }
    this.#readers.delete(generation)
    const id = this.#pinned.get(generation)
    if (id === undefined) return
    this.#pinned.delete(generation)
    void this.settle(id)
  }

  /** Removes what waits, one orphan after the other. What cannot be removed now waits for the next run. */
  #run(): Promise<void> {
    if (this.#running === undefined && this.#waiting.size === 0) return Promise.resolve()
    this.#running ??= this.#removeAll()
    return this.#running
  }

  async #removeAll(): Promise<void> {
    let id: string | undefined
    try {
      for (id of this.#waiting) {
        this.#waiting.delete(id)
        await this.#remove(id)
      }
    } catch {
      // No writes are taken, or the store is down, which others tell of. It waits behind the others: it may be that it
      // alone cannot be removed.
      if (id !== undefined) this.#waiting.add(id)
    }
    this.#running = undefined
  }

  async #remove(id: string): Promise<void> {
    const { reader, writer } = this.engine
    const found = await reader.get(orphanKey(id))
    if (found === undefined) return
    const { name, generation, chunks } = decode(found) as Orphan
    if (this.#readers.has(generation)) {
      this.#pinned.set(generation, id)
      return
    }
    for (let first = 0; first < chunks; first += BATCH_DELETES) {
      const count = Math.min(BATCH_DELETES, chunks - first)
      const keys = Array.from({ length: count }, (_, index) => chunkKey(name, generation, first + index))
      await writer.write(keys.map(deletion), 'write-ahead')
    }
    await writer.write([deletion(orphanKey(id))], 'write-ahead')
  }

  async #resume(): Promise<void> {
    if (!this.#hasLooked) {
      this.#looking ??= this.#look()
        // The store is down, or the memory closed: it is looked for again when there is a reason to.
        .catch(() => {})
        .finally(() => {
          this.#looking = undefined
        })
      await this.#looking
    }
    await this.#run()
  }

  /** Finds the orphans that no upload of this process owns. */
  async #look(): Promise<void> {
    const { checkpointer, flusher, keeper } = this.engine
    const lsn = flusher.durableLsn
    // What the log alone has goes to the store as it is. To look there means that what the store lacks need not be put
    // in order, which takes long when it is much, and would have to be kept up.
    await new Promise<void>((resolve, reject) => checkpointer.wait({ lsn, resolve, reject, isImpatient: true }))
    const to = afterPrefix(ORPHANS)
    for (let from = ORPHANS; ; ) {
      const range = { from, to, reverse: false, limit: PAGE_ORPHANS }
      const page = await keeper.call(store => store.page(range))
      for (const { key } of page) this.#found(key)
      if (page.length < PAGE_ORPHANS) break
      from = `${page.at(-1)!.key}\0`
    }
    this.#hasLooked = true
  }

  #found(key: EncodedKey): void {
    const [id] = decodeSegments(key.slice(ORPHANS.length))
    if (!this.#owned.has(id!)) this.#waiting.add(id!)
  }
}

export function encodeOrphan(orphan: Orphan): EncodedWrite {
  return encode(orphan, ORPHAN_BYTES_MAX)
}

function deletion(key: EncodedKey): Write {
  return { key, content: DELETED, expected: undefined, budget: NO_LOSS }
}
