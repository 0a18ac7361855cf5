/**
 * A random program that uses a memory, and notes in a history what it asked for and what it was told.
 *
 * The order of acceptance is learned from `status().lsn.accepted` right after each call. Calls that wait for room are
 * accepted in the order of the calls if they are plain; so behind a call that may overtake others nothing is issued
 * until it is known.
 */
import assert from 'node:assert/strict'
import { type AgentMemory, AgentMemoryError, type Durability, VersionConflictError } from '../src/index.js'
import { type Random, randomBelow } from '../src/testing/random.js'
import type { Call, History, ModelWrite } from './history.js'
import { DURABILITIES, modelWrite, type Place, pick, placesOf, randomKey, valueFor } from './shape.js'

export interface WorkloadHooks {
  open(): Promise<AgentMemory>
  /** Time passes, for loss bounds and checkpoints. */
  pass(): Promise<void>
  nowMs(): number
  /** A call is about to be issued; what it writes is known. */
  onIssue?(call: Call): void
  /** Its LSN is known as soon as it has returned. */
  onAccepted?(call: Call): void
  onRefused?(): void
  onAcknowledged?(call: Call): void
  onPromised?(lsn: number): void
  /** After a clean close; LSNs go on above `lastLsn`. */
  onReopened?(lastLsn: number): void
}

const RANK = { tier: 0, log: 1, store: 2 }
const ASKED = { 'write-back': 0, 'write-ahead': 1, 'write-through': 2 }

export class Workload {
  readonly #random: Random
  readonly #hooks: WorkloadHooks
  readonly history: History
  #memory!: AgentMemory
  #places: Place[] = []
  #serial: number
  readonly #flying = new Set<Promise<void>>()
  /** Something that must not be, found while it ran. */
  fault: unknown

  constructor(history: History, random: Random, hooks: WorkloadHooks, serial = 0) {
    this.history = history
    this.#random = random
    this.#hooks = hooks
    this.#serial = serial
  }

  async open(): Promise<AgentMemory> {
    this.#memory = await this.#hooks.open()
    this.history.opened(this.#memory.status().lsn.accepted)
    this.#places = placesOf(this.#memory)
    return this.#memory
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps && this.fault === undefined; step++) await this.#step()
    await this.settle()
    if (this.fault !== undefined) throw this.fault
  }

