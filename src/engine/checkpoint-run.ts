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
import { SegmentReader, type SegmentRef } from '../log/reader.js'
import { type LogRecord, readRecords } from '../log/record.js'
import type { Change, DataStore, Mark } from '../stores/data-store.js'
import type { RunLimits } from './config.js'
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
}

export interface RunResult {
  mark: Mark
  /** Keys that were written or deleted. */
  entries: number
  /** Of these keys and of what the store keeps under them. */
  bytes: number
}

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
): Promise<RunResult> {
  memory?.reset()
  const gathered = await gather(fs, request, memory)
  const changes: Change[] = []
  let bytes = 0
  for (const [key, value] of gathered.run) {
    changes.push({ key, value })
    bytes += key.length + (value?.length ?? 0)
  }
  changes.sort((a, b) => (a.key < b.key ? -1 : 1))
  await store.apply(changes, gathered.mark)
  return { mark: gathered.mark, entries: changes.length, bytes }
}

async function gather(
  fs: FileSystem,
  request: RunRequest,
  memory: RunMemory | undefined,
): Promise<{ run: Run; mark: Mark }> {
  const { refs, limits, nowMs } = request
  const started = performance.now()
  const run: Run = new Map()
  let bytes = 0
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
          const stored = isExpired(record.expiresAt, nowMs) ? undefined : storedForm(record, memory)
          bytes += record.key.length + (stored?.length ?? 0)
          run.set(record.key, stored)
        }
        lastLsn = found.frame.header.lastLsn
        position = reader.position
        const isFull = run.size >= limits.keys || bytes >= limits.bytes || performance.now() - started >= limits.ms
        if (isFull) return { run, mark: { appliedLsn: lastLsn, appliedPosition: position } }
      }
    } finally {
      await file.close()
    }
  }
  return { run, mark: { appliedLsn: lastLsn, appliedPosition: position } }
}

function storedForm({ key, lsn, form, value, expiresAt }: LogRecord, memory: RunMemory | undefined) {
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
