/**
 * One run of a checkpoint: whole frames from the log, in order, of each key only the newest, into the data store in one
 * transaction with the mark. It runs on the main thread or in a worker: everything it is given is plain data.
 *
 * I5: the data store is an exact prefix of the log. A run ends between two frames, never within one.
 */
import { isExpired } from '../codec/extras.js'
import { encodeStoredValue } from '../codec/stored-value.js'
import { AgentMemoryError } from '../core/errors.js'
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { File, FileSystem } from '../io/file-system.js'
import { withoutNext } from '../log/candidates.js'
import { SegmentReader, type SegmentRef } from '../log/reader.js'
import { type LogRecord, readRecords } from '../log/record.js'
import type { Change, DataStore, Mark } from '../stores/data-store.js'
import type { RunLimits } from './config.js'
import { inOrder } from './dead-letter.js'
import type { RunMemory } from './run-memory.js'

export interface RunRequest {
  /** The segments with the frames from `from` on, oldest first. */
  refs: SegmentRef[]
  from: number
  /** Position behind the last frame that is on stable storage: nothing behind it may be read. */
  to: number
  limits: RunLimits
  /** What has expired by then, in ms since 1970, is applied as a delete. */
  nowMs: number
  /** Keys with a version that the store has refused, each with the key of its dead letter: what supersedes it removes that. */
  parked: readonly (readonly [key: EncodedKey, letter: EncodedKey])[]
}

/** Changes that are not read from the log. */
export interface ChangesRequest {
  changes: Change[]
  mark: Mark
}

export interface RunResult {
  mark: Mark
  /** Keys that were written or deleted. */
  entries: number
  /** Of these keys and of what the store keeps under them. */
  bytes: number
  /** Keys of the request's `parked` that have a newer version in the store now. */
  superseded: EncodedKey[]
}

/** A run that the store has rolled back, as it takes something in it for bad data. */
export interface Refusal {
  reason: string
  /** How many frames were in the run, and where they ended. */
  frames: number
  end: number
}

export type RunOutcome = { result: RunResult; refusal?: undefined } | { refusal: Refusal }

/** Newest stored form per key; `undefined` for a delete. */
type Run = Map<EncodedKey, Buffer | undefined>

/**
 * Applies one run. The store's deadline is the caller's. `memory` is for a store that keeps nothing of what it is given,
 * and for one run at a time.
 */
export async function runCheckpoint(
  fs: FileSystem,
  store: DataStore,
  request: RunRequest,
  memory?: RunMemory,
): Promise<RunOutcome> {
  memory?.reset()
  const gathered = await gather(fs, request, memory)
  const changes: Change[] = []
  let bytes = 0
  for (const [key, value] of gathered.run) {
    changes.push({ key, value })
    bytes += key.length + (value?.length ?? 0)
  }
  const entries = changes.length
  const superseded = request.parked.filter(([key]) => gathered.run.has(key))
  for (const [, letter] of superseded) changes.push({ key: letter, value: undefined })
  inOrder(changes)
  try {
    await store.apply(changes, gathered.mark)
  } catch (error) {
    const { frames, mark } = gathered
    return { refusal: { reason: reasonOf(error), frames, end: mark.appliedPosition } }
  }
  return { result: { mark: gathered.mark, entries, bytes, superseded: superseded.map(([key]) => key) } }
}

/** Applies changes that are given, in one transaction. */
export async function applyChanges(store: DataStore, { changes, mark }: ChangesRequest): Promise<RunOutcome> {
  try {
    await store.apply(changes.map(withBuffer), mark)
  } catch (error) {
    return { refusal: { reason: reasonOf(error), frames: 0, end: mark.appliedPosition } }
  }
  return { result: { mark, entries: changes.length, bytes: 0, superseded: [] } }
}

/** Why a store has refused a run. Any other error is thrown: the store is down, or nobody knows what it holds. */
function reasonOf(error: unknown): string {
  if (error instanceof AgentMemoryError && error.code === 'STORE_REFUSED') return withoutNext(error)
  throw error
}

/** What was sent to another thread comes there as bytes, and not as a Buffer. */
function withBuffer({ key, value }: Change): Change {
  return { key, value: value && Buffer.from(value.buffer, value.byteOffset, value.length) }
}

async function gather(
  fs: FileSystem,
  request: RunRequest,
  memory: RunMemory | undefined,
): Promise<{ run: Run; mark: Mark; frames: number }> {
  const { refs, limits, nowMs } = request
  const started = performance.now()
  const run: Run = new Map()
  let bytes = 0
  let frames = 0
  let position = request.from
  let lastLsn: Lsn = 0
  for (const [index, ref] of refs.entries()) {
    const end = Math.min(request.to, refs[index + 1]?.base ?? request.to)
    if (position >= end) continue
    const file = await fs.open(ref.path, 'read')
    try {
      const reader = readerFrom(file, ref, position, end, memory)
      while (reader.position < end) {
        const found = await reader.next()
        if (found.kind !== 'frame') throw missing(ref, reader.position)
        for (const record of readRecords(found.frame.body)) {
          const stored = storedForm(record, nowMs, memory)
          bytes += record.key.length + (stored?.length ?? 0)
          run.set(record.key, stored)
        }
        lastLsn = found.frame.header.lastLsn
        position = reader.position
        frames += 1
        const isLong = run.size >= limits.keys || bytes >= limits.bytes || performance.now() - started >= limits.ms
        const isFull = isLong || frames >= limits.frames
        if (isFull) return { run, frames, mark: { appliedLsn: lastLsn, appliedPosition: position } }
      }
    } finally {
      await file.close()
    }
  }
  return { run, frames, mark: { appliedLsn: lastLsn, appliedPosition: position } }
}

/** What the store keeps of a record; `undefined` for a delete, and for what has expired. */
export function storedForm({ key, lsn, form, value, expiresAt }: LogRecord, nowMs: number, memory?: RunMemory) {
  if (isExpired(expiresAt, nowMs)) return undefined
  return value && encodeStoredValue({ key, lsn, form, value, expiresAt }, memory?.take)
}

/** Every frame up to `to` has been synced, so that anything else than a frame is corruption: no end, no torn tail. */
function readerFrom(file: File, ref: SegmentRef, position: number, end: number, memory: RunMemory | undefined) {
  const noEnd = { position: Number.POSITIVE_INFINITY, chain: 0 }
  return new SegmentReader(file, ref, { position, chain: undefined }, noEnd, end, memory?.reading)
}

function missing(ref: SegmentRef, position: number): AgentMemoryError {
  return new AgentMemoryError('LOG_CORRUPT', {
    message: `Log segment ${ref.name} has no frame at position ${position}, where one was synced`,
    next: 'Run "npx holdfast verify" on the folder',
  })
}
