/**
 * The one write path: accept (encode, next LSN, into the tier, visible), make due what the durability asks for,
 * acknowledge at its milestone. Frames, checkpoints and releases run behind it and know nothing of durabilities.
 */
import { type Fate, VersionConflictError } from '../core/errors.js'
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { Clock } from '../io/clock.js'
import { BATCH_EXTRA_BYTES, recordBytes } from '../log/record.js'
import { type Durability, MILESTONE, type Milestone } from '../policy/durability.js'
import type { LossBudget } from '../policy/loss-budget.js'
import type { Checkpointer } from './checkpoint.js'
import type { EngineConfig } from './config.js'
import { overloadedError, storeBehindError, tooLargeError } from './failures.js'
import type { EncodedWrite, Flusher } from './flush.js'
import type { ParkedWrites } from './parked-writes.js'
import type { FoundValue, KeyState, Reader } from './read.js'

/** One write of a call. */
export interface Write {
  key: EncodedKey
  /** What to write; or a function of the key's present state, which is called at the moment of acceptance. */
  content: EncodedWrite | ((found: FoundValue | undefined) => EncodedWrite)
  /** The version that the key must have, `null` for absent; `undefined` for any. */
  expected: Lsn | null | undefined
  budget: LossBudget
}

/** What a write has reached when its promise resolves. */
export interface WriteResult {
  /** The write's number: it rises with every write, and is the entry's version. */
  readonly lsn: Lsn
  /** `tier`: RAM, within the loss bound. `log`: stable storage. `store`: the data store has committed it. */
  readonly reached: Milestone
  /** Resolves once the write is on stable storage, which is asked for now. */
  durable(): Promise<void>
}

export interface WriterParts {
  config: EngineConfig
  flusher: Flusher
  checkpointer: Checkpointer
  reader: Reader
  parked: ParkedWrites
  /** Throws if no write may be accepted now: closed, failed, disk full. */
  checkWritable(): void
}

/** A call that waits for room in the next frame, in the order of the calls. */
interface Queued {
  bytes: number
  /** Returns false if the call goes on later by itself: nobody may overtake it until it calls `passTurn`. */
  run(): boolean
  reject(error: unknown): void
}

type Rejection = (error: unknown) => void

export class Writer {
  readonly #parts: WriterParts
  readonly #clock: Clock
  #queue: Queued[] = []
  #queuedBytes = 0
  #isDraining = false
  /** The call that has waited, has room now, and has not been accepted yet. */
  #turn: symbol | undefined

