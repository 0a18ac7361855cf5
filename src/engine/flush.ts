/**
 * The group commit: all dirty entries into one frame, newest per key, whoever asked for it; one frame in flight.
 *
 * I1: a waiter of a frame is told only after the frame's sync has returned.
 * I2: a frame takes every accepted, unlogged write along, so a crash keeps a prefix of what was accepted.
 */

import { NEVER } from '../codec/extras.js'
import { NO_VALUE } from '../codec/form.js'
import { invariant } from '../core/assert.js'
import type { Lsn } from '../core/lsn.js'
import type { Clock, Timer } from '../io/clock.js'
import { FrameType, type LogMark } from '../log/format.js'
import type { Log, SealedFrame } from '../log/log.js'
import { recordBytes } from '../log/record.js'
import type { LossBudget } from '../policy/loss-budget.js'
import { type Entry, EntryState } from '../tier/entry.js'
import type { Tier } from '../tier/tier.js'
import { Batches } from './batches.js'
import type { Events } from './events.js'
import { SyncPace } from './sync-pace.js'

/** An encoded value as a binary string; `undefined` deletes. */
export interface EncodedWrite {
  form: number
  value: string | undefined
  /** In ms since 1970; 0 for never. */
  expiresAt: number
}

export const DELETED: EncodedWrite = { form: NO_VALUE, value: undefined, expiresAt: NEVER }

/** Says until when a key is known to have no value. It reads as absent. */
export function absentUntil(expiresAt: number): EncodedWrite {
  return { form: NO_VALUE, value: '', expiresAt }
}

/** A frame of the log with the entries that it took along. */
export interface LoggedFrame {
  position: number
  end: number
  lastLsn: Lsn
  entries: Entry[]
}

export interface Waiter {
  resolve(): void
  reject(error: unknown): void
  lsn: Lsn
  /** Does not want to wait for a data store that is down. */
  isImpatient?: boolean
}

export interface FlusherParts {
  tier: Tier
  clock: Clock
  events: Events
  budgets: ReadonlySet<LossBudget>
  /** A frame is on stable storage. */
  onSynced(frame: LoggedFrame): void
  /** There is room in the next frame again. */
  onRoom(): void
  /** The log has failed; `lsn` is the newest accepted. */
  onFailed(error: unknown): void
  /** A segment could not be made; nothing is harmed. It is tried again when `retry` is called. */
  onNoSegment(error: unknown): void
}

export class Flusher {
  readonly #parts: FlusherParts
  readonly #pace: SyncPace
  #log: Log
  #mark: LogMark
  #lastLsn: Lsn
  #durableLsn: Lsn
  /** Upper bound of the records of the next frame: what is dirty now. */
  #bodyBytes = 0
  /** Of what is dirty, and of the frame in flight. */
  #batches = new Batches()
  #framedBatches = new Batches()
  #inFlight: LoggedFrame | undefined
  #waiters: Waiter[] = []
  #framedWaiters: Waiter[] = []
  #isScheduled = false
  #isMakingRoom = false
  /** What the thread pool is doing for the log. */
  #work: Promise<void> = Promise.resolve()
  #markWanted = false
  #stopError: ((lsn: Lsn) => unknown) | undefined
  #alarm: { timer: Timer; at: number } | undefined

  constructor(log: Log, lastLsn: Lsn, mark: LogMark, parts: FlusherParts) {
    this.#log = log
    this.#parts = parts
    this.#pace = new SyncPace(parts.clock)
    this.#lastLsn = lastLsn
    this.#durableLsn = lastLsn
    this.#mark = mark
  }

  /** The newest accepted LSN. */
  get lastLsn(): Lsn {
    return this.#lastLsn
  }

  /** Everything up to it is on stable storage. */
  get durableLsn(): Lsn {
    return this.#durableLsn
  }

  /** Upper bound of the next frame's body. */
  get bodyBytes(): number {
    return this.#bodyBytes + this.#batches.bytes
  }

  /** Whether so many LSNs may be handed out before another frame is synced. */
  hasLsns(count: number): boolean {
    return this.#lastLsn + count <= this.#log.ceiling
  }

  /**
   * Takes a write: from here on it is visible, and has its place in the order. The caller has checked that there is room.
   * `batch` is the LSN of the first write of a batch of several.
   */
  accept(key: string, { form, value, expiresAt }: EncodedWrite, batch?: Lsn): Lsn {
    const lsn = this.#lastLsn + 1
    if (batch !== undefined) this.#batches.note(key, batch)
    invariant(lsn <= this.#log.ceiling, 'I7: an LSN above the durable ceiling')
    this.#lastLsn = lsn
    const before = this.#parts.tier.get(key)
    if (before?.state === EntryState.dirty) this.#bodyBytes -= bytesOf(before)
    this.#bodyBytes += bytesOf(this.#parts.tier.accept(key, lsn, form, value, expiresAt))
    return lsn
  }

  /** A frame with everything accepted is wanted as soon as the writes that are ready now have come in. */
  makeDue(): void {
    if (this.#isScheduled || this.#inFlight !== undefined || this.#isMakingRoom || this.#stopError !== undefined) return
    this.#isScheduled = true
    this.#parts.clock.soon(() => {
      this.#isScheduled = false
      this.#next()
    })
  }

