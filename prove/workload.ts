/**
 * A random program that uses a memory, and notes in a history what it asked for and what it was told.
 *
 * The order of acceptance is learned from `status().lsn.accepted` right after each call. Calls that wait for room are
 * accepted in the order of the calls if they are plain; so behind a call that may overtake others nothing is issued
 * until it is known.
 */
import assert from 'node:assert/strict'
import { type AgentMemory, AgentMemoryError, type Durability, VersionConflictError } from '../src/index.js'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import type { Call, History, ModelWrite } from './history.js'
import { turns } from './lab-clock.js'
import {
  contentOf,
  DURABILITIES,
  durabilityOf,
  KEYS,
  modelWrite,
  type Place,
  pick,
  placesOf,
  randomKey,
  valueFor,
} from './shape.js'

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
  #random: Random
  readonly #seed: number
  readonly #hooks: WorkloadHooks
  readonly history: History
  #memory!: AgentMemory
  #places: Place[] = []
  /** What was set last. */
  #latest: { place: Place; key: string } | undefined
  #serial: number
  readonly #flying = new Set<Promise<void>>()
  /** Something that must not be, found while it ran. */
  fault: unknown
  /** What it has done so far, in words. */
  readonly story: string[] = []

  constructor(history: History, random: Random, hooks: WorkloadHooks, serial = 0) {
    this.history = history
    this.#random = random
    this.#seed = randomBelow(random, 2 ** 31)
    this.#hooks = hooks
    this.#serial = serial
  }

  async open(): Promise<AgentMemory> {
    this.#memory = await this.#hooks.open()
    this.history.opened(this.#memory.status().lsn.accepted)
    this.#places = placesOf(this.#memory)
    this.#latest = undefined
    return this.#memory
  }

  /** Takes so many steps, or of them only those in `wanted`: each has chances of its own, whichever are left out. */
  async run(steps: number, wanted?: ReadonlySet<number>): Promise<void> {
    for (let step = 0; step < steps && this.fault === undefined; step++) {
      if (wanted !== undefined && !wanted.has(step)) continue
      this.#random = seededRandom(this.#seed + step)
      await this.#step()
    }
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
    if (choice < 0.4) this.#set()
    else if (choice < 0.42) this.#burst()
    else if (choice < 0.5) this.#delete()
    else if (choice < 0.57) await this.#update()
    else if (choice < 0.63) await this.#compareAndSet()
    else if (choice < 0.74) await this.#batch()
    else if (choice < 0.78) this.#ask('flush', () => this.#memory.flush())
    else if (choice < 0.81) this.#ask('checkpoint', () => this.#memory.checkpoint())
    else if (choice < 0.83) await this.#read()
    else if (choice < 0.845) await this.#scan()
    else if (choice < 0.86) await this.#wait()
    else if (choice < 0.875) await this.#reopen()
    else if (choice < 0.89) await this.#race()
    else if (choice < 0.91) await this.#overtake()
    else await this.#pass()
    if (random() < 0.3) await new Promise(resolve => setImmediate(resolve))
  }

  #set(durability = this.#durability(), { place, key } = this.#somewhere()): void {
    const value = this.#value()
    this.#latest = { place, key }
    this.#issue([modelWrite(place, key, value)], durability, () =>
      place.map.set(key, value, durability && { durability }),
    )
  }

  /** More write-back at once than any bound allows, before a flush can come between. */
  #burst(): void {
    const count = 4 + randomBelow(this.#random, 20)
    for (let done = 0; done < count; done++) this.#set('write-back')
  }

  #delete(durability = this.#durability(), { place, key } = this.#somewhere()): void {
    this.#issue([modelWrite(place, key, undefined)], durability, () =>
      place.map.delete(key, durability && { durability }),
    )
  }

  async #update(): Promise<void> {
    const { place, key } = this.#somewhere()
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
    // Often of what was written last: what a refusal tells of it has to be as durable as was asked.
    const isOfLatest = this.#random() < 0.5
    const { place, key } = (isOfLatest && this.#latest) || this.#somewhere()
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
      return { ...this.#somewhere(), value }
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

  /** A read of the store that is under way while its key is deleted there must not bring the value back. */
  async #race(): Promise<void> {
    // After that only the store has it.
    await this.#reopen()
    const stored = this.#places.flatMap(place => {
      return KEYS.filter(key => this.history.current.has(place.prefix + key)).map(key => ({ place, key }))
    })
    if (stored.length === 0) return
    const { place, key } = pick(stored, this.#random)
    this.story.push(`read ${place.prefix}${key} meanwhile`)
    this.#track(place.map.get(key).then(() => {}, ignoreClosing))
    this.#delete('write-through', { place, key })
    await this.settle()
    await this.#read({ place, key })
  }

  /** Writes a key anew while a checkpoint moves what it was: what is newer than the store must still be seen. */
  async #overtake(): Promise<void> {
    const where = this.#somewhere()
    this.#set('write-ahead', where)
    this.#ask('checkpoint', () => this.#memory.checkpoint())
    await turns(randomBelow(this.#random, 16))
    this.#set('write-ahead', where)
    await this.settle()
    await this.#scan()
  }

  async #read({ place, key } = this.#somewhere()): Promise<void> {
    this.learn()
    if (this.history.waiting > 0) return
    this.story.push(`read ${place.prefix}${key}`)
    const expected = this.history.current.get(place.prefix + key)
    const entry = await place.map.getEntry(key, { durable: true })
    this.#expect(entry?.value, expected?.value, `read of ${place.prefix}${key}`)
    if (entry !== undefined) this.#promised(entry.version)
  }

  #ask(what: string, ask: () => Promise<number>): void {
    this.story.push(what)
    this.#promise(ask())
  }

  async #wait(): Promise<void> {
    this.story.push('wait for every answer')
    await this.settle()
  }

  async #pass(): Promise<void> {
    this.story.push('time passes')
    await this.#hooks.pass()
  }

  /** Everything at once: what stands in the tier, in the log and in the store. */
  async #scan(): Promise<void> {
    this.learn()
    if (this.history.waiting > 0) return
    this.story.push('scan everything')
    const expected = new Map(this.history.current)
    const found = await contentOf(this.#memory)
    for (const key of new Set([...expected.keys(), ...found.keys()])) {
      this.#expect(found.get(key)?.value, expected.get(key)?.value, `scan of ${key}`)
    }
  }

  async #reopen(): Promise<void> {
    this.story.push('close and open again')
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
    this.story.push(`${describeWrites(writes)}, ${durability ?? 'as the map says'}`)
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
      // What a refusal has seen is as durable as was asked, by the call or by its map.
      const asked = durability ?? durabilityOf(call.writes[0]!)
      if (error.actual !== null && asked !== 'write-back') this.#promised(error.actual)
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

  #somewhere(): { place: Place; key: string } {
    return { place: pick(this.#places, this.#random), key: randomKey(this.#random) }
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

function describeWrites(writes: readonly ModelWrite[]): string {
  return writes
    .map(({ key, value }) => (value === undefined ? `delete ${key}` : `set ${key} (${value.length} bytes)`))
    .join(' + ')
}

interface Result {
  lsn: number
  reached: 'tier' | 'log' | 'store'
  durable(): Promise<void>
}

function ignoreClosing(error: unknown): void {
  if (!isClosing(error)) throw error
}

function isClosing(error: unknown): boolean {
  return error instanceof AgentMemoryError && error.code === 'CLOSED'
}
