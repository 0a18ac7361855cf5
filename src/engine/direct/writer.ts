/**
 * The write path of direct mode. A write that depends on nothing is accepted at once, into the tier; one that does is
 * planned on what is known of its keys, for the store to check. One batch is on its way to the store at a time, and it takes
 * everything accepted along, so what a crash of this node leaves is a prefix of what it had accepted.
 *
 * I31: nothing is acknowledged but by the store's own answer, or as write-back within its bound; and the link lets each batch
 * take effect once or not at all.
 */
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Clock, Timer } from '../../io/clock.js'
import type { Durability, Milestone } from '../../policy/durability.js'
import type { LossBudget } from '../../policy/loss-budget.js'
import type { DirectOutcome, DirectUnit } from '../../stores/direct-store.js'
import { type Entry, EntryState } from '../../tier/entry.js'
import type { Tier } from '../../tier/tier.js'
import type { Events } from '../events.js'
import { needsLogError, overloadedError, refusedDownError, tooLargeError } from '../failures.js'
import type { EncodedWrite } from '../flush.js'
import type { WritePath } from '../paths.js'
import { asksForState, bytesOf, type Write, type WriteResult } from '../write.js'
import { Calls } from './calls.js'
import type { DirectLink } from './link.js'
import { directWrite, type PlannedCall } from './plan.js'
import type { DirectReader } from './reader.js'
import { Accepted, Stored } from './results.js'
import { type Given, Waiters } from './waiters.js'

export interface DirectWriterParts {
  config: { clock: Clock; frameBytesMax: number; queuedBytesMax: number; storeDeadlineMs: number }
  tier: Tier
  link: DirectLink
  reader: DirectReader
  events: Events
  budgets: ReadonlySet<LossBudget>
  /** Throws if no write may be accepted now. */
  checkWritable(): void
  /** Nothing can be written any more. */
  onFailed(error: unknown): void
}

/** A call that waits for room. */
interface Queued {
  bytes: number
  run(): void
  reject(error: unknown): void
}

/** A batch on its way. */
interface Sent {
  at: number
  /** Everything accepted up to here is in it, or was before. */
  lastNumber: number
  entries: { entry: Entry; number: number }[]
  calls: PlannedCall[]
}

export class DirectWriter implements WritePath {
  readonly #parts: DirectWriterParts
  readonly #clock: Clock
  #accepted = 0
  /** Bytes of what is accepted and not sent. */
  #bodyBytes = 0
  readonly #waiters: Waiters
  #queue: Queued[] = []
  #queuedBytes = 0
  readonly #calls: Calls
  #sent: Sent | undefined
  #isScheduled = false
  #alarm: { timer: Timer; at: number } | undefined
  #stopError: unknown
  #onIdle: (() => void)[] = []
  /** The newest version that this node was given. */
  lastVersion: Lsn = 0

