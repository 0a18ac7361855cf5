/**
 * The checkpoint: synced frames into the data store, in order; then the segments that it has for sure are released.
 * It runs on a timer, on log bytes, on pending entries, on demand, and at once while a write-through waits.
 */
import type { AgentMemoryError } from '../core/errors.js'
import type { Lsn } from '../core/lsn.js'
import type { Clock, Timer } from '../io/clock.js'
import type { ExpiryClock } from '../io/expiry-clock.js'
import type { Log } from '../log/log.js'
import type { Change, Mark } from '../stores/data-store.js'
import type { Tier } from '../tier/tier.js'
import type { Refusal, RunResult } from './checkpoint-run.js'
import { type EngineConfig, PRESSED_RUN_LIMITS, RUN_LIMITS, type RunLimits } from './config.js'
import type { Events } from './events.js'
import { cannotKeepError, failedError, logFullError, storeDownError } from './failures.js'
import type { Flusher, LoggedFrame, Waiter } from './flush.js'
import { PARKED_BYTES_MAX, PARKED_WRITES_MAX, type ParkedWrites } from './parked-writes.js'
import { type ApplyPart, lettersFor, narrowDown } from './refused-frame.js'
import type { FoundStore, StoreKeeper } from './store-keeper.js'

// A checkpoint starts once the store lacks this share of what it may lack at most.
const START_AT = 1 / 8
const PACED_ENTRIES_MAX = 64 * 1024
// How long a store is left alone, in ms, that refuses more than can be kept as dead letters.
const BLOCKED_MS = 5000

export interface CheckpointerParts {
  config: EngineConfig
  keeper: StoreKeeper
  flusher: Flusher
  tier: Tier
  parked: ParkedWrites
  events: Events
  expiry: ExpiryClock
  /** The log has less to hold, or the store has come or gone: calls that wait for room may go on, or must not wait. */
  onRoom(): void
  /** A segment could not be removed, or the log is damaged: the log cannot be trusted any more. */
  onLogError(error: unknown): void
}

export class Checkpointer {
  readonly #parts: CheckpointerParts
  readonly #clock: Clock
  #log: Log
  #frames: LoggedFrame[] = []
  #mark: Mark
  #flushedLsn: Lsn
  #waiters: Waiter[] = []
  /** Frames up to this position are wanted in the store. */
  #target = 0
  #running: Promise<void> | undefined
  #timer: Timer | undefined
  #paused = false
  #releasing: Promise<void> | undefined
  #stopError: ((lsn: Lsn) => unknown) | undefined
  /** A run was refused: until the end of it, no more frames at a time than this. */
  #narrowed: { frames: number; to: number } | undefined
  /** The store refuses more than can be kept as dead letters. */
  #blocked: AgentMemoryError | undefined
  #blockedTimer: Timer | undefined
  /** What waits to have the store for itself. */
  readonly #guests: { run(): Promise<void>; reject(error: unknown): void }[] = []

  constructor(log: Log, mark: Mark, frames: LoggedFrame[], parts: CheckpointerParts) {
    this.#log = log
    this.#mark = mark
    this.#flushedLsn = mark.appliedLsn
    this.#frames = frames
    this.#parts = parts
    this.#clock = parts.config.clock
  }

