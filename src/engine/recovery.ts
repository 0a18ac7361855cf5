/**
 * Opening: are store and log the ones that belong together, and how far did each come? Then the log is replayed behind
 * what the store has, and a new segment is started. Nothing is served before that.
 */
import { join } from 'node:path'
import { AgentMemoryError } from '../core/errors.js'
import type { Lsn } from '../core/lsn.js'
import { LogFolder } from '../log/folder.js'
import { Log } from '../log/log.js'
import type { Frame } from '../log/reader.js'
import { readRecord } from '../log/record.js'
import { closeSegments, type LogScan, openSegments, type ScannedSegment, scanSegments } from '../log/scan.js'
import type { DataStore, Mark, StoreIdentity } from '../stores/data-store.js'
import type { Entry } from '../tier/entry.js'
import type { Tier } from '../tier/tier.js'
import type { EngineConfig } from './config.js'
import type { LoggedFrame } from './flush.js'
import { ensureFolder, type FolderIdentity, randomId } from './memory-folder.js'

/** What recovery did. */
export interface RecoveryReport {
  /** Frames and records that the store did not have yet. */
  frames: number
  records: number
  /** Bytes of a frame that a crash cut short; nothing in it had been acknowledged. */
  tornBytes: number
  /** The log ended in a clean close. */
  cleanClose: boolean
  /** The memory was made by this open. */
  created: boolean
  durationMs: number
}

export interface Recovered {
  log: Log
  mark: Mark
  frames: LoggedFrame[]
  lastLsn: Lsn
  identity: StoreIdentity
  report: Omit<RecoveryReport, 'durationMs'>
  /** Said if the log was lost and the caller has asked to go on without it. */
  lostAfter: Lsn | undefined
}

// A lost log may have handed out LSNs that nobody remembers: fewer than these, since a log holds far fewer records.
const LOST_LOG_LSN_GAP = 2 ** 40

export function logFolder(config: EngineConfig): LogFolder {
  return new LogFolder(config.fileSystem, join(config.folder, 'log'))
}

/** Matches store and log, replays the log into the tier, and starts a new segment. */
export async function recover(
  config: EngineConfig,
  folder: FolderIdentity,
  store: DataStore,
  tier: Tier,
): Promise<Recovered> {
  const logs = logFolder(config)
  await ensureFolder(config.fileSystem, logs.path)
  if (!folder.complete) return create(config, folder, store, logs)
  // What a killed process applied may be in a cache only; the mark goes into the new segment, and releases others.
  await store.flush()
  const mark = await store.mark()
  const identity = await store.identity()
  await logs.removeTemporary()
  // A killed process may have named or removed segments and not synced that: a newer name must not outlive an older one.
  await config.fileSystem.syncFolder(logs.path)
  const segments = await openSegments(logs)
  const first = segments[0]
  if (first === undefined) return withoutLog(config, store, logs, mark, identity)
  try {
    return await withLog(config, store, logs, mark, identity, segments, tier)
  } catch (error) {
    await closeSegments(segments)
    throw error
  }
}

/** Reads the log of an engine whose log has failed. The caller has closed it. */
export async function rescan(config: EngineConfig, from: number): Promise<{ scan: LogScan; logs: LogFolder }> {
  const logs = logFolder(config)
  await logs.removeTemporary()
  // A killed process may have named or removed segments and not synced that: a newer name must not outlive an older one.
  await config.fileSystem.syncFolder(logs.path)
  const segments = await openSegments(logs)
  try {
    return { scan: await scanSegments(segments, from, () => {}), logs }
  } catch (error) {
    await closeSegments(segments)
    throw error
  }
}

async function create(
  config: EngineConfig,
  { memoryId }: FolderIdentity,
  store: DataStore,
  logs: LogFolder,
): Promise<Recovered> {
  // The folder never became complete, so nothing in it was ever acknowledged: what stands there is made anew.
  await logs.removeTemporary()
  for (const { path } of await logs.segments()) await logs.remove(path)
  await store.flush()
  const found = await store.identity()
  const applied = await store.mark()
  // The store is the end of another log, which is not here: its LSNs must not be handed out again, and it may hold what
  // was acknowledged and has not come to the store. That of a creation which was interrupted has the id of this memory.
  const isOfAnother = found?.logId !== undefined && found.logId !== memoryId
  if (applied.appliedLsn > 0 || isOfAnother) return withoutLog(config, store, logs, applied, found)
  const identity = { storeId: found?.storeId ?? randomId(), logId: memoryId, epoch: (found?.epoch ?? 0) + 1 }
  await store.setIdentity(identity)
  const mark = await store.mark()
  const log = await startLog(config, logs, undefined, mark, identity, 1)
  return {
    log,
    mark,
    frames: [],
    lastLsn: log.firstFreeLsn - 1,
    identity,
    report: { frames: 0, records: 0, tornBytes: 0, cleanClose: true, created: true },
    lostAfter: undefined,
  }
}