  constructor(parts: DirectWriterParts) {
    this.#parts = parts
    this.#clock = parts.config.clock
    this.#waiters = new Waiters(this.#clock, parts.config.storeDeadlineMs, () => parts.link.downError)
    this.#calls = new Calls({
      ...parts,
      checkSize: (bytes, count) => this.#checkSize(bytes, count),
      hold: bytes => this.hold(bytes),
      release: bytes => this.release(bytes),
      onReady: () => this.#makeDue(),
      onEnded: () => this.#checkIdle(),
    })
    // There will be no room before it is up again.
    parts.events.on('storeDown', ({ error }) => this.#rejectQueued(refusedDownError(error)))
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Entries of the batch that is on its way. */
  get sentCount(): number {
    const { entries = [], calls = [] } = this.#sent ?? {}
    return calls.reduce((sum, { unit }) => sum + unit.length, entries.length)
  }

  writeOne(key: EncodedKey, content: EncodedWrite, durability: Durability, budget: LossBudget): Promise<WriteResult> {
    return this.write([{ key, content, expected: undefined, budget }], durability)
  }

  write(writes: readonly Write[], durability: Durability, onAccepted?: () => void): Promise<WriteResult> {
    try {
      this.#parts.checkWritable()
      checkDurability(durability)
      if (writes.some(asksForState)) return this.#calls.begin(writes, onAccepted)
      const bytes = writes.map(({ key, content }) => bytesOf(key, content as EncodedWrite))
      const total = bytes.reduce((sum, each) => sum + each, 0)
      this.#checkSize(total, writes.length)
      if (this.#queue.length === 0 && this.#fits(total)) return this.#take(writes, bytes, durability, onAccepted)
      if (this.#parts.link.downError !== undefined) throw refusedDownError(this.#parts.link.downError)
      this.hold(total)
      return new Promise((resolve, reject) => {
        const run = () => {
          try {
            resolve(this.#take(writes, bytes, durability, onAccepted))
          } catch (error) {
            reject(error)
          }
        }
        this.#queue.push({ bytes: total, run, reject })
        this.#makeDue()
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  answer(lsn: Lsn, durability: Durability): Promise<WriteResult> {
    try {
      checkDurability(durability)
      return Promise.resolve(new Stored(lsn))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** What has a version is in the store. */
  reach(_lsn: Lsn, _milestone: Milestone): Promise<void> {
    return Promise.resolve()
  }

  hold(bytes: number): void {
    const limit = this.#parts.config.queuedBytesMax
    if (this.#queuedBytes + bytes > limit) throw overloadedError(this.#queuedBytes, limit)
    this.#queuedBytes += bytes
  }

  release(bytes: number): void {
    this.#queuedBytes -= bytes
  }

  /** Resolves once nothing waits for the store any more. */
  drained(): Promise<void> {
    return new Promise(resolve => {
      this.#onIdle.push(resolve)
      this.#checkIdle()
    })
  }

  /** Resolves once the store has everything accepted so far. */
  stored(): Promise<void> {
    return this.#storedUpTo(this.#accepted)
  }

  /** From now on nothing is sent: `error` is what those are told who wait. */
  stop(error: unknown): void {
    if (this.#stopError !== undefined) return
    this.#stopError = error
    this.#alarm?.timer.cancel()
    this.#rejectQueued(error)
    this.#calls.stop(error)
    this.#waiters.stop(this.#sent?.lastNumber ?? 0, error)
  }

  #rejectQueued(error: unknown): void {
    for (const { bytes, reject } of this.#queue.splice(0)) {
      this.release(bytes)
      reject(error)
    }
  }

  #take(
    writes: readonly Write[],
    bytes: readonly number[],
    durability: Durability,
    onAccepted: (() => void) | undefined,
  ): Promise<WriteResult> {
    this.#parts.checkWritable()
    const { link, tier, reader } = this.#parts
    const now = this.#clock.monotonicMs()
    const admitted =
      durability === 'write-back' && writes.every(({ budget }, index) => budget.admit(bytes[index]!, now))
    // Whoever waits for the store is told at once that it is down, and nothing is kept of the call.
    if (!admitted && link.downError !== undefined) throw refusedDownError(link.downError)
    for (const { key, content } of writes) {
      const { form, value, expiresAt } = content as EncodedWrite
      this.#accepted += 1
      const before = tier.get(key)
      if (before?.state === EntryState.dirty) this.#bodyBytes -= bytesOf(key, before)
      tier.accept(key, this.#accepted, form, value, expiresAt)
      this.#bodyBytes += bytesOf(key, content as EncodedWrite)
      reader.accepted(key)
    }
    onAccepted?.()
    const number = this.#accepted
    if (admitted) {
      for (const { budget } of writes) this.#makeDueFor(budget)
      return Promise.resolve(new Accepted(() => this.#storedUpTo(number)))
    }
    return new Promise((resolve, reject) => {
      this.#waiters.wait(number, writes.at(-1)?.key, version => resolve(new Stored(version)), reject)
      this.#makeDue()
    })
  }

  #storedUpTo(number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.wait(number, undefined, () => resolve(), reject)
      if (this.#waiters.count > 0) this.#makeDue()
    })
  }

  #checkIdle(): void {
    if (this.#calls.count > 0 || this.#waiters.stored < this.#accepted) {
      if (this.#onIdle.length > 0) this.#makeDue()
      return
    }
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  #checkSize(bytes: number, count: number): void {
    const limit = this.#parts.config.frameBytesMax
    if (bytes > limit) throw tooLargeError(count > 1 ? 'BATCH_TOO_LARGE' : 'VALUE_TOO_LARGE', bytes, limit)
  }

  #fits(bytes: number): boolean {
    return this.#bodyBytes === 0 || this.#bodyBytes + bytes <= this.#parts.config.frameBytesMax
  }

  #makeDueFor(budget: LossBudget): void {
    if (budget.isPressing) this.#makeDue()
    else if (budget.flushBy !== undefined) this.#makeDueBy(budget.flushBy)
  }

  #makeDueBy(at: number): void {
    if (this.#alarm !== undefined && this.#alarm.at <= at) return
    this.#alarm?.timer.cancel()
    const timer = this.#clock.after(Math.max(0, at - this.#clock.monotonicMs()), () => {
      this.#alarm = undefined
      this.#makeDue()
    })
    this.#alarm = { timer, at }
  }

  #makeDue(): void {
    if (this.#isScheduled || this.#sent !== undefined || this.#stopError !== undefined) return
    this.#isScheduled = true
    this.#clock.soon(() => {
      this.#isScheduled = false
      this.#next()
    })
  }

  #next(): void {
    if (this.#sent !== undefined || this.#stopError !== undefined) return
    const calls = this.#calls.plan(this.#bodyBytes)
    const entries = this.#parts.tier.takeDirty().map(entry => ({ entry, number: entry.lsn }))
    if (entries.length === 0 && calls.length === 0) {
      this.#drain()
      return
    }
    const units: DirectUnit[] =
      entries.length === 0 ? [] : [entries.map(({ entry }) => directWrite(entry.key, entry, undefined))]
    units.push(...calls.map(({ unit }) => unit))
    const sent: Sent = { at: this.#clock.monotonicMs(), lastNumber: this.#accepted, entries, calls }
    this.#sent = sent
    this.#bodyBytes = 0
    for (const budget of this.#parts.budgets) budget.framed()
    const watch = this.#watchBounds()
    this.#parts.link
      .send(units)
      .finally(() => {
        for (const timer of watch) timer.cancel()
      })
      .then(
        outcomes => this.#landed(sent, outcomes),
        (error: unknown) => this.#failed(sent, error),
      )
    this.#drain()
  }

  #landed(sent: Sent, outcomes: DirectOutcome[]): void {
    this.#sent = undefined
    const [first, ...rest] = sent.entries.length === 0 ? [undefined, ...outcomes] : outcomes
    const versions = this.#entriesStored(sent, first)
    const now = this.#clock.monotonicMs()
    for (const budget of this.#parts.budgets) {
      const ms = budget.synced(now)
      if (ms > 0) this.#parts.events.emit('overrun', { maxLossMs: budget.max.ms, ms })
    }
    this.#waiters.settle(sent.lastNumber, versions)
    this.lastVersion = Math.max(this.lastVersion, this.#calls.landed(sent.calls, rest as DirectOutcome[], sent.at))
    this.#checkIdle()
    this.#drain()
    this.#setAlarm()
    if (this.#waiters.count > 0) this.#makeDue()
  }

  #entriesStored(sent: Sent, outcome: DirectOutcome | undefined): Map<EncodedKey, Given> {
    const versions = new Map<EncodedKey, Given>()
    if (outcome === undefined || !('versions' in outcome)) return versions
    const { tier, reader } = this.#parts
    const entries = sent.entries.map(({ entry }) => entry)
    tier.synced(entries, sent.lastNumber)
    const standing = sent.entries.map(({ entry, number }) => entry.state === EntryState.pending && entry.lsn === number)
    tier.stored(entries, sent.lastNumber)
    for (const [index, { entry, number }] of sent.entries.entries()) {
      const version = outcome.versions[index]!
      versions.set(entry.key, { number, version })
      this.lastVersion = Math.max(this.lastVersion, version)
      if (standing[index]) reader.stored(entry, version, sent.at)
    }
    return versions
  }

  /** The error says of the batch whether its outcome is known. Nothing is sent after it. */
  #failed(sent: Sent, error: unknown): void {
    this.#calls.failed(sent.calls, error)
    this.#waiters.fail(sent.lastNumber, error)
    this.#parts.onFailed(error)
  }

  #drain(): void {
    while (this.#queue.length > 0 && this.#fits(this.#queue[0]!.bytes)) {
      const next = this.#queue.shift()!
      this.release(next.bytes)
      next.run()
    }
    if (this.#queue.length > 0) this.#makeDue()
  }

  #watchBounds(): Timer[] {
    const { budgets, events } = this.#parts
    const timers: Timer[] = []
    for (const { framedUntil, max } of budgets) {
      if (framedUntil === undefined) continue
      const ms = Math.max(0, framedUntil - this.#clock.monotonicMs())
      const tell = () => events.emit('overrun', { maxLossMs: max.ms, ms: this.#clock.monotonicMs() - framedUntil })
      timers.push(this.#clock.afterIfAlive(ms + 1, tell))
    }
    return timers
  }

  /** Writes that were acknowledged while the batch was on its way have bounds of their own. */
  #setAlarm(): void {
    for (const budget of this.#parts.budgets) this.#makeDueFor(budget)
  }
}

function checkDurability(durability: Durability): void {
  if (durability === 'write-ahead') throw needsLogError('A write')
}