  /** What recovery has brought goes to the store now: a process that is killed again and again must not fill the disk. */
  start(): void {
    if (this.#frames.length > 0) this.press()
  }

  get mark(): Mark {
    return this.#mark
  }

  /** Everything up to it is in the data store for good. */
  get flushedLsn(): Lsn {
    return this.#flushedLsn
  }

  /** Whether the store has everything that the log has, dead letters included. */
  get isDrained(): boolean {
    return this.#frames.every(frame => frame.entries.length === 0)
  }

  /** Whether the log, and the index of pending entries, may take more. */
  get hasRoom(): boolean {
    const { logBytesMax, pendingEntriesMax } = this.#parts.config
    const isStuck = this.#parts.keeper.isDown || this.#blocked !== undefined
    const entriesMax = isStuck ? pendingEntriesMax : this.#pacedEntriesMax
    return this.#logBytes < logBytesMax && this.#parts.tier.unstoredCount < entriesMax
  }

  /** Why the store is given nothing although it is up. */
  get blocked(): AgentMemoryError | undefined {
    return this.#blocked
  }

  /** Why a call need not wait for room, which will not come by itself; `undefined` if it may. */
  noRoomError(): AgentMemoryError | undefined {
    const { config, keeper, tier } = this.#parts
    if (this.hasRoom || !(keeper.isDown || this.#blocked)) return undefined
    const why = keeper.isDown ? 'The data store is down' : 'The data store refuses what it is given,'
    const { logBytesMax, pendingEntriesMax } = config
    return logFullError(why, `${tier.unstoredCount} entries of ${pendingEntriesMax}, up to ${logBytesMax} bytes`)
  }

  /** A frame has been synced. */
  add(frame: LoggedFrame): void {
    this.#frames.push(frame)
    this.#startIfDue()
  }

  /** Calls the waiter once the store has everything up to its LSN for good. The LSN must be synced. */
  wait(waiter: Waiter): void {
    if (waiter.lsn <= this.#storedLsn) {
      waiter.resolve()
      return
    }
    const error = this.#stopError?.(waiter.lsn) ?? (waiter.isImpatient ? this.#blocked : undefined)
    if (error !== undefined) {
      waiter.reject(error)
      return
    }
    this.#waiters.push(waiter)
    this.press()
  }

  /** Forgets a waiter whose patience has ended. */
  leave(waiter: Waiter): void {
    this.#waiters = this.#waiters.filter(each => each !== waiter)
  }

  /** Everything synced so far is wanted in the store now. */
  press(): void {
    this.#target = this.#log.end
    this.#start()
  }

  /** Also frames without records move the mark, and only the mark lets segments go. */
  async catchUp(): Promise<void> {
    this.press()
    await this.#running
  }

  /** Work with the store between two runs. `apply` is one transaction under the mark that the store has. */
  alone<T>(work: (apply: ApplyPart) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => work(changes => this.#applyPart(changes, this.#mark)).then(resolve, reject)
      this.#guests.push({ run, reject })
      this.#start()
    })
  }

  /** The store is up again and says how far it is: a run whose outcome was not known is settled by that. */
  storeIsUp({ mark, parked, isFirst }: FoundStore): void {
    this.#parts.parked.settle(parked, lsn => this.#firstLsnOf(lsn))
    this.#unblock()
    this.#applied(mark, isFirst)
    this.#flushed()
    this.#parts.onRoom()
    if (this.#waiters.length > 0) this.press()
    else this.#startIfDue()
  }

  /** Resolves once no run is going on; none starts until `resume`. */
  async pause(): Promise<void> {
    this.#paused = true
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#running
    await this.#releasing
  }

  useLog(log: Log): void {
    this.#log = log
  }

  resume(): void {
    this.#paused = false
    if (this.#waiters.length > 0 || this.#guests.length > 0) this.press()
    else this.#startIfDue()
  }

  /** Nobody will be told any more that the store has something: waiters are told `error`. */
  stop(error: (lsn: Lsn) => unknown): void {
    const waiters = this.#waiters
    this.#waiters = []
    this.#stopError = error
    this.#blockedTimer?.cancel()
    for (const waiter of waiters) waiter.reject(error(waiter.lsn))
    for (const guest of this.#guests.splice(0)) guest.reject(error(this.#mark.appliedLsn))
  }

  /** Makes sure that the log says how far the store is, and removes the segments that are not needed any more. */
  async settle(): Promise<void> {
    if (this.#parts.keeper.isDown || !this.#parts.keeper.isPersistent) return
    const mark = this.#mark
    const flushedLsn = await this.#parts.keeper.flush()
    if (flushedLsn < mark.appliedLsn) return
    const logMark = { lsn: mark.appliedLsn, position: mark.appliedPosition }
    this.#parts.flusher.setMark(logMark, this.#log.wouldRelease(logMark))
  }

  /** Removes the segments that no synced frame needs any more. Called after each frame: one of them says the mark. */
  release(): void {
    if (this.#releasing !== undefined || this.#paused || !this.#log.canRelease) return
    this.#releasing = this.#log
      .release()
      .catch((error: unknown) => this.#parts.onLogError(error))
      .finally(() => {
        this.#releasing = undefined
      })
  }

  /**
   * Every write up to it is in the store for good. Recovery leaves a gap of LSNs that no frame has: if the store has
   * all frames with writes, it has all writes up to whatever LSN is durable.
   */
  get #storedLsn(): Lsn {
    return this.isDrained ? this.#parts.flusher.durableLsn : this.#flushedLsn
  }

  /** A store that is up is not outrun by more: each pending entry takes RAM, and the log is for outages. */
  get #pacedEntriesMax(): number {
    return Math.min(this.#parts.config.pendingEntriesMax, PACED_ENTRIES_MAX)
  }

  get #logBytes(): number {
    return this.#log.bytesSince(this.#mark.appliedPosition)
  }

  #startIfDue(): void {
    const { logBytesMax, checkpointMs } = this.#parts.config
    const isDue =
      this.#logBytes > Math.min(logBytesMax * START_AT, 64 << 20) ||
      this.#parts.tier.unstoredCount > this.#pacedEntriesMax * START_AT
    if (isDue) this.press()
    else if (this.#frames.length > 0 && !this.#paused) {
      this.#timer ??= this.#clock.afterIfAlive(checkpointMs, () => {
        this.#timer = undefined
        this.press()
      })
    }
  }

  #start(): void {
    if (this.#running !== undefined || this.#paused) return
    const guest = this.#guests.shift()
    if (guest === undefined && !this.#isWanted) return
    const work = guest === undefined ? this.#run() : guest.run().then(() => this.#unblock())
    this.#running = work.finally(() => {
      this.#running = undefined
      // A target that was set after the last run had looked would be forgotten otherwise.
      this.#start()
    })
  }

  #limits(): RunLimits {
    const limits = this.#waiters.length > 0 ? PRESSED_RUN_LIMITS : RUN_LIMITS
    const { runKeysMax = limits.keys } = this.#parts.config.store
    const { frames } = this.#narrowed ?? limits
    return { ...limits, frames, keys: Math.min(limits.keys, runKeysMax) }
  }

  /** Whether there is something to apply, and a store to take it. */
  get #isWanted(): boolean {
    const isWanted = this.#mark.appliedPosition < this.#target && !this.#paused
    return isWanted && this.#blocked === undefined && !this.#parts.keeper.isDown
  }