  constructor(parts: WriterParts) {
    this.#parts = parts
    this.#clock = parts.config.clock
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** One unconditional write: accepted before this returns, if there is room. */
  writeOne(key: EncodedKey, content: EncodedWrite, durability: Durability, budget: LossBudget): Promise<WriteResult> {
    const bytes = bytesOf(key, content)
    try {
      this.#parts.checkWritable()
      if (this.#hasRoomNow(bytes, 1)) return this.#takeOne(key, content, bytes, durability, budget)
    } catch (error) {
      return Promise.reject(error)
    }
    return new Promise((resolve, reject) => {
      this.#whenRoom(bytes, 1, reject, () => {
        resolve(this.#takeOne(key, content, bytes, durability, budget))
        return true
      })
    })
  }

  #takeOne(
    key: EncodedKey,
    content: EncodedWrite,
    bytes: number,
    durability: Durability,
    budget: LossBudget,
  ): Promise<WriteResult> {
    const lsn = this.#accept(key, content)
    const admitted = durability === 'write-back' && budget.admit(bytes, this.#clock.monotonicMs())
    if (admitted) this.#makeDueFor(budget)
    return this.#acknowledge(lsn, admitted ? 'tier' : milestoneOf(durability), key)
  }

  /**
   * Writes that take effect together, in their order, or not at all; with conditions and functions of the present
   * state. Rejects VERSION_CONFLICT, once what it saw is as durable as asked, if a condition does not hold.
   * `onAccepted` is called at the moment of acceptance.
   */
  async write(writes: readonly Write[], durability: Durability, onAccepted?: () => void): Promise<WriteResult> {
    const me = Symbol()
    try {
      // Accepted, or refused, when this returns its promise: what that waits for holds nobody up.
      const result = await this.#write(writes, durability, me, onAccepted)
      this.#passTurn(me)
      return await result()
    } catch (error) {
      this.#passTurn(me)
      throw error
    }
  }

  #passTurn(me: symbol): void {
    if (this.#turn !== me) return
    this.#turn = undefined
    this.drain()
  }

  async #write(
    writes: readonly Write[],
    durability: Durability,
    me: symbol,
    onAccepted: (() => void) | undefined,
  ): Promise<() => Promise<WriteResult>> {
    let states: Map<EncodedKey, KeyState> | undefined
    for (;;) {
      this.#parts.checkWritable()
      // What was read before a wait for room may serve still: reading again would cost the call its turn.
      if (states === undefined || !areCurrent(states)) states = this.#heldStates(writes)
      // What the tier can tell costs no wait: then the call takes effect before it returns, as a single write does.
      if (states === undefined) {
        this.#passTurn(me)
        states = await this.#readStates(writes)
        // The memory may have been closed meanwhile, and nothing would take along what is accepted now.
        this.#parts.checkWritable()
      }
      if (!areCurrent(states)) continue
      const known = states
      const conflict = writes.find(write => !holds(write, known.get(write.key)))
      if (conflict !== undefined) {
        const state = known.get(conflict.key)!
        return () => this.#refuse(conflict, state, durability)
      }
      const contents = resolveContents(writes, states)
      // A function of the caller has run: it may have written the very key.
      if (!areCurrent(states)) continue
      const bytes = contents.map((content, index) => bytesOf(writes[index]!.key, content))
      const total = bytes.reduce((sum, each) => sum + each, writes.length > 1 ? writes.length * BATCH_EXTRA_BYTES : 0)
      // Nothing may happen between the check above and the acceptance; so a call that has had to wait looks again.
      if (!this.#hasRoomNow(total, writes.length, me)) {
        this.#passTurn(me)
        await this.#room(total, writes.length, me)
        continue
      }
      const accepted = this.#acceptAll(writes, contents, bytes, durability)
      onAccepted?.()
      return () => accepted
    }
  }

  /** Lets calls go on that wait for room, in their order, as far as there is room now. */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    try {
      const hopeless = this.#queue.length > 0 ? this.#parts.checkpointer.noRoomError() : undefined
      if (hopeless !== undefined) this.rejectQueued(hopeless)
      while (this.#turn === undefined && this.#queue.length > 0 && this.#fits(this.#queue[0]!.bytes, 1)) {
        const next = this.#queue.shift()!
        this.release(next.bytes)
        next.run()
      }
    } finally {
      this.#isDraining = false
    }
    // Calls wait although nothing is due: the frame that makes room for them has to be asked for.
    if (this.#queue.length > 0) this.#makeRoomDue()
  }

  /** Rejects the calls that wait for room: they were not accepted. */
  rejectQueued(error: unknown): void {
    const queued = this.#queue
    this.#queue = []
    for (const { bytes } of queued) this.release(bytes)
    for (const each of queued) each.reject(error)
  }

  /** Counts a call that waits, for room or elsewhere for its turn, until `release`. OVERLOADED if too many do. */
  hold(bytes: number): void {
    const limit = this.#parts.config.queuedBytesMax
    if (this.#queuedBytes + bytes > limit) throw overloadedError(this.#queuedBytes, limit)
    this.#queuedBytes += bytes
  }

  release(bytes: number): void {
    this.#queuedBytes -= bytes
  }

  /** The answer of a call that has found nothing to write: as durable as was asked, of the version that it saw. */
  answer(lsn: Lsn, durability: Durability): Promise<WriteResult> {
    return this.#acknowledge(lsn, MILESTONE[durability])
  }

  /** Resolves once everything up to `lsn` has reached a milestone; STORE_BEHIND if the store takes too long. */
  reach(lsn: Lsn, milestone: Milestone): Promise<void> {
    return new Promise((resolve, reject) => this.#whenReached(lsn, milestone, resolve, reject))
  }

  #acceptAll(
    writes: readonly Write[],
    contents: readonly EncodedWrite[],
    bytes: readonly number[],
    durability: Durability,
  ): Promise<WriteResult> {
    let lsn = this.#parts.flusher.lastLsn
    let admitted = durability === 'write-back'
    const now = this.#clock.monotonicMs()
    const batch = writes.length > 1 ? lsn + 1 : undefined
    for (const [index, content] of contents.entries()) {
      const { key, budget } = writes[index]!
      lsn = this.#accept(key, content, batch)
      admitted &&= budget.admit(bytes[index]!, now)
    }
    if (admitted) for (const { budget } of writes) this.#makeDueFor(budget)
    return this.#acknowledge(lsn, admitted ? 'tier' : milestoneOf(durability), writes.at(-1)?.key)
  }

  #accept(key: EncodedKey, content: EncodedWrite, batch?: Lsn): Lsn {
    const lsn = this.#parts.flusher.accept(key, content, batch)
    this.#parts.reader.accepted(key)
    return lsn
  }

