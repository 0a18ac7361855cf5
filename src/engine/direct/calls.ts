/**
 * Calls whose writes depend on what keys hold. Each is planned on what is known of its keys, goes with the next batch, and is
 * planned anew if the store says that it was too late. So it takes as long as others keep writing its keys, and of those that
 * compete for a key one comes through each time.
 */
import type { Fate } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Clock } from '../../io/clock.js'
import type { DirectOutcome } from '../../stores/direct-store.js'
import { EntryState } from '../../tier/entry.js'
import type { Tier } from '../../tier/tier.js'
import { outcomeUnknownError, refusedDownError } from '../failures.js'
import { bytesOf, conflictError, type Write, type WriteResult } from '../write.js'
import type { DirectLink } from './link.js'
import { askedKeys, type Call, conflictIn, type PlannedCall, planCall } from './plan.js'
import type { DirectReader } from './reader.js'
import { Stored } from './results.js'

export interface CallsParts {
  config: { clock: Clock; frameBytesMax: number; storeDeadlineMs: number }
  tier: Tier
  link: DirectLink
  reader: DirectReader
  /** Throws VALUE_TOO_LARGE or BATCH_TOO_LARGE. */
  checkSize(bytes: number, count: number): void
  /** Counts what waits, and throws OVERLOADED. */
  hold(bytes: number): void
  release(bytes: number): void
  /** There is a call that can go with the next batch. */
  onReady(): void
  /** A call has come to its end. */
  onEnded(): void
}

export class Calls {
  readonly #parts: CallsParts
  readonly #open = new Set<Call>()
  /** Those that are known enough of to be planned, in their order. */
  #ready: Call[] = []
  #stopError: unknown

  constructor(parts: CallsParts) {
    this.#parts = parts
  }

  get count(): number {
    return this.#open.size
  }

  begin(writes: readonly Write[], onAccepted: (() => void) | undefined): Promise<WriteResult> {
    const { link, config } = this.#parts
    if (link.downError !== undefined) throw refusedDownError(link.downError)
    // What a function will give is not known yet.
    const sizes = writes.map(({ key, content }) => (typeof content === 'function' ? key.length : bytesOf(key, content)))
    const bytes = sizes.reduce((sum, each) => sum + each, 0)
    this.#parts.checkSize(bytes, writes.length)
    this.#parts.hold(bytes)
    return new Promise((resolve, reject) => {
      const onLate = () => {
        // As long as the store answers, it is others who write these keys, and it is tried again.
        if (link.downError === undefined) timer = config.clock.after(config.storeDeadlineMs, onLate)
        else this.#giveUp(call, call.isSent ? link.downError : refusedDownError(link.downError))
      }
      let timer = config.clock.after(config.storeDeadlineMs, onLate)
      const end = () => {
        timer.cancel()
        this.#parts.release(bytes)
        this.#open.delete(call)
        this.#parts.onEnded()
      }
      const call: Call = {
        writes,
        onAccepted,
        resolve: result => {
          end()
          resolve(result)
        },
        reject: error => {
          end()
          reject(error)
        },
        isOver: false,
        onSettled: undefined,
        isSent: false,
        states: undefined,
        isFresh: false,
      }
      this.#open.add(call)
      this.#read(call)
    })
  }

  /** The calls that go with the next batch. One that asks about what another writes, or has just been written, waits. */
  plan(bodyBytes: number): PlannedCall[] {
    const planned: PlannedCall[] = []
    const waiting: Call[] = []
    const written = new Set<EncodedKey>()
    const isTouched = (key: EncodedKey) => written.has(key) || this.#parts.tier.get(key)?.state === EntryState.dirty
    let bytes = bodyBytes
    for (const call of this.#ready.splice(0)) {
      const mustWait = bytes > this.#parts.config.frameBytesMax || askedKeys(call.writes).some(isTouched)
      const plan = mustWait ? undefined : this.#planOne(call)
      if (mustWait) waiting.push(call)
      else if (plan === undefined) continue
      else {
        call.isSent = true
        planned.push(plan)
        bytes += plan.bytes
      }
      for (const { key } of call.writes) written.add(key)
    }
    this.#ready.unshift(...waiting)
    return planned
  }

