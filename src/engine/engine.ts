/**
 * One open memory: wires the parts together and moves it through its states: open, failed, closing, closed.
 *
 * Fail-stop: after an error of the log nobody knows what its file holds, so writes are refused, what was accepted and
 * not synced is in doubt, and reads go on. `reopen` settles it: recovery says what is on the disk, and the rest is
 * logged again.
 */
import type { CompressionTally } from '../codec/compression.js'
import { isExpired } from '../codec/extras.js'
import { AgentMemoryError } from '../core/errors.js'
import type { Lsn } from '../core/lsn.js'
import type { Timer } from '../io/clock.js'
import { ExpiryClock } from '../io/expiry-clock.js'
import type { FileLock } from '../io/file-system.js'
import type { Log } from '../log/log.js'
import { closeSegments } from '../log/scan.js'
import { LossBudget, type MaxLoss } from '../policy/loss-budget.js'
import type { StoreIdentity } from '../stores/data-store.js'
import type { Tier } from '../tier/tier.js'
import { Checkpointer } from './checkpoint.js'
import type { EngineConfig } from './config.js'
import { DeadLetters } from './dead-letters.js'
import { Events } from './events.js'
import { closedError, failedError, inDoubtError, storeDownError, withDeadline } from './failures.js'
import { Feeds } from './feeds.js'
import { Flusher, type LoggedFrame } from './flush.js'
import { type EngineState, type MemoryStatus, statusOf } from './inspection.js'
import type { CloseReport, MemoryEngine } from './memory-engine.js'
import { folderError } from './memory-folder.js'
import { type OpenedParts, openParts } from './opening.js'
import { Reader } from './read.js'
import { type RecoveryReport, rescan, startLog } from './recovery.js'
import { Scanner } from './scan.js'
import { Settlement } from './settlement.js'
import type { StoreKeeper } from './store-keeper.js'
import { Sweeper } from './sweep.js'
import { Turns } from './turns.js'
import { warnOfOpen } from './warnings.js'
import { Writer } from './write.js'

// How long to wait before a segment is tried again that had no room on the disk.
const DISK_RETRY_MS = 1000

export class Engine implements MemoryEngine {
  readonly config: EngineConfig
  readonly events: Events
  readonly tier: Tier
  readonly keeper: StoreKeeper
  readonly flusher: Flusher
  readonly checkpointer: Checkpointer
  readonly reader: Reader
  readonly scanner: Scanner
  readonly writer: Writer
  readonly feeds: Feeds
  readonly turns: Turns
  readonly deadLetters: DeadLetters
  readonly compression: CompressionTally = { bytesBefore: 0, bytesAfter: 0 }
  readonly hasOneOrder = true
  readonly recovery: RecoveryReport
  readonly folderKind: string
  readonly epoch: number
  readonly #expiry: ExpiryClock
  readonly #sweeper: Sweeper
  readonly #lock: FileLock
  readonly #budgets = new Set<LossBudget>()
  readonly #identity: StoreIdentity
  #log: Log
  #state: EngineState = 'open'
  #failure: unknown
  #diskFull: AgentMemoryError | undefined
  #diskTimer: Timer | undefined
  #settlement = new Settlement()
  #reopening: Promise<void> | undefined
  #closing: Promise<CloseReport> | undefined

  /** Opens the memory in a folder, or makes it; recovers what a crash has left. */
  static async open(config: EngineConfig, events = new Events()): Promise<Engine> {
    return new Engine(config, events, await openParts(config, events))
  }

