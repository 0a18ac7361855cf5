/**
 * Checks a whole memory without changing it: the log from its first segment, every value of the data store, and whether
 * the two belong together and how far each came. Every problem is told, not only the first.
 */
import { join } from 'node:path'
import { AgentMemoryError, type ErrorCode } from '../core/errors.js'
import { decodeSegments } from '../core/key.js'
import type { FileSystem } from '../io/file-system.js'
import { withoutNext } from '../log/candidates.js'
import { LogFolder } from '../log/folder.js'
import { type LogFindings, type LsnRange, verifyLog } from '../log/verify.js'
import type { Mark, StoreIdentity } from '../stores/data-store.js'
import { findLevelLogDamage } from '../stores/level/level-log.js'
import { findSqliteDamage } from '../stores/sqlite/sqlite.js'
import { isOfLog } from './matching.js'
import { type FolderIdentity, folderError, readIdentity, takeOwnership } from './memory-folder.js'
import { openStoreView, type StoreLocation, type StoreView } from './store-view.js'

/** Something that is wrong, and where: a place in the log, or a key of the store. */
export interface Problem {
  code: ErrorCode
  message: string
  segment?: string
  offset?: number
  lsns?: LsnRange
  key?: string[]
}

export interface StoreFindings {
  kind: string
  /** Why nothing of the store was checked, if so. */
  unchecked: string | undefined
  mark: Mark | undefined
  identity: StoreIdentity | undefined
  entries: number
  bytes: number
}

export interface MemoryFindings {
  folder: FolderIdentity
  log: LogFindings
  store: StoreFindings
  problems: Problem[]
}

const GIVE_FILES = 'give the location that says where, as in files:./folder'

export type OnProgress = (what: 'log' | 'store', done: number, total: number | undefined) => void

/** `holdfast.json` of a folder that must be a memory. NOT_A_MEMORY, FORMAT_TOO_NEW. */
export async function identityOf(fs: FileSystem, folder: string): Promise<FolderIdentity> {
  try {
    const identity = await readIdentity(fs, folder)
    if (identity !== undefined) return identity
  } catch (error) {
    throw folderError(folder, error)
  }
  throw new AgentMemoryError('NOT_A_MEMORY', {
    message: `There is no memory in ${folder}: it has no holdfast.json`,
    next: 'Give the folder that AgentMemory.open was given',
  })
}

/** Runs `work` while this process owns the memory, so that nobody changes it meanwhile. OWNED_ELSEWHERE. */
export async function whileOwned<T>(fs: FileSystem, folder: string, work: () => Promise<T>): Promise<T> {
  const lock = await takeOwnership(fs, folder)
  try {
    return await work()
  } finally {
    await lock.release()
  }
}

/**
 * Checks everything. The caller owns the memory. `place` is that of a store which a location names.
 *
 * @throws AgentMemoryError FORMAT_TOO_NEW for what a newer version wrote
 */
export async function verifyMemory(
  fs: FileSystem,
  folder: string,
  onProgress?: OnProgress,
  place?: string,
): Promise<MemoryFindings> {
  const identity = await identityOf(fs, folder)
  const log = await verifyLog(new LogFolder(fs, join(folder, 'log')), {
    onProgress: (done, total) => onProgress?.('log', done, total),
  })
  refuseNewer(log.problems)
  const problems: Problem[] = problemsOfLog(log)
  const store = await checkStore(fs, folder, identity, place, problems, onProgress)
  // Until it is complete nothing was ever acknowledged, so there is nothing that could be missing.
  if (identity.complete) problems.push(...mismatches(log, store))
  return { folder: identity, log, store, problems }
}

/** What a newer version wrote is not damaged: to list it as such would invite a repair that loses it. */
export function refuseNewer(problems: readonly { code: ErrorCode; message: string }[]): void {
  const newer = problems.find(({ code }) => code === 'FORMAT_TOO_NEW')
  if (newer === undefined) return
  throw new AgentMemoryError('FORMAT_TOO_NEW', {
    message: newer.message,
    next: 'Use the command of the newer version of Holdfast that wrote it',
  })
}

export function problemOf(error: unknown): Problem {
  if (!(error instanceof AgentMemoryError) || error.code === 'FORMAT_TOO_NEW') throw error
  return { code: error.code, message: withoutNext(error) }
}

/** What is wrong between log and store: the same rules by which opening refuses them. */
export function mismatches(log: LogFindings, store: StoreFindings): Problem[] {
  const { mark, identity } = store
  if (log.segments.length === 0)
    return [lost(`The log is missing${mark ? `; the store has LSN ${mark.appliedLsn}` : ''}`)]
  if (store.kind === 'in-memory') {
    return log.base === 0
      ? []
      : [lost(`The log starts at position ${log.base}, and nothing else holds what was before`)]
  }
  if (store.unchecked !== undefined || mark === undefined) return []
  if (!isOfLog(identity, log)) {
    const taken = identity?.logId === undefined ? 'no log' : `log ${identity.logId}`
    const message = `The log belongs to store ${log.storeId} and is log ${log.logId}, of epoch ${log.epoch}; the store is ${identity?.storeId} and takes ${taken}, of epoch ${identity?.epoch}`
    return log.storeId === undefined ? [] : [{ code: 'WRONG_STORE', message }]
  }
  const found: Problem[] = []
  if (log.base > mark.appliedPosition) {
    const before = { from: mark.appliedLsn + 1, to: Math.max(mark.appliedLsn, log.firstLsn - 1) }
    found.push({
      ...lost(`The log starts at position ${log.base}, and the store ends at ${mark.appliedPosition}`),
      lsns: before,
    })
  }
  if (mark.appliedLsn < log.mark.lsn || identity!.epoch < log.epoch) {
    const message = `The store has LSN ${mark.appliedLsn} (epoch ${identity!.epoch}), and the log knows that it had LSN ${log.mark.lsn} (epoch ${log.epoch}): it is an older copy`
    found.push({ code: 'STORE_REGRESSED', message })
  }
  if (log.problems.length === 0 && (mark.appliedPosition > log.end || mark.appliedLsn > log.lastLsn)) {
    found.push(
      lost(
        `The store has LSN ${mark.appliedLsn}, and the log ends at LSN ${log.lastLsn}: its newest segments are missing`,
      ),
    )
  }
  return found
}

