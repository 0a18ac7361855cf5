/**
 * I13: whether a data store and a log are the ones that belong together, and neither is an older copy of what it was.
 *
 * A store says which log it takes, and under which epoch. One whose last owner has closed it clean says none: its log is
 * detached, the store has all of it. Then the folder of that log may go on with it, or another folder may begin; whoever
 * does so raises the epoch, which the other one finds out.
 */
import { AgentMemoryError } from '../core/errors.js'
import type { LogScan, ScannedSegment } from '../log/scan.js'
import type { Mark, StoreIdentity } from '../stores/data-store.js'

/** What a log was found to be, for its store to be compared with. */
export interface FoundLog extends Pick<LogScan, 'mark' | 'end' | 'lastLsn'> {
  storeId: string
  logId: string
  /** The newest of its segments. */
  epoch: number
  /** Where it begins, and in which segment. */
  base: number
  firstName: string
}

/** What the segments say by themselves. */
export function headOf(segments: readonly ScannedSegment[]): Omit<FoundLog, 'mark' | 'end' | 'lastLsn'> {
  const { header, base, name } = segments[0]!
  const epoch = Math.max(...segments.map(each => each.header.epoch))
  return { storeId: header.storeId, logId: header.logId, epoch, base, firstName: name }
}

/** No log is attached to the store, and the one that was has brought it everything. */
export function isDetached(found: StoreIdentity | undefined, mark: Mark): boolean {
  // Direct mode has no positions: nodes may be writing such a store.
  return found !== undefined && found.logId === undefined && mark.appliedPosition > 0
}

/** Whether the store takes this log, or has taken it, and nobody else has had it since. */
export function isOfLog(
  found: StoreIdentity | undefined,
  log: { storeId: string | undefined; logId: string | undefined; epoch: number },
): boolean {
  if (found === undefined || found.storeId !== log.storeId) return false
  // Whoever goes on behind a clean close raises the epoch.
  return found.logId === undefined ? found.epoch <= log.epoch : found.logId === log.logId
}

/**
 * Matches a store with a log that was opened without it, before it is given anything: what the store is to be called from
 * then on. WRONG_STORE, LOG_LOST, STORE_REGRESSED.
 */
export function matched(log: FoundLog, found: StoreIdentity | undefined, mark: Mark): StoreIdentity {
  checkIdentity(found, mark, log)
  const { storeId, logId, epoch } = log
  checkProgress(mark, found!.epoch, log)
  // The log's segments say the epoch that it had: one that is raised now would not be theirs.
  return { storeId, logId, epoch: Math.max(found!.epoch, epoch) }
}

/** Before the log is read. WRONG_STORE, LOG_LOST. */
export function checkIdentity(found: StoreIdentity | undefined, mark: Mark, log: ReturnType<typeof headOf>): void {
  const { storeId, logId, epoch, base } = log
  if (!isOfLog(found, log)) {
    const hasFollowed = found?.storeId === storeId && found.epoch > epoch
    throw hasFollowed ? takenOver(found, epoch) : wrongStore(storeId, logId, found)
  }
  if (base > mark.appliedPosition) throw tooShort(mark, log)
}

/** Once it has been read. STORE_REGRESSED, LOG_LOST. */
export function checkProgress(
  mark: Mark,
  epoch: number,
  scan: Pick<LogScan, 'mark' | 'epoch' | 'end' | 'lastLsn'>,
): void {
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

export function logLost(mark: Mark): AgentMemoryError {
  return new AgentMemoryError('LOG_LOST', {
    message: `The log of this memory is missing; the data store has everything up to LSN ${mark.appliedLsn}`,
    next: "Put the folder log/ back from where it was moved, or open with { onLogLost: 'proceed' } to go on without what only the log had",
  })
}

function wrongStore(storeId: string, logId: string, found: StoreIdentity | undefined): AgentMemoryError {
  return new AgentMemoryError('WRONG_STORE', {
    message: `The log belongs to the data store ${storeId} and its log ${logId}, but the store here is ${found?.storeId} with log ${found?.logId}`,
    next: 'Put the store and the log of the same memory back together, from the same backup',
  })
}

function takenOver({ logId, epoch }: StoreIdentity, ours: number): AgentMemoryError {
  const state = logId === undefined ? 'no log is attached to it now' : `its log is ${logId} now`
  return new AgentMemoryError('WRONG_STORE', {
    message: `The data store has had another owner since this log was open (epoch ${epoch}, ours ${ours}); ${state}`,
    next: 'Go on in the folder that had it last, or, once that has closed it, in a new one: what is in this log alone cannot come to it any more',
  })
}

function tooShort(mark: Mark, { base, firstName }: ReturnType<typeof headOf>): AgentMemoryError {
  return new AgentMemoryError('LOG_LOST', {
    message: `The log starts at position ${base}, but the data store has only what stands before position ${mark.appliedPosition}: segments before ${firstName} are missing, or the store is an older copy`,
    next: 'Put the missing segments or the newer store back, or restore both from the same backup',
  })
}