  #makeDueFor(budget: LossBudget): void {
    if (budget.isPressing) this.#parts.flusher.makeDue()
    else if (budget.flushBy !== undefined) this.#parts.flusher.makeDueBy(budget.flushBy)
  }

  /** `key` is what the write with this LSN has written, if it was one. */
  #acknowledge(lsn: Lsn, milestone: Milestone, key?: EncodedKey): Promise<WriteResult> {
    const result = new Acknowledgement(lsn, milestone, this)
    if (milestone === 'tier') return Promise.resolve(result)
    return new Promise((resolve, reject) => this.#whenReached(lsn, milestone, () => resolve(result), reject, key))
  }

  #whenReached(lsn: Lsn, milestone: Milestone, resolve: () => void, reject: Rejection, key?: EncodedKey): void {
    if (milestone === 'tier') resolve()
    else if (milestone === 'log') this.#parts.flusher.wait({ lsn, resolve, reject })
    else this.#parts.flusher.wait({ lsn, reject, resolve: () => this.#whenStored(lsn, resolve, reject, key) })
  }

  #whenStored(lsn: Lsn, resolve: () => void, reject: Rejection, key: EncodedKey | undefined): void {
    const ms = this.#parts.config.storeDeadlineMs
    const timer = this.#clock.after(ms, () => {
      this.#parts.checkpointer.leave(waiter)
      reject(storeBehindError(lsn, `within ${ms} ms`, () => this.#settled(lsn, key)))
    })
    const waiter = {
      lsn,
      resolve: () => {
        timer.cancel()
        const refusal = this.#parts.parked.refusalOf(lsn, key)
        if (refusal === undefined) resolve()
        else reject(refusal)
      },
      reject: (error: unknown) => {
        timer.cancel()
        // The memory is closed. The write is in the log all the same, so that it must not look like one that was refused.
        reject(storeBehindError(lsn, 'before the memory was closed', () => Promise.reject(error)))
      },
    }
    this.#parts.checkpointer.wait(waiter)
  }

  async #settled(lsn: Lsn, key: EncodedKey | undefined): Promise<Fate> {
    await new Promise<void>((resolve, reject) => this.#parts.checkpointer.wait({ lsn, resolve, reject }))
    const refusal = this.#parts.parked.refusalOf(lsn, key)
    if (refusal !== undefined) throw refusal
    return 'kept'
  }

  async #refuse(write: Write, state: KeyState, durability: Durability): Promise<never> {
    // An answer is as durable as was asked: what it saw must not be forgotten by a crash after it.
    await this.reach(state.lsn, MILESTONE[durability])
    const actual = state.found?.lsn ?? null
    const expected = write.expected ?? null
    throw new VersionConflictError({
      message: `The key is at ${versionText(actual)}, not at ${versionText(expected)} as expected`,
      next: 'Read it again with getEntry and decide anew, or use update, which does both',
      expected,
      actual,
    })
  }

  /** The states of the keys that conditions and functions ask about; `undefined` if the tier does not hold them all. */
  #heldStates(writes: readonly Write[]): Map<EncodedKey, KeyState> | undefined {
    const states = new Map<EncodedKey, KeyState>()
    for (const write of writes) {
      if (!asksForState(write) || states.has(write.key)) continue
      const held = this.#parts.reader.held(write.key)
      if (held === undefined) return undefined
      states.set(write.key, held)
    }
    return states
  }

  async #readStates(writes: readonly Write[]): Promise<Map<EncodedKey, KeyState>> {
    const keys = new Set(writes.filter(asksForState).map(write => write.key))
    const states = new Map<EncodedKey, KeyState>()
    await Promise.all([...keys].map(async key => states.set(key, await this.#parts.reader.state(key))))
    return states
  }

  #whenRoom(bytes: number, count: number, reject: (error: unknown) => void, run: () => boolean): void {
    try {
      this.#parts.checkWritable()
      if (this.#hasRoomNow(bytes, count)) run()
      else this.#enqueue({ bytes, run, reject })
    } catch (error) {
      reject(error)
    }
  }

  #room(bytes: number, count: number, me: symbol): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#whenRoom(bytes, count, reject, () => {
        this.#turn = me
        resolve()
        return false
      })
    })
  }

  /** Whether a call may be accepted at once: there is room, and nobody waits before it. */
  #hasRoomNow(bytes: number, count: number, me?: symbol): boolean {
    const limit = this.#parts.config.frameBytesMax
    if (bytes > limit) throw tooLargeError(count > 1 ? 'BATCH_TOO_LARGE' : 'VALUE_TOO_LARGE', bytes, limit)
    const isFirst = this.#turn === undefined ? this.#queue.length === 0 : this.#turn === me
    return isFirst && this.#fits(bytes, count)
  }

  #fits(bytes: number, count: number): boolean {
    const { flusher, checkpointer, config } = this.#parts
    const fitsFrame = flusher.bodyBytes === 0 || flusher.bodyBytes + bytes <= config.frameBytesMax
    return fitsFrame && flusher.hasLsns(count) && checkpointer.hasRoom
  }

  #enqueue(queued: Queued): void {
    const hopeless = this.#parts.checkpointer.noRoomError()
    if (hopeless !== undefined) throw hopeless
    this.hold(queued.bytes)
    this.#queue.push(queued)
    this.#makeRoomDue()
  }

  #makeRoomDue(): void {
    this.#parts.flusher.makeDue()
    if (!this.#parts.checkpointer.hasRoom) this.#parts.checkpointer.press()
  }
}

