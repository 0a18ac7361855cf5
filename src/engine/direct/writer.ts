/**
 * The write path of direct mode. A write that depends on nothing is accepted at once, into the tier; one that does is
 * planned on what is known of its keys, for the store to check. One batch is on its way to the store at a time, and it takes
 * everything accepted along, so what a crash of this node leaves is a prefix of what it had accepted.
 *
 * I31: nothing is acknowledged but by the store's own answer, or as write-back within its bound; and the link lets each batch
 * take effect once or not at all.
 */
import type { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Clock, Timer } from '../../io/clock.js'
import type { Durability, Milestone } from '../../policy/durability.js'
import type { LossBudget } from '../../policy/loss-budget.js'
import type { DirectOutcome } from '../../stores/direct-store.js'
import { EntryState } from '../../tier/entry.js'
import type { Tier } from '../../tier/tier.js'
import type { Events } from '../events.js'
import { needsLogError, overloadedError, refusedDownError, refusedWriteError, tooLargeError } from '../failures.js'
import type { EncodedWrite } from '../flush.js'
import type { WritePath } from '../paths.js'
import { asksForState, bytesOf, type Write, type WriteResult } from '../write.js'
import { Calls } from './calls.js'
import { type DirectLink, isRefusal } from './link.js'
import { halvesOf, newRound, type Parcel, type Round, unitsOf } from './parcel.js'
import { directWrite } from './plan.js'
import type { DirectReader } from './reader.js'
import { Accepted, Stored } from './results.js'
import { Waiters } from './waiters.js'

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
  /** Of what is accepted and not sent. */
  #next = newRound()
  /** What is on its way, and what is left of its round that the store has refused as a whole. */
  #sent: Parcel | undefined
  #rest: Parcel[] = []
  #isScheduled = false
  #alarm: { timer: Timer; at: number } | undefined
  #stopError: unknown
  #onIdle: (() => void)[] = []
  /** The newest version that this node was given. */
  lastVersion: Lsn = 0
  /** What the store has refused: how often, and why the last time. */
  readonly refused: { count: number; error: AgentMemoryError | undefined } = { count: 0, error: undefined }

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

  /** Writes of the round that is on its way. */
  get sentCount(): number {
    const parcels = this.#sent === undefined ? this.#rest : [this.#sent, ...this.#rest]
    return parcels.flatMap(unitsOf).reduce((sum, unit) => sum + unit.length, 0)
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

  /** Resolves once the store has everything accepted so far, but for what it has refused. */
  async stored(): Promise<void> {
    await this.#whenStored(this.#accepted)
  }

  /** From now on nothing is sent: `error` is what those are told who wait. */
  stop(error: unknown): void {
    if (this.#stopError !== undefined) return
    this.#stopError = error
    this.#alarm?.timer.cancel()
    this.#rejectQueued(error)
    this.#calls.stop(error)
    const round = (this.#sent ?? this.#rest[0])?.round
    for (const timer of round?.watch ?? []) timer.cancel()
    this.#waiters.stop(round?.lastNumber ?? 0, error, round?.given)
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
    const round = this.#next
    const batch = writes.length > 1 ? this.#accepted + 1 : undefined
    for (const { key, content } of writes) {
      const { form, value, expiresAt } = content as EncodedWrite
      this.#accepted += 1
      const before = tier.get(key)
      if (before?.state === EntryState.dirty) this.#bodyBytes -= bytesOf(key, before)
      tier.accept(key, this.#accepted, form, value, expiresAt)
      if (batch !== undefined) round.batches.note(key, batch)
      this.#bodyBytes += bytesOf(key, content as EncodedWrite)
      reader.accepted(key)
    }
    onAccepted?.()
    const number = this.#accepted
    const key = writes.at(-1)?.key
    if (admitted) {
      for (const { budget } of writes) this.#makeDueFor(budget)
      return Promise.resolve(new Accepted(() => this.#whenStored(number, key, round)))
    }
    return this.#whenStored(number, key, round).then(version => new Stored(version))
  }

  /** Resolves once the store has what was accepted up to a number. `key` and `round` are those of a write that is asked for. */
  #whenStored(number: number, key?: EncodedKey, round?: Round): Promise<Lsn> {
    return new Promise((resolve, reject) => {
      // A later write of the key in the same round stands for it.
      const refusal = () => (key === undefined ? undefined : round?.refusals.get(key))
      this.#waiters.wait({ number, key, resolve, reject, refusal })
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
      this.#send()
    })
  }

  #send(): void {
    if (this.#sent !== undefined || this.#stopError !== undefined) return
    const sent = this.#rest.shift() ?? this.#gather()
    if (sent !== undefined) {
      const at = this.#clock.monotonicMs()
      this.#sent = sent
      this.#parts.link.send(unitsOf(sent)).then(
        outcomes => this.#landed(sent, outcomes, at),
        (error: unknown) => (isRefusal(error) ? this.#refused(sent, error) : this.#failed(sent, error)),
      )
    }
    this.#drain()
  }

  /** Everything accepted, and the calls that can go with it. */
  #gather(): Parcel | undefined {
    const calls = this.#calls.plan(this.#bodyBytes)
    const entries = this.#parts.tier
      .takeDirty()
      .map(entry => ({ entry, number: entry.lsn, write: directWrite(entry.key, entry, undefined) }))
    if (entries.length === 0 && calls.length === 0) return undefined
    const round = this.#next
    this.#next = newRound()
    round.lastNumber = this.#accepted
    this.#bodyBytes = 0
    for (const budget of this.#parts.budgets) budget.framed()
    round.watch = this.#watchBounds()
    return { round, entries, calls }
  }

  #landed(sent: Parcel, outcomes: DirectOutcome[], at: number): void {
    this.#sent = undefined
    const [first, ...rest] = sent.entries.length === 0 ? [undefined, ...outcomes] : outcomes
    this.#entriesStored(sent, first, at)
    this.lastVersion = Math.max(this.lastVersion, this.#calls.landed(sent.calls, rest as DirectOutcome[], at))
    this.#goOn(sent.round)
  }

  #entriesStored({ round, entries: sent }: Parcel, outcome: DirectOutcome | undefined, at: number): void {
    if (outcome === undefined || !('versions' in outcome)) return
    const { tier, reader } = this.#parts
    const entries = sent.map(({ entry }) => entry)
    tier.synced(entries, round.lastNumber)
    const standing = sent.map(({ entry, number }) => entry.state === EntryState.pending && entry.lsn === number)
    tier.stored(entries, round.lastNumber)
    for (const [index, { entry, number }] of sent.entries()) {
      const version = outcome.versions[index]!
      round.given.set(entry.key, { number, version })
      this.lastVersion = Math.max(this.lastVersion, version)
      if (standing[index]) reader.stored(entry, version, at)
    }
  }

  /** The store has done nothing of it, as it takes something in it for bad data. */
  #refused(sent: Parcel, error: AgentMemoryError): void {
    this.#sent = undefined
    const halves = halvesOf(sent)
    if (halves === undefined) this.#drop(sent, error)
    else this.#rest.unshift(...halves)
    this.#goOn(sent.round)
  }

  /** What the store does not take is nowhere from now on: reads see what the store has. */
  #drop({ round, entries: sent, calls }: Parcel, cause: AgentMemoryError): void {
    const { tier, events } = this.#parts
    const keys = [...sent.map(({ write }) => write.key), ...calls.flatMap(({ unit }) => unit.map(({ key }) => key))]
    const error = refusedWriteError(keys, cause)
    const entries = sent.map(({ entry }) => entry)
    tier.synced(entries, round.lastNumber)
    tier.stored(entries, round.lastNumber)
    for (const { entry, number } of sent) {
      round.refusals.set(entry.key, error)
      // Unless it was superseded meanwhile.
      if (entry.state === EntryState.clean && entry.lsn === number) tier.letGo(entry.key)
    }
    for (const call of calls) this.#calls.refused(call, error)
    this.refused.count += 1
    this.refused.error = error
    events.emit('refused', { error })
  }

  /** The rest of a round; or everybody is told what came of it, and the next one is due if somebody waits. */
  #goOn({ lastNumber, given, watch }: Round): void {
    if (this.#rest.length > 0) {
      this.#makeDue()
      return
    }
    for (const timer of watch) timer.cancel()
    const now = this.#clock.monotonicMs()
    for (const budget of this.#parts.budgets) {
      const ms = budget.synced(now)
      if (ms > 0) this.#parts.events.emit('overrun', { maxLossMs: budget.max.ms, ms })
    }
    this.#waiters.settle(lastNumber, given)
    this.#calls.readAgain()
    this.#checkIdle()
    this.#drain()
    this.#setAlarm()
    if (this.#waiters.count > 0) this.#makeDue()
  }

  /** The error says of what was sent whether its outcome is known. Nothing is sent after it. */
  #failed(sent: Parcel, error: unknown): void {
    const { lastNumber, given } = sent.round
    for (const { calls } of [sent, ...this.#rest]) this.#calls.failed(calls, error)
    this.#waiters.fail(lastNumber, error, given)
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