async function withLog(
  config: EngineConfig,
  store: DataStore,
  logs: LogFolder,
  mark: Mark,
  found: StoreIdentity | undefined,
  segments: ScannedSegment[],
  tier: Tier,
): Promise<Recovered> {
  const header = segments[0]!.header
  // A store that does not outlive its process comes back empty, and takes everything from the log again.
  const known = store.capabilities.persistent ? found : { storeId: header.storeId, logId: header.logId, epoch: 0 }
  checkIdentity(known, header)
  if (segments[0]!.base > mark.appliedPosition) throw tooShort(mark, segments[0]!)
  const frames: LoggedFrame[] = []
  const scan = await scanSegments(segments, mark.appliedPosition, frame => {
    frames.push(replay(frame, tier))
  })
  if (store.capabilities.persistent) checkProgress(mark, known!.epoch, scan)
  const identity = { storeId: header.storeId, logId: header.logId, epoch: Math.max(known!.epoch, scan.epoch) + 1 }
  await store.setIdentity(identity)
  const log = await startLog(config, logs, scan, mark, identity, scan.ceiling + 1)
  return {
    log,
    mark,
    frames,
    lastLsn: log.firstFreeLsn - 1,
    identity,
    report: {
      frames: scan.frames,
      records: scan.records,
      tornBytes: scan.tornBytes,
      cleanClose: scan.cleanClose,
      created: false,
    },
    lostAfter: undefined,
  }
}

async function withoutLog(
  config: EngineConfig,
  store: DataStore,
  logs: LogFolder,
  mark: Mark,
  found: StoreIdentity | undefined,
): Promise<Recovered> {
  if (config.onLogLost === 'refuse' || found === undefined || !store.capabilities.persistent) throw logLost(mark)
  const identity = { storeId: found.storeId, logId: randomId(), epoch: found.epoch + 1 }
  await store.setIdentity(identity)
  const log = await startLog(config, logs, undefined, mark, identity, mark.appliedLsn + LOST_LOG_LSN_GAP)
  return {
    log,
    mark,
    frames: [],
    lastLsn: log.firstFreeLsn - 1,
    identity,
    report: { frames: 0, records: 0, tornBytes: 0, cleanClose: false, created: false },
    lostAfter: mark.appliedLsn,
  }
}

/** Starts the log's next segment behind what was found. */
export function startLog(
  config: EngineConfig,
  logs: LogFolder,
  scan: LogScan | undefined,
  mark: Mark,
  { storeId, logId, epoch }: StoreIdentity,
  firstFreeLsn: Lsn,
): Promise<Log> {
  return Log.start(logs, scan, {
    clock: config.clock,
    storeId,
    logId: logId!,
    epoch,
    firstFreeLsn,
    mark: { lsn: mark.appliedLsn, position: mark.appliedPosition },
    segmentBytesMin: config.segmentBytesMin,
    segmentBytesMax: config.segmentBytesMax,
  })
}

function replay(frame: Frame, tier: Tier): LoggedFrame {
  const { position, lastLsn, records } = frame.header
  const entries: Entry[] = []
  for (let index = 0, offset = 0; index < records; index++) {
    const { record, end } = readRecord(frame.body, offset)
    const value = record.value?.latin1Slice()
    entries.push(tier.recover(record.key, record.lsn, record.form, value, record.expiresAt, position, offset))
    offset = end
  }
  return { position, end: position + frame.bytes, lastLsn, entries }
}

function checkIdentity(found: StoreIdentity | undefined, log: { storeId: string; logId: string }): void {
  if (found?.storeId === log.storeId && found.logId === log.logId) return
  throw new AgentMemoryError('WRONG_STORE', {
    message: `The log belongs to the data store ${log.storeId} and its log ${log.logId}, but the store here is ${found?.storeId} with log ${found?.logId}`,
    next: 'Put the store and the log of the same memory back together, from the same backup',
  })
}

function checkProgress(mark: Mark, epoch: number, scan: LogScan): void {
  if (mark.appliedLsn < scan.mark.lsn || epoch < scan.epoch) {
    throw new AgentMemoryError('STORE_REGRESSED', {
      message: `The data store has applied LSN ${mark.appliedLsn} (epoch ${epoch}), but the log knows that it had LSN ${scan.mark.lsn} (epoch ${scan.epoch}): it is an older copy`,
      next: 'Put the newer store back, or restore store and log from the same backup',
    })
  }
  if (mark.appliedPosition <= scan.end && mark.appliedLsn <= scan.lastLsn) return
  throw new AgentMemoryError('LOG_LOST', {
    message: `The data store has applied LSN ${mark.appliedLsn}, but the log ends at LSN ${scan.lastLsn}: it is an older copy, or its newest segments are missing`,
    next: 'Put the newer log back, or restore store and log from the same backup',
  })
}

function tooShort(mark: Mark, first: ScannedSegment): AgentMemoryError {
  return new AgentMemoryError('LOG_LOST', {
    message: `The log starts at position ${first.base}, but the data store has only what stands before position ${mark.appliedPosition}: segments before ${first.name} are missing, or the store is an older copy`,
    next: 'Put the missing segments or the newer store back, or restore both from the same backup',
  })
}

function logLost(mark: Mark): AgentMemoryError {
  return new AgentMemoryError('LOG_LOST', {
    message: `The log of this memory is missing; the data store has everything up to LSN ${mark.appliedLsn}`,
    next: "Put the folder log/ back from where it was moved, or open with { onLogLost: 'proceed' } to go on without what only the log had",
  })
}
