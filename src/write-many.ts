/**
 * Many writes of one call: one atomic batch if they fit a frame, else, or if it is asked for, batches one after another,
 * each of them atomic. A batch is never there in part.
 *
 * Of batches that follow one another only one is in memory at a time, beside what it took to know that they do not fit.
 */
import { AgentMemoryError, type ErrorDetails, UnsettledWriteError, WrongCallError } from './core/errors.js'
import type { Engine } from './engine/engine.js'
import type { EncodedWrite } from './engine/flush.js'
import { bytesInBatch, type Write, type WriteResult } from './engine/write.js'
import { badOption, integer } from './option-checks.js'
import type { Durability } from './policy/durability.js'

/** How far a call with many writes has come. */
export interface BatchProgress {
  /** Entries that have been written so far, as durable as asked. */
  entries: number
  /** Batches that they were written in. */
  batches: number
}

/** Options of a call with many writes. */
export interface BatchesOptions {
  /**
   * Entries of one batch. With it the call is never one batch, but for that many entries at most; BATCH_TOO_LARGE if so
   * many do not fit a frame.
   *
   * @defaultValue all entries, if they fit a frame (`frameBytesMax`); else 100, or fewer if those do not fit one
   */
  batchSize?: number
  /** Told after each batch. What it throws stops the call, as a write that fails does. */
  onProgress?: (progress: BatchProgress) => void
}

/** What many writes have reached: the last of them, and with it all. */
export interface ManyResult extends WriteResult {
  readonly entries: number
  /** 1 if all took effect together. */
  readonly batches: number
}

/** A call with many writes has failed behind its first batch: what it has written stays. `cause` says why. */
export class IncompleteBatchError extends AgentMemoryError {
  /** Entries that have been written: the first so many of the call. */
  readonly entries: number
  readonly batches: number

  constructor(details: ErrorDetails & BatchProgress) {
    super('BATCH_INCOMPLETE', details)
    this.entries = details.entries
    this.batches = details.batches
  }
}

const BATCH_SIZE = 100

export interface ManyParts {
  engine: Engine
  /** Name of the map, for the `progress` event. */
  map: string
  durabilityOf(writes: readonly Write[]): Durability
}

/** Writes all of them. `writes` is asked for the next one only when it is needed. */
export async function writeMany(
  writes: Iterable<Write>,
  { batchSize, onProgress }: BatchesOptions,
  { engine, map, durabilityOf }: ManyParts,
): Promise<ManyResult> {
  const progress: BatchProgress = { entries: 0, batches: 0 }
  let result: WriteResult | undefined
  try {
    for (const batch of batchesOf(writes, batchSize, engine.config.frameBytesMax)) {
      result = await engine.writer.write(batch, durabilityOf(batch))
      progress.entries += batch.length
      progress.batches += 1
      engine.events.emit('progress', { map, ...progress })
      onProgress?.({ ...progress })
    }
  } catch (error) {
    throw progress.batches === 0 ? error : incomplete(progress, error)
  }
  const { lsn, reached } = result!
  return { lsn, reached, durable: () => result!.durable(), ...progress }
}

export const BATCHES_KEYS = ['batchSize', 'onProgress'] as const

/** Checks the options that a call with many writes has beside those of a write, and takes them apart. */
export function splitBatchesOptions<Options>(options: Options & BatchesOptions): [BatchesOptions, Options] {
  const { batchSize, onProgress, ...rest } = options
  integer(batchSize, 'batchSize', BATCH_SIZE, 1)
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw badOption('onProgress', onProgress, 'a function')
  }
  return [{ batchSize, onProgress }, rest as Options]
}

/** INVALID_ARGUMENT for what a loop cannot go over. */
export function checkIterable(entries: unknown, what: string): void {
  if (typeof (entries as Iterable<unknown> | undefined)?.[Symbol.iterator] === 'function') return
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `${what} was given ${entries === null ? 'null' : typeof entries} to go over`,
    next: 'Give an array, a Map, a generator or another iterable that is not asynchronous',
  })
}

/** At least one batch, which may be empty. */
function* batchesOf(writes: Iterable<Write>, batchSize: number | undefined, bytesMax: number): Generator<Write[]> {
  if (batchSize !== undefined) {
    yield* cut(writes, batchSize, Number.POSITIVE_INFINITY)
    return
  }
  const iterator = writes[Symbol.iterator]()
  try {
    const head: Write[] = []
    let bytes = 0
    while (bytes <= bytesMax) {
      const next = iterator.next()
      if (next.done === true) {
        yield head
        return
      }
      head.push(next.value)
      bytes += sizeOf(next.value)
    }
    yield* cut(chain(head, iterator), BATCH_SIZE, bytesMax)
  } finally {
    iterator.return?.()
  }
}

/** Batches of at most so many writes and bytes; each has a write, but for the only one of no writes. */
function* cut(writes: Iterable<Write>, countMax: number, bytesMax: number): Generator<Write[]> {
  let batch: Write[] = []
  let bytes = 0
  let count = 0
  const next = () => {
    const full = batch
    batch = []
    bytes = 0
    count += 1
    return full
  }
  for (const write of writes) {
    const more = sizeOf(write)
    if (batch.length > 0 && bytes + more > bytesMax) yield next()
    batch.push(write)
    bytes += more
    // Before another one is asked for, which may fail.
    if (batch.length === countMax) yield next()
  }
  if (batch.length > 0 || count === 0) yield next()
}

/** Lets go of what it has given out, so that the head is not kept all along the rest. */
function* chain(head: (Write | undefined)[], rest: Iterator<Write>): Generator<Write> {
  for (let index = 0; index < head.length; index++) {
    const write = head[index]!
    head[index] = undefined
    yield write
  }
  for (let next = rest.next(); next.done !== true; next = rest.next()) yield next.value
}

function sizeOf({ key, content }: Write): number {
  return bytesInBatch(key, content as EncodedWrite)
}

function incomplete(progress: BatchProgress, cause: unknown): IncompleteBatchError {
  const { entries, batches } = progress
  const why = cause instanceof Error ? cause.message : String(cause)
  const isOpen = cause instanceof UnsettledWriteError
  const next = isOpen
    ? 'Those before stay; whether the next batch was kept, error.cause.settled() tells'
    : `Those before stay; mend the cause and go on behind entry ${entries}`
  return new IncompleteBatchError({
    message: `${entries} entries were written in ${batches} batches, and then the call has failed (${why})`,
    next,
    cause,
    ...progress,
  })
}