  /** Some writes, of which the last may not have been answered when it returns. */
  async write(count: number): Promise<void> {
    for (let done = 0; done < count; done++) {
      if (this.#random() < 0.7) this.#set()
      else await this.#batch()
      if (this.#random() < 0.5) await this.#hooks.pass()
    }
    if (this.fault !== undefined) throw this.fault
  }

  /** Asks how far the memory has accepted; may be called at any moment, also from within its file calls. */
  learn(): void {
    if (this.#memory === undefined) return
    try {
      this.history.accepted(this.#memory.status().lsn.accepted)
    } catch (error) {
      this.fault ??= error
    }
  }

  async settle(): Promise<void> {
    while (this.#flying.size > 0) await Promise.race([Promise.all(this.#flying), this.#hooks.pass()])
  }

  async #step(): Promise<void> {
    const random = this.#random
    const choice = random()
    if (choice < 0.42) this.#set()
    else if (choice < 0.5) this.#delete()
    else if (choice < 0.57) await this.#update()
    else if (choice < 0.63) await this.#compareAndSet()
    else if (choice < 0.74) await this.#batch()
    else if (choice < 0.78) this.#promise(this.#memory.flush())
    else if (choice < 0.81) this.#promise(this.#memory.checkpoint())
    else if (choice < 0.84) await this.#read()
    else if (choice < 0.86) await this.settle()
    else if (choice < 0.875) await this.#reopen()
    else await this.#hooks.pass()
    if (random() < 0.3) await new Promise(resolve => setImmediate(resolve))
  }

  #set(): void {
    const place = pick(this.#places, this.#random)
    const key = randomKey(this.#random)
    const value = this.#value()
    const durability = this.#durability()
    this.#issue([modelWrite(place, key, value)], durability, () =>
      place.map.set(key, value, durability && { durability }),
    )
  }

  #delete(): void {
    const place = pick(this.#places, this.#random)
    const key = randomKey(this.#random)
    const durability = this.#durability()
    this.#issue([modelWrite(place, key, undefined)], durability, () =>
      place.map.delete(key, durability && { durability }),
    )
  }

  async #update(): Promise<void> {
    const place = pick(this.#places, this.#random)
    const key = randomKey(this.#random)
    const value = this.#value()
    const durability = this.#durability()
    const change = (before: string | undefined) => {
      this.learn()
      this.#expect(before, this.history.current.get(place.prefix + key)?.value, `update of ${place.prefix}${key}`)
      return value
    }
    await this.#issueAlone([modelWrite(place, key, value)], durability, () =>
      place.map.update(key, change as (value: string) => string, durability && { durability }),
    )
  }

  async #compareAndSet(): Promise<void> {
    const place = pick(this.#places, this.#random)
    const key = randomKey(this.#random)
    const value = this.#value()
    const durability = this.#durability()
    const now = this.history.current.get(place.prefix + key)?.version ?? null
    const expected = this.#random() < 0.7 ? now : (now ?? 0) + 1
    await this.#issueAlone([modelWrite(place, key, value)], durability, () =>
      place.map.set(key, value, durability ? { durability, expected } : { expected }),
    )
  }

  async #batch(): Promise<void> {
    const count = 1 + randomBelow(this.#random, 5)
    const parts = Array.from({ length: count }, () => {
      const value = this.#random() < 0.8 ? this.#value() : undefined
      return { place: pick(this.#places, this.#random), key: randomKey(this.#random), value }
    })
    const durability = this.#durability()
    const writes = parts.map(({ place, key, value }) => modelWrite(place, key, value))
    await this.#issueAlone(writes, durability, () =>
      this.#memory.batch(batch => {
        for (const { place, key, value } of parts) {
          if (value === undefined) batch.delete(place.map, key)
          else batch.set(place.map, key, value)
        }
      }, durability && { durability }),
    )
  }

  async #read(): Promise<void> {
    const place = pick(this.#places, this.#random)
    const key = randomKey(this.#random)
    this.learn()
    if (this.history.waiting > 0) return
    const expected = this.history.current.get(place.prefix + key)
    const entry = await place.map.getEntry(key, { durable: true })
    this.#expect(entry?.value, expected?.value, `read of ${place.prefix}${key}`)
    if (entry !== undefined) this.#promised(entry.version)
  }

  async #reopen(): Promise<void> {
    const report = await this.#memory.close()
    await this.settle()
    this.learn()
    assert.equal(report.lost + report.inDoubt, 0, 'a clean close says that something is lost')
    this.#promised(this.history.lastLsn)
    await this.open()
    this.#hooks.onReopened?.(this.history.lastLsn)
  }

  async #issueAlone(
    writes: readonly ModelWrite[],
    durability: Durability | undefined,
    run: () => Promise<Result>,
  ): Promise<void> {
    const { call, answered } = this.#issue(writes, durability, run)
    if (call.lastLsn === 0) await answered
  }

  #issue(writes: readonly ModelWrite[], durability: Durability | undefined, run: () => Promise<Result>) {
    this.learn()
    const call = this.history.issue(writes)
    this.#hooks.onIssue?.(call)
    const memory = this.#memory
    const result = run()
    this.learn()
    if (call.lastLsn > 0) this.#hooks.onAccepted?.(call)
    const answered = result.then(
      found => this.#answered(call, found, durability, memory),
      (error: unknown) => this.#rejected(call, error, durability),
    )
    this.#track(answered)
    return { call, answered }
  }

  #answered(call: Call, result: Result, durability: Durability | undefined, memory: AgentMemory): void {
    this.history.accepted(memory === this.#memory ? memory.status().lsn.accepted : 0)
    this.history.acknowledged(call, result.reached, result.lsn, this.#hooks.nowMs())
    this.#hooks.onAcknowledged?.(call)
    if (durability !== undefined && RANK[result.reached] < ASKED[durability]) {
      throw new Error(`${durability} was acknowledged when it had reached ${result.reached}`)
    }
    if (result.reached === 'tier' && this.#random() < 0.1) this.#promise(result.durable().then(() => result.lsn))
  }

  #rejected(call: Call, error: unknown, durability: Durability | undefined): void {
    this.history.refused(call)
    if (call.lastLsn === 0) this.#hooks.onRefused?.()
    if (error instanceof VersionConflictError) {
      // What a refusal has seen is as durable as was asked.
      if (error.actual !== null && durability !== 'write-back') this.#promised(error.actual)
      return
    }
    if (!isClosing(error)) throw error
  }

  #promise(promised: Promise<number>): void {
    const told = promised.then(
      lsn => this.#promised(lsn),
      (error: unknown) => {
        if (!isClosing(error)) throw error
      },
    )
    this.#track(told)
  }

  #promised(lsn: number): void {
    this.history.promised(lsn)
    this.#hooks.onPromised?.(lsn)
  }

  #track(task: Promise<void>): void {
    const tracked: Promise<void> = task
      .catch((error: unknown) => {
        this.fault ??= error
      })
      .finally(() => this.#flying.delete(tracked))
    this.#flying.add(tracked)
  }

  #value(): string {
    this.#serial += 1
    return valueFor(this.#serial, this.#random)
  }

  /** `undefined`: as the map says. */
  #durability(): Durability | undefined {
    return this.#random() < 0.15 ? undefined : pick(DURABILITIES, this.#random)
  }

  #expect(found: string | undefined, expected: string | undefined, what: string): void {
    if (found !== expected) this.fault ??= new Error(`${what}: ${found?.slice(0, 9)}, not ${expected?.slice(0, 9)}`)
  }
}

interface Result {
  lsn: number
  reached: 'tier' | 'log' | 'store'
  durable(): Promise<void>
}

function isClosing(error: unknown): boolean {
  return error instanceof AgentMemoryError && error.code === 'CLOSED'
}