  async #run(): Promise<void> {
    while (this.#isWanted && this.#guests.length === 0) {
      const started = this.#clock.monotonicMs()
      try {
        const outcome = await this.#parts.keeper.apply({
          refs: this.#log.refs(this.#mark.appliedPosition),
          from: this.#mark.appliedPosition,
          to: this.#target,
          nowMs: this.#parts.expiry.now(),
          limits: this.#limits(),
          parked: this.#parts.parked.keys,
        })
        const result = outcome.refusal === undefined ? outcome.result : await this.#narrow(outcome.refusal)
        if (result === undefined) continue
        this.#parts.parked.superseded(result.superseded)
        if (this.#narrowed !== undefined && result.mark.appliedPosition >= this.#narrowed.to) this.#narrowed = undefined
        this.#applied(result.mark)
        const durationMs = this.#clock.monotonicMs() - started
        const { entries, bytes } = result
        this.#parts.events.emit('checkpoint', { lsn: result.mark.appliedLsn, entries, bytes, durationMs })
      } catch (error) {
        // The keeper has told of a store that is down, and tells when it is up again. Anything else is the log's.
        const { isDown, downError } = this.#parts.keeper
        if (!isDown) {
          // It would fail again at once, and for ever: `resume` comes with a new log.
          this.#paused = true
          this.#parts.onLogError(error)
        }
        this.#dismissImpatient(isDown ? storeDownError(downError) : failedError(error))
        this.#parts.onRoom()
        return
      }
      this.#flushed()
      if (this.#log.wouldRelease({ lsn: this.#mark.appliedLsn, position: this.#mark.appliedPosition })) {
        await this.#trySettle()
      }
      this.#parts.onRoom()
    }
    if (this.#parts.keeper.isDown) this.#dismissImpatient(storeDownError(this.#parts.keeper.downError))
  }

  async #trySettle(): Promise<void> {
    try {
      await this.settle()
    } catch {
      // A flush that fails makes the store count as down, which its keeper tells and mends; nothing is released then.
    }
  }

  /**
   * The store has refused a run. Half as many frames next time; of a single one, what it takes goes into it, and the rest
   * becomes dead letters.
   */
  async #narrow({ frames, end, reason }: Refusal): Promise<RunResult | undefined> {
    if (frames > 1) {
      this.#narrowed = { frames: Math.ceil(frames / 2), to: end }
      return undefined
    }
    this.#narrowed = undefined
    const { parked } = this.#parts
    const frame = await this.#log.read(this.#mark.appliedPosition)
    const { header, body } = frame
    const mark = { appliedLsn: header.lastLsn, appliedPosition: header.position + frame.bytes }
    const applyPart: ApplyPart = changes => this.#applyPart(changes, this.#mark)
    const { refused, bytes } = await narrowDown(body, reason, parked, this.#parts.expiry.now(), applyPart)
    if (!parked.hasRoomFor(refused)) {
      const limits = `more than ${PARKED_WRITES_MAX} of them, or than ${PARKED_BYTES_MAX} bytes`
      return this.#block(cannotKeepError(`${limits}: ${reason}`))
    }
    const why = await this.#applyPart(lettersFor(refused, parked), mark)
    if (why !== undefined) return this.#block(cannotKeepError(why))
    parked.add(refused, lsn => this.#firstLsnOf(lsn))
    return { mark, entries: header.records - refused.length, bytes, superseded: [] }
  }

  async #applyPart(changes: Change[], mark: Mark): Promise<string | undefined> {
    const { refusal } = await this.#parts.keeper.apply({ changes, mark })
    return refusal?.reason
  }

  /** The first LSN of the frame that holds this one, of those that the store does not have yet. */
  #firstLsnOf(lsn: Lsn): Lsn {
    const index = this.#frames.findIndex(frame => frame.lastLsn >= lsn)
    return (index > 0 ? this.#frames[index - 1]!.lastLsn : this.#mark.appliedLsn) + 1
  }

  #block(error: AgentMemoryError): undefined {
    this.#blocked = error
    this.#dismissImpatient(error)
    this.#parts.onRoom()
    this.#blockedTimer = this.#clock.afterIfAlive(BLOCKED_MS, () => {
      this.#unblock()
      this.#start()
    })
  }

  #unblock(): void {
    this.#blockedTimer?.cancel()
    this.#blocked = undefined
  }

  #dismissImpatient(error: unknown): void {
    const impatient = this.#waiters.filter(waiter => waiter.isImpatient)
    this.#waiters = this.#waiters.filter(waiter => !waiter.isImpatient)
    for (const waiter of impatient) waiter.reject(error)
  }

  /** `hadIt`: the store had it before the memory was opened, and answers for it: a letter of it may have been discarded. */
  #applied(mark: Mark, hadIt = false): void {
    let count = 0
    for (const frame of this.#frames) {
      if (frame.end > mark.appliedPosition) break
      this.#parts.tier.stored(frame.entries, frame.lastLsn)
      if (hadIt) for (const { key } of frame.entries) this.#parts.tier.letGo(key)
      count += 1
    }
    this.#frames.splice(0, count)
    this.#mark = mark
  }

  /** The keeper flushes a store whose commits are not durable by themselves, so what is applied is there for good. */
  #flushed(): void {
    this.#flushedLsn = this.#mark.appliedLsn
    const storedLsn = this.#storedLsn
    const ready = this.#waiters.filter(waiter => waiter.lsn <= storedLsn)
    if (ready.length === 0) return
    this.#waiters = this.#waiters.filter(waiter => waiter.lsn > storedLsn)
    for (const waiter of ready) waiter.resolve()
  }
}