  /** A frame is wanted at `at` on the monotonic clock at the latest. */
  makeDueBy(at: number): void {
    if (this.#alarm !== undefined && this.#alarm.at <= at) return
    this.#alarm?.timer.cancel()
    const ms = Math.max(0, at - this.#parts.clock.monotonicMs())
    const timer = this.#parts.clock.after(ms, () => {
      this.#alarm = undefined
      this.makeDue()
    })
    this.#alarm = { timer, at }
  }

  /** Calls the waiter once everything up to its LSN is on stable storage, and makes that due. */
  wait(waiter: Waiter): void {
    if (waiter.lsn <= this.#durableLsn) waiter.resolve()
    else if (this.#stopError !== undefined) waiter.reject(this.#stopError(waiter.lsn))
    else if (this.#inFlight !== undefined && waiter.lsn <= this.#inFlight.lastLsn) this.#framedWaiters.push(waiter)
    else {
      this.#waiters.push(waiter)
      this.makeDue()
    }
  }

  /** Resolves once everything accepted up to `lsn` is on stable storage. */
  waitFor(lsn: Lsn): Promise<void> {
    return new Promise((resolve, reject) => this.wait({ lsn, resolve, reject }))
  }

  /** The data store's mark, for the frames to come; `wanted` asks for a frame that says it even if nothing is dirty. */
  setMark(mark: LogMark, wanted: boolean): void {
    this.#mark = mark
    if (!wanted) return
    this.#markWanted = true
    this.makeDue()
  }

  /** Tries again what had no room on the disk. */
  retry(): void {
    if (this.#parts.tier.dirtyCount > 0) this.makeDue()
  }

  /** Writes the frame that says the log was closed, if everything accepted has been synced. Returns whether it has. */
  async writeCloseFrame(): Promise<boolean> {
    const isIdle = this.#inFlight === undefined && !this.#isMakingRoom && this.#parts.tier.dirtyCount === 0
    if (!isIdle || this.#log.failed) return false
    if (!this.#log.fits(0)) await this.#log.makeRoom(0)
    this.#log.builder.begin(0)
    await this.#log.append(this.#log.seal(FrameType.close, this.#lsns(), this.#mark))
    return true
  }

  /** Stops, for good or until `resume`: nothing is written any more, and `error` is what waiters are told. */
  stop(error: (lsn: Lsn) => unknown): void {
    this.#stopError = error
    this.#alarm?.timer.cancel()
    this.#alarm = undefined
    const waiters = [...this.#framedWaiters, ...this.#waiters]
    this.#framedWaiters = []
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error(waiter.lsn))
  }

  /** Resolves once no call of the log is going on. */
  idle(): Promise<void> {
    return this.#work
  }

  /** The frame that was being written when the log failed. */
  get inFlight(): LoggedFrame | undefined {
    return this.#inFlight
  }

  /**
   * Goes on with a new log. `recovered` says whether the frame in flight was found in it; if not, it is logged again,
   * under the LSNs that it had. New writes go on behind the last LSN that this process has handed out.
   */
  resume(log: Log, recovered: boolean): void {
    const frame = this.#inFlight
    this.#log = log
    this.#inFlight = undefined
    this.#stopError = undefined
    if (frame !== undefined && recovered) this.#settle(frame)
    else if (frame !== undefined) {
      this.#parts.tier.unframe(frame.entries)
      this.#batches.takeBack(this.#framedBatches)
      for (const entry of frame.entries) this.#bodyBytes += entry.lsn <= frame.lastLsn ? bytesOf(entry) : 0
    }
    this.makeDue()
  }

  #lsns(): { first: Lsn; last: Lsn } {
    return { first: this.#durableLsn + 1, last: this.#lastLsn }
  }

  #next(): void {
    const isWanted = this.#parts.tier.dirtyCount > 0 || this.#markWanted || this.#waiters.length > 0
    if (!isWanted || this.#inFlight !== undefined || this.#isMakingRoom || this.#stopError !== undefined) return
    if (this.#log.fits(this.bodyBytes)) this.#write()
    else this.#work = this.#makeRoom()
  }

  async #makeRoom(): Promise<void> {
    this.#isMakingRoom = true
    try {
      await this.#log.makeRoom(this.bodyBytes)
    } catch (error) {
      this.#isMakingRoom = false
      if (this.#log.failed) this.#parts.onFailed(error)
      else this.#parts.onNoSegment(error)
      return
    }
    this.#isMakingRoom = false
    this.makeDue()
  }

  #write(): void {
    const started = this.#parts.clock.monotonicMs()
    const { frame, sealed } = this.#seal()
    if (this.#pace.mayBlock(sealed.bytes.length)) {
      try {
        this.#log.appendNow(sealed)
      } catch (error) {
        this.#parts.onFailed(error)
        return
      }
      this.#pace.took(this.#parts.clock.monotonicMs() - started)
      this.#synced(frame, sealed, started)
    } else {
      const watch = this.#watchBounds()
      this.#work = this.#log
        .append(sealed)
        .then(
          () => {
            this.#pace.took(this.#parts.clock.monotonicMs() - started)
            this.#synced(frame, sealed, started)
          },
          (error: unknown) => this.#parts.onFailed(error),
        )
        .finally(() => {
          for (const timer of watch) timer.cancel()
        })
    }
  }

  /** A disk that hangs is told of when it overruns a bound, and not only when it has answered at last. */
  #watchBounds(): Timer[] {
    const { clock, events } = this.#parts
    const timers: Timer[] = []
    for (const { framedUntil, max } of this.#parts.budgets) {
      if (framedUntil === undefined) continue
      const ms = Math.max(0, framedUntil - clock.monotonicMs())
      const tell = () => events.emit('overrun', { maxLossMs: max.ms, ms: clock.monotonicMs() - framedUntil })
      // A little behind the bound, so that what is told is an overrun.
      timers.push(clock.afterIfAlive(ms + 1, tell))
    }
    return timers
  }

  #seal(): { frame: LoggedFrame; sealed: SealedFrame } {
    const { builder } = this.#log
    const entries = this.#parts.tier.takeDirty()
    builder.begin(this.bodyBytes)
    const position = this.#log.end
    for (const entry of entries) {
      const { key, lsn, form, value, expiresAt } = entry
      entry.recordOffset = builder.add(key, lsn, form, value, expiresAt, this.#batches.of(key, lsn))
      entry.framePosition = position
    }
    for (const budget of this.#parts.budgets) budget.framed()
    const type = entries.length > 0 ? FrameType.writes : FrameType.checkpoint
    const lsns = this.#lsns()
    const sealed = this.#log.seal(type, lsns, this.#mark)
    const frame = { position, end: position + sealed.bytes.length, lastLsn: lsns.last, entries }
    this.#bodyBytes = 0
    this.#framedBatches = this.#batches
    this.#batches = new Batches()
    this.#markWanted = false
    this.#inFlight = frame
    this.#framedWaiters = this.#waiters
    this.#waiters = []
    this.#parts.onRoom()
    return { frame, sealed }
  }

  #synced(frame: LoggedFrame, sealed: SealedFrame, started: number): void {
    if (this.#inFlight !== frame) return
    this.#inFlight = undefined
    this.#settle(frame)
    const now = this.#parts.clock.monotonicMs()
    this.#parts.events.emit('flush', {
      lsn: frame.lastLsn,
      entries: frame.entries.length,
      bytes: sealed.bytes.length,
      durationMs: now - started,
    })
    if (this.#waiters.length > 0) this.makeDue()
    else this.#setAlarm()
  }

  #settle(frame: LoggedFrame): void {
    this.#durableLsn = frame.lastLsn
    this.#log.noteLastLsn(frame.lastLsn)
    this.#parts.tier.synced(frame.entries, frame.lastLsn)
    // The checkpoint learns of the frame first, so that whoever goes on to wait for the store finds it there.
    this.#parts.onSynced(frame)
    const now = this.#parts.clock.monotonicMs()
    for (const budget of this.#parts.budgets) {
      const ms = budget.synced(now)
      if (ms > 0) this.#parts.events.emit('overrun', { maxLossMs: budget.max.ms, ms })
    }
    const waiters = this.#framedWaiters
    this.#framedWaiters = []
    for (const waiter of waiters) waiter.resolve()
  }

  /** Writes that were acknowledged while the frame was in flight have bounds of their own. */
  #setAlarm(): void {
    let isPressing = false
    for (const budget of this.#parts.budgets) {
      isPressing ||= budget.isPressing
      if (budget.flushBy !== undefined) this.makeDueBy(budget.flushBy)
    }
    if (isPressing || this.#markWanted) this.makeDue()
  }
}

function bytesOf(entry: Entry): number {
  return recordBytes(entry.key.length, entry.value === undefined ? 0 : entry.value.length, entry.expiresAt)
}
