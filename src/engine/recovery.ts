/**
 * Opening: are store and log the ones that belong together, and how far did each come? Then the log is replayed behind
 * what the store has, and a new segment is started. Nothing is served before that.
 */
import { join } from 'node:path'
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
import { checkIdentity, checkProgress, type FoundLog, headOf, isDetached, logLost } from './matching.js'
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
  /** Said if the store is away: it is to be matched with this when it answers, before it is given anything. */
  unmatched?: FoundLog
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
  if (segments.length === 0) {
    if (isDetached(identity, mark)) return begin(config, store, logs, mark, identity, randomId())
    return withoutLog(config, store, logs, mark, identity)
  }
  try {
    return await withLog(config, store, logs, mark, identity, segments, tier)
  } catch (error) {
    await closeSegments(segments)
    throw error
  }
}

/**
 * The same without the store, which is away: the log is replayed behind the last mark that it knows. `undefined` if there is
 * no log.
 */
export async function recoverAlone(config: EngineConfig, tier: Tier): Promise<Recovered | undefined> {
  const logs = logFolder(config)
  await ensureFolder(config.fileSystem, logs.path)
  await logs.removeTemporary()
  // As with the store: a newer name must not outlive an older one.
  await config.fileSystem.syncFolder(logs.path)
  const segments = await openSegments(logs)
  if (segments.length === 0) return undefined
  try {
    // The newest header says a mark; frames behind that may say a newer one.
    const { mark } = await scanSegments(segments, segments.at(-1)!.header.mark.position, () => {})
    const frames: LoggedFrame[] = []
    const scan = await scanSegments(segments, mark.position, frame => {
      frames.push(replay(frame, tier))
    })
    const head = headOf(segments)
    const { storeId, logId, epoch } = head
    const applied = { appliedLsn: mark.lsn, appliedPosition: mark.position }
    const log = await startLog(config, logs, scan, applied, { storeId, logId, epoch }, scan.ceiling + 1)
    const unmatched = { ...head, mark: scan.mark, end: scan.end, lastLsn: scan.lastLsn }
    return { ...recovered(log, applied, frames, { storeId, logId, epoch }, scan), unmatched }
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
  // That of a creation which was interrupted has the id of this memory.
  const isOurs = found?.logId === memoryId
  const isNew = applied.appliedLsn === 0 && found?.logId === undefined
  if (isOurs || isNew || isDetached(found, applied)) return begin(config, store, logs, applied, found, memoryId)
  // The store is the end of another log, which is not here: its LSNs must not be handed out again, and it may hold what
  // was acknowledged and has not come to the store.
  return withoutLog(config, store, logs, applied, found)
}

/** A new log over a store that has everything there is. */
async function begin(
  config: EngineConfig,
  store: DataStore,
  logs: LogFolder,
  mark: Mark,
  found: StoreIdentity | undefined,
  logId: string,
): Promise<Recovered> {
  const identity = { storeId: found?.storeId ?? randomId(), logId, epoch: (found?.epoch ?? 0) + 1 }
  await store.setIdentity(identity)
  const log = await startLog(config, logs, undefined, mark, identity, mark.appliedLsn + 1)
  return {
    log,
    mark,
    frames: [],
    lastLsn: log.firstFreeLsn - 1,
    identity,
    report: { frames: 0, records: 0, tornBytes: 0, cleanClose: true, created: mark.appliedLsn === 0 },
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
  checkIdentity(known, mark, headOf(segments))
  const frames: LoggedFrame[] = []
  const scan = await scanSegments(segments, mark.appliedPosition, frame => {
    frames.push(replay(frame, tier))
  })
  if (store.capabilities.persistent) checkProgress(mark, known!.epoch, scan)
  const identity = { storeId: header.storeId, logId: header.logId, epoch: Math.max(known!.epoch, scan.epoch) + 1 }
  await store.setIdentity(identity)
  const log = await startLog(config, logs, scan, mark, identity, scan.ceiling + 1)
  return recovered(log, mark, frames, identity, scan)
}

function recovered(log: Log, mark: Mark, frames: LoggedFrame[], identity: StoreIdentity, scan: LogScan): Recovered {
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