  private constructor(config: EngineConfig, events: Events, opened: OpenedParts) {
    const { lock, tier, keeper, parked, recovered, report, folderKind } = opened
    this.config = config
    this.events = events
    this.tier = tier
    this.keeper = keeper
    this.recovery = report
    this.folderKind = folderKind
    this.epoch = recovered.identity.epoch
    this.#identity = recovered.identity
    this.#lock = lock
    this.#expiry = new ExpiryClock(config.clock)
    this.#log = recovered.log
    const mark = { lsn: recovered.mark.appliedLsn, position: recovered.mark.appliedPosition }
    this.flusher = new Flusher(this.#log, recovered.lastLsn, mark, {
      tier,
      events,
      clock: config.clock,
      budgets: this.#budgets,
      onSynced: frame => this.#onSynced(frame),
      onRoom: () => this.writer.drain(),
      onFailed: error => this.#fail(error),
      onNoSegment: error => this.#onDiskFull(error),
    })
    this.checkpointer = new Checkpointer(this.#log, recovered.mark, recovered.frames, {
      config,
      keeper,
      tier,
      parked,
      events,
      expiry: this.#expiry,
      flusher: this.flusher,
      onRoom: () => this.writer.drain(),
      onLogError: error => this.#fail(error),
    })
    this.reader = new Reader(tier, keeper, this.#expiry, this.#log, () => this.#sweeper.wake())
    this.scanner = new Scanner(tier, keeper, this.reader)
    const checkWritable = () => this.#checkWritable()
    this.writer = new Writer({
      config,
      flusher: this.flusher,
      checkpointer: this.checkpointer,
      reader: this.reader,
      parked,
      checkWritable,
    })
    const { checkpointer } = this
    this.deadLetters = new DeadLetters({ parked, checkpointer, expiry: this.#expiry, checkWritable })
    parked.onReleased = key => this.reader.accepted(key)
    this.feeds = new Feeds(this.flusher)
    this.turns = new Turns(this.reader, this.writer, key => this.feeds.written(key))
    this.#sweeper = new Sweeper({
      clock: config.clock,
      expiry: this.#expiry,
      keeper,
      writer: this.writer,
      durability: 'write-ahead',
    })
    keeper.flushedLsn = () => this.checkpointer.flushedLsn
    keeper.onUp = found => this.checkpointer.storeIsUp(found)
    this.checkpointer.start()
    // The new segment's header says the store's mark, and is synced: what lies behind it may go.
    this.checkpointer.release()
    this.#prepareSpare()
    // Listeners can be added only once the caller has the memory: warnings wait for that.
    const found = { folder: config.folder, folderKind, tornBytes: report.tornBytes, lostAfter: recovered.lostAfter }
    config.clock.soon(() => warnOfOpen(events, found))
  }

  get state(): EngineState {
    return this.#state
  }

  get log(): Log {
    return this.#log
  }

  get lastLsn(): Lsn {
    return this.flusher.lastLsn
  }

  get durableLsn(): Lsn {
    return this.flusher.durableLsn
  }

  get diskFull(): AgentMemoryError | undefined {
    return this.#diskFull
  }

  get budgets(): ReadonlySet<LossBudget> {
    return this.#budgets
  }

  /** Whether something that expires at a moment, in ms since 1970, has less than this left. */
  expiresWithin(expiresAt: number, ms: number): boolean {
    return isExpired(expiresAt, this.#expiry.now() + ms)
  }

  /** The moment, in ms since 1970, at which something expires that is written now. */
  expiresAt(ttlMs: number): number {
    this.#sweeper.wake()
    return this.#expiry.now() + ttlMs
  }

  /** The moment that it is now, in ms since 1970: never set back while the memory is open. For people, not for order. */
  now(): number {
    return this.#expiry.now()
  }

  /** A loss bound that is kept for all writes counted in it. */
  addBudget(max: MaxLoss): LossBudget {
    const budget = new LossBudget(max)
    this.#budgets.add(budget)
    return budget
  }

  /** Throws CLOSED once the memory is being closed. */
  checkOpen(): void {
    if (this.#state === 'closing' || this.#state === 'closed') throw closedError()
  }

  /** Resolves once everything accepted so far is in the log. */
  async flush(): Promise<Lsn> {
    this.checkOpen()
    const lsn = this.flusher.lastLsn
    if (this.#state === 'failed' && lsn > this.flusher.durableLsn) throw failedError(this.#failure)
    await this.flusher.waitFor(lsn)
    return lsn
  }

  /** Resolves once everything accepted so far is in the data store, and the log has let go of what it need not keep. */
  async checkpoint(): Promise<Lsn> {
    const lsn = await this.flush()
    if (this.#state === 'failed') throw failedError(this.#failure)
    if (this.keeper.isDown) throw storeDownError(this.keeper.downError)
    await new Promise<void>((resolve, reject) => {
      this.checkpointer.wait({ lsn, resolve, reject, isImpatient: true })
    })
    await this.checkpointer.settle()
    return lsn
  }

  status(): MemoryStatus {
    return statusOf(this)
  }

  /** After a failure: recovers the log, logs again what was in doubt, and takes writes again. */
  reopen(): Promise<void> {
    this.checkOpen()
    if (this.#state === 'open') return Promise.resolve()
    this.#reopening ??= this.#reopen()
      .catch((error: unknown) => {
        // What is synced goes on to the store, and whoever waits for that is told.
        if (this.#state === 'failed') this.checkpointer.resume()
        throw folderError(this.config.folder, error)
      })
      .finally(() => {
        this.#reopening = undefined
      })
    return this.#reopening
  }

  report(): CloseReport {
    const inDoubt = this.flusher.inFlight?.entries.length ?? 0
    const lost = this.tier.dirtyCount
    const inLog = this.tier.unstoredCount - lost - inDoubt
    return { inStore: this.checkpointer.flushedLsn, inLog, inDoubt, lost }
  }

  /** Flushes, checkpoints as far as the deadline allows, and closes. What waits in the log is there at the next open. */
  close(deadlineMs: number): Promise<CloseReport> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  async #reopen(): Promise<void> {
    await this.checkpointer.pause()
    // A frame or a rotation may be in the thread pool still: the failure may have come from elsewhere.
    await this.flusher.idle()
    // Reads go on from its segments until the new log is there.
    const old = this.#log
    await old.closeSpare()
    const inFlight = this.flusher.inFlight
    const { mark } = this.checkpointer
    const { scan, logs } = await rescan(this.config, mark.appliedPosition)
    const isRecovered = inFlight !== undefined && scan.lastLsn >= inFlight.lastLsn
    try {
      this.#log = await startLog(this.config, logs, scan, mark, this.#identity, scan.ceiling + 1)
    } catch (error) {
      await closeSegments(scan.segments)
      throw error
    }
    // It may have been closed meanwhile, and must not come to life again.
    this.checkOpen()
    this.#state = 'open'
    this.#failure = undefined
    this.reader.useLog(this.#log)
    this.checkpointer.useLog(this.#log)
    this.flusher.resume(this.#log, isRecovered)
    this.checkpointer.resume()
    await old.close()
    await this.flusher.waitFor(this.flusher.lastLsn)
    this.#settlement.settle('kept')
    this.#settlement = new Settlement()
    this.#prepareSpare()
    this.writer.drain()
  }

  async #close(deadlineMs: number): Promise<CloseReport> {
    const { clock } = this.config
    const ends = clock.monotonicMs() + deadlineMs
    const reopening = Promise.allSettled([this.#reopening])
    await Promise.allSettled([withDeadline(reopening, deadlineMs, clock, closedError)])
    const hasFailed = this.#state === 'failed'
    this.#state = 'closing'
    this.#sweeper.stop()
    this.writer.rejectQueued(closedError())
    if (!hasFailed) await this.#drainBefore(ends)
    const paused = this.checkpointer.pause()
    await Promise.allSettled([withDeadline(paused, Math.max(1000, ends - clock.monotonicMs()), clock, closedError)])
    const settlement = this.#settlement
    this.flusher.stop(lsn => inDoubtError(lsn, () => settlement.promise, closedError()))
    this.checkpointer.stop(() => closedError())
    this.#diskTimer?.cancel()
    let work: Promise<unknown> = Promise.all([reopening, paused, this.flusher.idle(), this.#log.idle()])
    let isIdle = await this.#isIdleBefore(work, ends)
    let isClosed = false
    if (isIdle && !hasFailed) {
      const closing = this.flusher.writeCloseFrame().then(isWritten => {
        isClosed = isWritten
      })
      work = Promise.allSettled([closing])
      isIdle = await this.#isIdleBefore(work, ends)
    }
    if (isIdle && isClosed && this.checkpointer.isDrained) await this.#detach(ends)
    await this.keeper.close()
    // A file under a call that hangs must not be closed: its number might be given to another file meanwhile.
    if (isIdle) await this.#log.close()
    // Nor may anybody else own the folder while a call hangs that may yet rename a file in it, or change the store.
    if (isIdle && this.keeper.isIdle) await Promise.allSettled([this.#lock.release()])
    else
      void work
        .then(() => this.#log.close())
        .then(() => this.keeper.idle())
        .then(() => this.#lock.release())
        .catch(() => {})
    this.#settlement.abandon(closedError())
    this.#state = 'closed'
    return this.report()
  }

  /** Behind the close frame: whoever finds no log attached must find nothing in this one that the store lacks. */
  async #detach(ends: number): Promise<void> {
    const { clock } = this.config
    const mark = { appliedLsn: this.flusher.lastLsn, appliedPosition: this.#log.end }
    // If it does not come to that, the log stays attached, as after a crash.
    const ms = Math.max(1000, ends - clock.monotonicMs())
    await Promise.allSettled([withDeadline(this.keeper.detach(mark), ms, clock, closedError)])
  }

  async #isIdleBefore(work: Promise<unknown>, ends: number): Promise<boolean> {
    // A little time even behind the deadline: a sync that is going on is worth waiting for.
    const ms = Math.max(1000, ends - this.config.clock.monotonicMs())
    const [idle] = await Promise.allSettled([withDeadline(work, ms, this.config.clock, closedError)])
    return idle.status === 'fulfilled'
  }

  async #drainBefore(ends: number): Promise<void> {
    const { clock } = this.config
    const left = () => Math.max(0, ends - clock.monotonicMs())
    const late = () => closedError()
    // What does not get done in time is told in the report, so that no error of it matters here.
    const lsn = this.flusher.lastLsn
    const [flushed] = await Promise.allSettled([withDeadline(this.flusher.waitFor(lsn), left(), clock, late)])
    if (flushed!.status === 'rejected' || this.keeper.isDown) return
    const stored = new Promise<void>((resolve, reject) => {
      // If the store goes down meanwhile, the log keeps what it lacks: there is nothing to wait for.
      this.checkpointer.wait({ lsn, resolve, reject, isImpatient: true })
    })
    await Promise.allSettled([withDeadline(stored, left(), clock, late)])
    await Promise.allSettled([withDeadline(this.checkpointer.catchUp(), left(), clock, late)])
    await Promise.allSettled([withDeadline(this.checkpointer.settle(), left(), clock, late)])
  }

  #onSynced(frame: LoggedFrame): void {
    this.checkpointer.add(frame)
    this.feeds.synced()
    if (!this.#log.hasSpare) this.#prepareSpare()
    this.checkpointer.release()
    this.writer.drain()
  }

  #fail(error: unknown): void {
    if (this.#state !== 'open' && this.#state !== 'closing') return
    if (this.#state === 'open') this.#state = 'failed'
    this.#failure = error
    const settlement = this.#settlement
    this.flusher.stop(lsn => inDoubtError(lsn, () => settlement.promise, error))
    this.writer.rejectQueued(failedError(error))
    this.events.emit('failed', { error: failedError(error) })
  }

  #prepareSpare(): void {
    this.#log.prepareSpare().then(
      () => this.#onDiskFree(),
      (error: unknown) => this.#onDiskFull(error),
    )
  }

  /** A segment could not be made. Nothing is harmed: what is accepted waits, new writes are refused, it is tried again. */
  #onDiskFull(error: unknown): void {
    if ((this.#state !== 'open' && this.#state !== 'closing') || !(error instanceof AgentMemoryError)) return
    if (this.#diskFull === undefined) this.events.emit('diskFull', { error })
    this.#diskFull = error
    this.writer.rejectQueued(error)
    this.#diskTimer ??= this.config.clock.after(DISK_RETRY_MS, () => {
      this.#diskTimer = undefined
      this.flusher.retry()
      // A memory that is being closed needs room for what it has accepted, and none ahead.
      if (this.#state === 'open') this.#prepareSpare()
    })
  }

  #onDiskFree(): void {
    if (this.#diskFull === undefined) return
    this.#diskFull = undefined
    this.events.emit('diskFree', {})
    this.writer.drain()
  }

  #checkWritable(): void {
    this.checkOpen()
    if (this.#state === 'failed') throw failedError(this.#failure)
    if (this.#diskFull !== undefined) throw this.#diskFull
  }
}