  /** The store has answered. Returns the newest version that it gave. */
  landed(plans: readonly PlannedCall[], outcomes: readonly DirectOutcome[], sentAt: number): Lsn {
    let newest = 0
    for (const [index, plan] of plans.entries()) {
      const outcome = outcomes[index]!
      plan.call.isSent = false
      if ('conflict' in outcome) this.#cameTooLate(plan.call)
      else newest = Math.max(newest, ...outcome.versions)
      if ('versions' in outcome) this.#written(plan, outcome.versions, sentAt)
    }
    return newest
  }

  /** Those that waited for what has been written look at it anew. */
  readAgain(): void {
    for (const call of this.#ready.splice(0)) {
      call.isFresh = false
      this.#read(call)
    }
  }

  /** The store does not take this one, and has done nothing of it. */
  refused({ call }: PlannedCall, error: unknown): void {
    call.isSent = false
    call.onSettled?.('lost')
    this.#giveUp(call, error)
  }

  /** The batch of these has come to nothing, or to nothing that can be known: the error says which. */
  failed(plans: readonly PlannedCall[], error: unknown): void {
    for (const { call } of plans) {
      call.isSent = false
      this.#giveUp(call, error)
    }
  }

  stop(error: unknown): void {
    this.#stopError = error
    for (const call of [...this.#open]) this.#giveUp(call, error)
  }

  /** Answers a call: with the error, unless it is not known whether it was written. */
  #giveUp(call: Call, error: unknown): void {
    if (call.isOver) return
    call.isOver = true
    this.#ready = this.#ready.filter(each => each !== call)
    if (!call.isSent) {
      call.reject(error)
      return
    }
    const fate = new Promise<Fate>((resolve, reject) => {
      if (this.#stopError === undefined) call.onSettled = resolve
      else reject(this.#stopError)
    })
    // Nobody has to ask.
    fate.catch(() => {})
    call.reject(outcomeUnknownError(error, () => fate))
  }

  /** Learns what a call has to know: what the tier remembers will do for the first try, since the store checks it. */
  #read(call: Call): void {
    if (call.isOver) return
    const { reader } = this.#parts
    const keys = askedKeys(call.writes)
    const remembered = call.isFresh ? [] : keys.flatMap(key => reader.remembered(key) ?? [])
    if (!call.isFresh && remembered.length === keys.length) {
      call.states = new Map(keys.map((key, index) => [key, remembered[index]!]))
      this.#isReady(call)
      return
    }
    call.isFresh = true
    reader.states(keys).then(
      states => {
        call.states = states
        this.#isReady(call)
      },
      (error: unknown) => this.#giveUp(call, error),
    )
  }

  #isReady(call: Call): void {
    if (call.isOver) return
    this.#ready.push(call)
    this.#parts.onReady()
  }

  #planOne(call: Call): PlannedCall | undefined {
    const states = call.states!
    const conflict = conflictIn(call.writes, states)
    if (conflict !== undefined && !call.isFresh) {
      // What the tier remembers may be old.
      call.isFresh = true
      this.#read(call)
      return undefined
    }
    try {
      if (conflict !== undefined) throw conflict.refusal ?? conflictError(conflict, states.get(conflict.key))
      const plan = planCall(call, states)
      this.#parts.checkSize(plan.bytes, plan.unit.length)
      return plan
    } catch (error) {
      this.#giveUp(call, error)
      return undefined
    }
  }

  #cameTooLate(call: Call): void {
    call.onSettled?.('lost')
    call.isFresh = true
    this.#read(call)
  }

  #written({ call, contents, unit }: PlannedCall, versions: readonly Lsn[], sentAt: number): void {
    const { reader } = this.#parts
    for (const [index, { key }] of unit.entries()) {
      reader.accepted(key)
      reader.written(key, versions[index]!, contents.get(key)!, sentAt)
    }
    call.onSettled?.('kept')
    if (call.isOver) return
    call.isOver = true
    call.onAccepted?.()
    const { key } = call.writes.at(-1)!
    call.resolve(new Stored(versions[unit.findIndex(each => each.key === key)]!))
  }
}
