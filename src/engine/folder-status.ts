/**
 * How a memory stands, from the outside: whose it is, whether it is open, how far log and store are. It changes nothing
 * on disk and waits for nobody, so it can be asked while another process has the memory open; then it reads the files
 * of the log only, and says what it could not read.
 */
import { join } from 'node:path'
import { AgentMemoryError, systemCode } from '../core/errors.js'
import type { Lsn } from '../core/lsn.js'
import { type FileSystem, readText } from '../io/file-system.js'
import { withoutNext } from '../log/candidates.js'
import { LogFolder } from '../log/folder.js'
import { type LogFindings, verifyLog } from '../log/verify.js'
import type { Mark } from '../stores/data-store.js'
import { openStoreView } from './store-view.js'
import { identityOf, refuseNewer, storeLocation, uncheckedReason } from './verify.js'

const LOCK_FILE = 'owner.lock'

export interface OwnerStatus {
  /** Whether a process has it open now; `undefined` if this user may not try the lock. */
  isOpen: boolean | undefined
  /** The last owner, which is the present one if it is open. */
  pid: number | undefined
  host: string | undefined
  epoch: number | undefined
}

export interface StoreStatus {
  kind: string
  storeId: string | undefined
  /** How far it is: exactly, or `atLeast` so far by the log's word. */
  appliedLsn: Lsn | undefined
  atLeast: boolean
  /** Why it was not read. */
  unread: string | undefined
}

export interface LogStatus {
  logId: string | undefined
  segments: number
  bytes: number
  firstLsn: Lsn
  lastLsn: Lsn
  /** Frames, and records in them, that the store does not have; at most so many if its place is not known exactly. */
  framesBehind: number
  recordsBehind: number
  /** `undefined` while the memory is open: its last frame may be in the making. */
  tornBytes: number | undefined
  cleanClose: boolean | undefined
  /** What is damaged, in short: `verify` says more. */
  damage: string[]
}

export interface FolderStatus {
  format: number
  memoryId: string
  /** False if its creation was interrupted. */
  complete: boolean
  owner: OwnerStatus
  store: StoreStatus
  log: LogStatus
}

/** `place` is that of a store which a location names. */
export async function folderStatus(fs: FileSystem, folder: string, place?: string): Promise<FolderStatus> {
  const identity = await identityOf(fs, folder)
  const { format, memoryId, complete } = identity
  const owner = await ownerOf(fs, folder)
  const { store, mark } = await storeStatus(fs, folder, identity.store, complete, owner, place)
  const frames: { position: number; records: number }[] = []
  const log = await verifyLog(new LogFolder(fs, join(folder, 'log')), {
    onFrame: ({ header }) => {
      frames.push({ position: header.position, records: header.records })
    },
  })
  refuseNewer(log.problems)
  if (store.appliedLsn === undefined && identity.store !== 'in-memory') {
    store.appliedLsn = log.mark.lsn
    store.atLeast = true
  }
  store.storeId = log.storeId
  const position = mark?.appliedPosition ?? (identity.store === 'in-memory' ? 0 : log.mark.position)
  // Frames that only say how far the store is are no work for it.
  const behind = frames.filter(frame => frame.records > 0 && frame.position >= position)
  return { format, memoryId, complete, owner, store, log: logStatus(log, behind, owner.isOpen) }
}

function logStatus(log: LogFindings, behind: readonly { records: number }[], isOpen: boolean | undefined): LogStatus {
  const isAtRest = isOpen === false
  const lastName = log.segments.at(-1)?.name
  // A frame that is being written looks damaged to a reader that comes in between.
  const damage = log.problems.filter(({ segment }) => isAtRest || segment !== lastName)
  return {
    logId: log.logId,
    segments: log.segments.length,
    bytes: log.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    firstLsn: log.firstLsn,
    lastLsn: log.lastLsn,
    framesBehind: behind.length,
    recordsBehind: behind.reduce((sum, { records }) => sum + records, 0),
    tornBytes: isAtRest ? log.tornBytes : undefined,
    cleanClose: isAtRest ? log.cleanClose : undefined,
    damage: damage.map(({ code, message }) => `${code}: ${message}`),
  }
}

async function ownerOf(fs: FileSystem, folder: string): Promise<OwnerStatus> {
  const path = join(folder, LOCK_FILE)
  const text = await readText(fs, path)
  // Trying the lock would make the file.
  if (text === undefined) return { isOpen: false, pid: undefined, host: undefined, epoch: undefined }
  return { isOpen: await isLocked(fs, path), ...signature(text) }
}

async function isLocked(fs: FileSystem, path: string): Promise<boolean | undefined> {
  try {
    const lock = await fs.lock(path)
    await lock?.release()
    return lock === undefined
  } catch (error) {
    const code = systemCode(error)
    // On a file system that cannot be written, nobody can have it open.
    if (code === 'EROFS') return false
    if (code === 'EACCES' || code === 'EPERM') return undefined
    throw error
  }
}

function signature(text: string): Omit<OwnerStatus, 'isOpen'> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // The owner has the lock and has not signed yet.
  }
  const { pid, host, epoch } = (parsed ?? {}) as { pid?: unknown; host?: unknown; epoch?: unknown }
  return {
    pid: typeof pid === 'number' ? pid : undefined,
    host: typeof host === 'string' ? host : undefined,
    epoch: typeof epoch === 'number' ? epoch : undefined,
  }
}

async function storeStatus(
  fs: FileSystem,
  folder: string,
  kind: string,
  complete: boolean,
  { isOpen }: OwnerStatus,
  place: string | undefined,
): Promise<{ store: StoreStatus; mark: Mark | undefined }> {
  const store: StoreStatus = { kind, storeId: undefined, appliedLsn: undefined, atLeast: false, unread: undefined }
  store.unread = uncheckedReason(kind, complete, place)
  if (store.unread === undefined && isOpen !== false) {
    store.unread = isOpen ? 'its owner has it open' : 'this user may not see whether the memory is open'
  }
  const location = storeLocation(folder, kind, place)
  if (store.unread !== undefined || location === undefined) return { store, mark: undefined }
  try {
    const view = await openStoreView(fs, location)
    try {
      const mark = await view.mark()
      return { store: { ...store, appliedLsn: mark.appliedLsn }, mark }
    } finally {
      await view.close()
    }
  } catch (error) {
    if (!(error instanceof AgentMemoryError)) throw error
    return { store: { ...store, unread: `${error.code}: ${withoutNext(error)}` }, mark: undefined }
  }
}
