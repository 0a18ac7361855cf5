/**
 * What of a damaged memory is intact, and what is lost: the entries of the store whose checksum holds, then the frames
 * of the log behind the store's mark, in order, up to the first damage. A frame behind a gap is not applied: what it
 * holds may depend on what is lost. It runs once to say so, and again with a sink that takes what is kept.
 */
import { join } from 'node:path'
import { encodeStoredValue } from '../codec/stored-value.js'
import { AgentMemoryError } from '../core/errors.js'
import { decodeSegments, type EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { FileSystem } from '../io/file-system.js'
import { LogFolder } from '../log/folder.js'
import { readRecords } from '../log/record.js'
import { type LogFindings, type VerifiedFrame, verifyLog } from '../log/verify.js'
import type { Mark, StoredEntry } from '../stores/data-store.js'
import { isOfLog } from './matching.js'
import {
  count,
  emptyTally,
  neverComplete,
  rangeText,
  type SalvageReport,
  unknownKind,
  wrongStore,
} from './salvage-report.js'
import { openStoreView, type StoreLocation, type StoreView } from './store-view.js'
import {
  identityOf,
  lastKeyRead,
  mismatches,
  type OnProgress,
  type Problem,
  problemOf,
  problemsOfLog,
  refuseNewer,
  type StoreFindings,
  storeLocation,
  storeProblems,
} from './verify.js'

/** Takes what is kept: entries, then the place in the log where frames go on, then the frames. */
export interface SalvageSink {
  entries(entries: StoredEntry[]): Promise<void>
  startLog(): Promise<void>
  frame(frame: VerifiedFrame): Promise<void>
}

interface Rescue {
  lsn: Lsn
  form: number
  expiresAt: number
  value: Buffer | undefined
}

/**
 * Walks over the memory. The caller owns it. `place` is that of a store which a location names.
 *
 * @throws AgentMemoryError where nothing can be decided: WRONG_STORE, FORMAT_TOO_NEW
 */
export async function salvage(
  fs: FileSystem,
  folder: string,
  sink?: SalvageSink,
  onProgress?: OnProgress,
  place?: string,
): Promise<SalvageReport> {
  const { store: kind, complete } = await identityOf(fs, folder)
  if (!complete) throw neverComplete(folder)
  const location = storeLocation(folder, kind, place)
  if (location === undefined && kind !== 'in-memory') throw unknownKind(folder, kind)
  const logs = new LogFolder(fs, join(folder, 'log'))
  // Headers first: they say which store the log belongs to, and how far that was.
  const heads = await verifyLog(logs, { from: Number.POSITIVE_INFINITY })
  refuseNewer(heads.problems)
  const walk = new Salvage(kind, heads, sink, onProgress)
  if (location !== undefined) await walk.readStore(fs, location)
  const log = await verifyLog(logs, {
    onFrame: frame => walk.takeFrame(frame),
    onProgress: (done, total) => onProgress?.('log', done, total),
  })
  return walk.finish(log)
}

class Salvage {
  readonly #kind: string
  readonly #heads: LogFindings
  readonly #sink: SalvageSink | undefined
  readonly #onProgress: OnProgress | undefined
  readonly #store: StoreFindings
  readonly #storeProblems: Problem[] = []
  readonly #losses: string[] = []
  /** Keys whose value is damaged and not known from elsewhere yet. */
  readonly #damaged = new Set<EncodedKey>()
  /** Of those, what an unbroken run of the log up to the store's mark says. */
  readonly #rescues = new Map<EncodedKey, Rescue>()
  #rescueAt: { run: number; end: number } | undefined
  /** Behind what the store has; without a store, where the log begins. */
  #start: Mark
  #hasStore = false
  #entries = 0
  #rescued = 0
  #last: { run: number; end: number; lsn: Lsn } | undefined
  #isLogStarted = false
  readonly #kept = emptyTally()
  readonly #behind = emptyTally()

  constructor(kind: string, heads: LogFindings, sink: SalvageSink | undefined, onProgress: OnProgress | undefined) {
    this.#kind = kind
    this.#sink = sink
    this.#onProgress = onProgress
    this.#store = { kind, unchecked: undefined, mark: undefined, identity: undefined, entries: 0, bytes: 0 }
    // A store in memory comes back empty and takes everything from the log: that has to begin at 0.
    this.#start = { appliedLsn: 0, appliedPosition: kind === 'in-memory' ? 0 : heads.base }
    this.#heads = heads
  }

  /** The entries whose checksum holds. A store that cannot be opened, or read to its end, costs what it alone has. */
  async readStore(fs: FileSystem, location: StoreLocation): Promise<void> {
    let view: StoreView
    try {
      view = await openStoreView(fs, location)
    } catch (error) {
      this.#storeProblems.push(problemOf(error))
      this.#store.unchecked = 'it cannot be opened'
      return
    }
    try {
      this.#hasStore = true
      for (const problem of [...(await storeProblems(location)), ...view.damage.map(problemOf)]) {
        this.#storeProblems.push(problem)
        this.#losses.push(`Entries of the store: ${problem.message}`)
      }
      await this.#readMark(view)
      await this.#readEntries(view)
    } finally {
      await view.close()
    }
  }

  async takeFrame(frame: VerifiedFrame): Promise<void> {
    const { header, body, run, bytes } = frame
    const end = header.position + bytes
    if (this.#hasStore && header.position < this.#start.appliedPosition) {
      this.#noteRescues(frame)
      return
    }
    await this.#startLog()
    if (!this.#follows(frame)) {
      count(this.#behind, frame)
      return
    }
    this.#last = { run, end, lsn: header.lastLsn }
    count(this.#kept, frame)
    for (const { key } of this.#damaged.size > 0 ? readRecords(body) : []) this.#damaged.delete(key)
    await this.#sink?.frame(frame)
  }

  async finish(log: LogFindings): Promise<SalvageReport> {
    refuseNewer(log.problems)
    await this.#startLog()
    const problems = [...problemsOfLog(log), ...this.#storeProblems]
    const between = mismatches(log, this.#store)
    problems.push(...between)
    this.#tellLosses(log, between)
    return {
      kind: this.#kind,
      entries: this.#entries,
      rescued: this.#rescued,
      kept: this.#kept,
      behind: this.#behind,
      problems,
      losses: this.#losses,
      start: this.#start,
      ceiling: Math.max(log.ceiling, log.lastLsn, this.#start.appliedLsn),
    }
  }

  async #readMark(view: StoreView): Promise<void> {
    try {
      this.#store.identity = await view.identity()
      if (this.#heads.storeId !== undefined && !isOfLog(this.#store.identity, this.#heads)) throw wrongStore()
    } catch (error) {
      if (error instanceof AgentMemoryError && error.code === 'WRONG_STORE') throw error
      this.#storeProblems.push(problemOf(error))
      this.#store.unchecked = 'it cannot say whose it is'
    }
    try {
      this.#store.mark = await view.mark()
      this.#start = this.#store.mark
    } catch (error) {
      this.#storeProblems.push(problemOf(error))
      // The log's word for it is older at most: its frames from there on lead to the same state.
      const { lsn, position } = this.#heads.mark
      this.#start = { appliedLsn: lsn, appliedPosition: position }
    }
  }

  async #readEntries(view: StoreView): Promise<void> {
    let last: EncodedKey | undefined
    try {
      for await (const page of view.pages()) {
        const intact = page.filter(({ damage }) => damage === undefined)
        for (const { key, damage } of page) {
          last = key
          if (damage === undefined) continue
          this.#damaged.add(key)
          this.#storeProblems.push({ ...problemOf(damage), key: decodeSegments(key) })
        }
        this.#entries += intact.length
        this.#onProgress?.('store', this.#entries, undefined)
        await this.#sink?.entries(intact.map(({ key, bytes }) => ({ key, value: bytes })))
      }
    } catch (error) {
      const problem = problemOf(error)
      this.#storeProblems.push(problem)
      this.#losses.push(`Entries of the store ${lastKeyRead(last)}: ${problem.message}`)
    }
  }

  /** The newest record of a key, in frames that lead to the store's mark without a gap, is what the store was given. */
  #noteRescues({ header, body, run, bytes }: VerifiedFrame): void {
    if (this.#damaged.size === 0) return
    if (this.#rescueAt?.run !== run || this.#rescueAt.end !== header.position) this.#rescues.clear()
    this.#rescueAt = { run, end: header.position + bytes }
    for (const { key, value, ...head } of readRecords(body)) {
      if (this.#damaged.has(key)) this.#rescues.set(key, { ...head, value: value && Buffer.from(value) })
    }
  }

  async #startLog(): Promise<void> {
    if (this.#isLogStarted) return
    this.#isLogStarted = true
    if (this.#rescueAt?.end === this.#start.appliedPosition) await this.#rescue()
    await this.#sink?.startLog()
  }

  async #rescue(): Promise<void> {
    const entries: StoredEntry[] = []
    for (const [key, { value, ...head }] of this.#rescues) {
      this.#damaged.delete(key)
      if (value !== undefined) entries.push({ key, value: encodeStoredValue({ key, ...head, value }) })
    }
    this.#entries += entries.length
    this.#rescued = entries.length
    await this.#sink?.entries(entries)
  }

  /** Whether nothing is missing between what has been kept so far and this frame. */
  #follows({ header, run }: VerifiedFrame): boolean {
    if (this.#behind.frames > 0) return false
    const { appliedPosition, appliedLsn } = this.#start
    const knownLsn = this.#last?.lsn ?? (this.#hasStore ? appliedLsn : undefined)
    // A frame starts at the LSN behind all that was accepted before it: then only a frame without writes is missing.
    if (header.firstLsn - 1 === knownLsn) return true
    if (this.#last === undefined) return header.position === appliedPosition
    return run === this.#last.run && header.position === this.#last.end
  }

  #tellLosses(log: LogFindings, between: readonly Problem[]): void {
    if (this.#kind !== 'in-memory' && !this.#hasStore && !(log.base === 0 && log.firstLsn === 1)) {
      this.#losses.push(
        `Everything that only the store had${log.firstLsn > 1 ? `, which is up to LSN ${log.firstLsn - 1}` : ''}`,
      )
    }
    for (const key of this.#damaged) {
      this.#losses.push(`The value of ${JSON.stringify(decodeSegments(key))}, which is damaged in the store`)
    }
    for (const { code, message } of between)
      if (code === 'LOG_LOST') this.#losses.push(`What only the log had: ${message}`)
    const keptTo = this.#last?.lsn ?? this.#start.appliedLsn
    for (const { lsns, message } of log.problems) {
      if (lsns === undefined || (lsns.to ?? Number.POSITIVE_INFINITY) <= keptTo) continue
      this.#losses.push(`Writes of ${rangeText({ ...lsns, from: Math.max(lsns.from, keptTo + 1) })}: ${message}`)
    }
    const { frames, records, lsns } = this.#behind
    if (lsns === undefined) return
    this.#losses.push(
      `${records} records in ${frames} readable frames behind the gap (${rangeText(lsns)}), as they may depend on it`,
    )
  }
}