class Acknowledgement implements WriteResult {
  readonly lsn: Lsn
  readonly reached: Milestone
  readonly #writer: Writer

  constructor(lsn: Lsn, reached: Milestone, writer: Writer) {
    this.lsn = lsn
    this.reached = reached
    this.#writer = writer
  }

  durable(): Promise<void> {
    return this.reached === 'tier' ? this.#writer.reach(this.lsn, 'log') : Promise.resolve()
  }
}

function milestoneOf(durability: Durability): Milestone {
  // A write-back that its bound does not admit is accepted all the same, and acknowledged as write-ahead.
  return durability === 'write-back' ? 'log' : MILESTONE[durability]
}

function areCurrent(states: ReadonlyMap<EncodedKey, KeyState>): boolean {
  for (const state of states.values()) if (!state.isCurrent()) return false
  return true
}

function asksForState({ content, expected }: Write): boolean {
  return expected !== undefined || typeof content === 'function'
}

function holds(write: Write, state: KeyState | undefined): boolean {
  return write.expected === undefined || (state?.found?.lsn ?? null) === write.expected
}

/** The contents of the writes; functions see the writes of the same call that come before them. */
function resolveContents(writes: readonly Write[], states: ReadonlyMap<EncodedKey, KeyState>): EncodedWrite[] {
  const within = new Map<EncodedKey, EncodedWrite>()
  return writes.map(({ key, content }) => {
    if (typeof content !== 'function') {
      within.set(key, content)
      return content
    }
    const before = within.get(key)
    const found = before === undefined ? states.get(key)?.found : asFound(before)
    const resolved = content(found)
    within.set(key, resolved)
    return resolved
  })
}

function asFound({ value, ...head }: EncodedWrite): FoundValue | undefined {
  return value === undefined ? undefined : { lsn: 0, value, ...head }
}

/** Bytes that a write takes of a frame as one of a batch. */
export function bytesInBatch(key: EncodedKey, content: EncodedWrite): number {
  return bytesOf(key, content) + BATCH_EXTRA_BYTES
}

/** Bytes that a write takes of a frame. */
function bytesOf(key: EncodedKey, { value, expiresAt }: EncodedWrite): number {
  return recordBytes(key.length, value === undefined ? 0 : value.length, expiresAt)
}

function versionText(version: Lsn | null): string {
  return version === null ? 'no version (it is absent)' : `version ${version}`
}