async function checkStore(
  fs: FileSystem,
  folder: string,
  { store: kind, complete }: FolderIdentity,
  place: string | undefined,
  problems: Problem[],
  onProgress: OnProgress | undefined,
): Promise<StoreFindings> {
  const findings: StoreFindings = {
    kind,
    unchecked: uncheckedReason(kind, complete, place),
    mark: undefined,
    identity: undefined,
    entries: 0,
    bytes: 0,
  }
  const location = storeLocation(folder, kind, place)
  if (findings.unchecked !== undefined || location === undefined) return findings
  let view: StoreView
  problems.push(...(await storeProblems(location)))
  try {
    view = await openStoreView(fs, location)
  } catch (error) {
    problems.push(problemOf(error))
    const elsewhere = kind === 'files' && place === undefined ? `; if it is elsewhere, ${GIVE_FILES}` : ''
    return { ...findings, unchecked: `it cannot be opened${elsewhere}` }
  }
  try {
    problems.push(...view.damage.map(problemOf))
    await scan(view, findings, problems, onProgress)
  } finally {
    await view.close()
  }
  return findings
}

/** Why a store of this kind has nothing that could be checked here. */
export function uncheckedReason(kind: string, complete: boolean, place: string | undefined): string | undefined {
  if (!complete) return 'the creation of the memory was interrupted, before anything could be stored'
  if (kind === 'in-memory') return 'it is in memory only: the log holds everything'
  if (kind === 'sqlite' && place === undefined) {
    return 'it is in a SQLite database: give the location that says where, as in sqlite:./memory.db'
  }
  if (kind === 'postgres') {
    return "it is in Postgres, which this command does not look into: the server's own tools check it (pg_amcheck), and each value its checksum when it is read"
  }
  return kind === 'level' || kind === 'sqlite' || kind === 'files'
    ? undefined
    : `it is of the kind "${kind}", which this command cannot open`
}

/** Where the store is; `undefined` if it cannot be looked at. */
export function storeLocation(folder: string, kind: string, place: string | undefined): StoreLocation | undefined {
  if (kind === 'level') return { kind, path: join(folder, 'store') }
  if (kind === 'files') return { kind, path: place ?? join(folder, 'store') }
  return kind === 'sqlite' && place !== undefined ? { kind, path: place } : undefined
}

async function scan(
  view: StoreView,
  findings: StoreFindings,
  problems: Problem[],
  onProgress: OnProgress | undefined,
): Promise<void> {
  try {
    findings.identity = await view.identity()
  } catch (error) {
    problems.push(problemOf(error))
    findings.unchecked = 'it cannot say whose it is, so it was not compared with the log'
  }
  try {
    findings.mark = await view.mark()
  } catch (error) {
    problems.push(problemOf(error))
  }
  let last: string | undefined
  try {
    for await (const page of view.pages()) {
      for (const { key, bytes, stored, damage } of page) {
        findings.entries += 1
        findings.bytes += bytes.length
        last = key
        if (damage !== undefined) problems.push({ ...problemOf(damage), key: decodeSegments(key) })
        // What was put into a new store by hand has the first LSN.
        else if (findings.mark !== undefined && stored!.lsn > Math.max(1, findings.mark.appliedLsn)) {
          const message = `A value has LSN ${stored!.lsn}, and the store says that it has applied LSN ${findings.mark.appliedLsn}`
          problems.push({ code: 'STORE_CORRUPT', message, key: decodeSegments(key) })
        }
      }
      onProgress?.('store', findings.entries, undefined)
    }
  } catch (error) {
    const { code, message } = problemOf(error)
    problems.push({ code, message: `${message}; entries ${lastKeyRead(last)} could not be read` })
  }
}

/** Damage that a walk over the entries would pass over: some are missing then, or older than they were. */
export async function storeProblems({ kind, path }: StoreLocation): Promise<Problem[]> {
  if (kind === 'level') {
    const damage = await findLevelLogDamage(path)
    return damage.map(({ file, offset }) => {
      const what = 'entries that stood there are missing, or older than they were'
      return { code: 'STORE_CORRUPT', message: `LevelDB's log store/${file} is damaged at byte ${offset}: ${what}` }
    })
  }
  // Of files, the view that follows finds all of it.
  if (kind === 'files') return []
  try {
    return (await findSqliteDamage(path)).map(text => ({
      code: 'STORE_CORRUPT',
      message: `SQLite finds damage, by which entries may be missing: ${text.replaceAll('\n', ', ')}`,
    }))
  } catch {
    // It cannot be opened, or not be read: the view that follows says so.
    return []
  }
}

/** Where a scan has stopped. */
export function lastKeyRead(last: string | undefined): string {
  return last === undefined ? 'from the first on' : `behind the key ${JSON.stringify(decodeSegments(last))}`
}

export function problemsOfLog({ problems }: LogFindings): Problem[] {
  return problems.map(({ lsns, ...problem }) => (lsns === undefined ? problem : { ...problem, lsns }))
}

function lost(message: string): Problem {
  return { code: 'LOG_LOST', message }
}
