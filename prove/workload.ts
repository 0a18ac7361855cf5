/** A random program that uses a memory, and notes in a history what it asked for and what it was told. */
import assert from 'node:assert/strict'
import type { AgentMemory, Durability } from '../src/index.js'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import { type CallHooks, Calls, ignoreClosing } from './calls.js'
import { contentOf, removed } from './content.js'
import type { History, ModelWrite } from './history.js'
import { turns } from './lab-clock.js'
import { DURABILITIES, KEYS, modelWrite, type Place, pick, placesOf, randomKey } from './shape.js'
import { ShapeSteps, type StepContext } from './shape-steps.js'
import { mediumValueFor, valueFor } from './values.js'

export interface WorkloadHooks extends CallHooks {
  open(): Promise<AgentMemory>
  /** Time passes, for loss bounds and checkpoints. */
  pass(): Promise<void>
  /** After a clean close; LSNs go on above `lastLsn`. */
  onReopened?(lastLsn: number): void
}

export class Workload {
  #random: Random
  readonly #seed: number
  readonly #hooks: WorkloadHooks
  readonly history: History
  readonly #calls: Calls
  #shapes: ShapeSteps
  #memory!: AgentMemory
  #places: Place[] = []
  /** What was set last. */
  #latest: { place: Place; key: string } | undefined
  #serial: number

  constructor(history: History, random: Random, hooks: WorkloadHooks, serial = 0) {
    this.history = history
    this.#random = random
    this.#seed = randomBelow(random, 2 ** 31)
    this.#hooks = hooks
    this.#calls = new Calls(history, hooks)
    this.#shapes = new ShapeSteps(this.#calls)
    this.#serial = serial
  }

  /** What it has done so far, in words. */
  get story(): readonly string[] {
    return this.#calls.story
  }

  async open(): Promise<AgentMemory> {
    this.#memory = await this.#hooks.open()
    this.#calls.attach(this.#memory)
    this.#places = placesOf(this.#memory)
    this.#latest = undefined
    return this.#memory
  }

  /** Takes so many steps, or of them only those in `wanted`: each has chances of its own, whichever are left out. */
  async run(steps: number, wanted?: ReadonlySet<number>): Promise<void> {
    for (let step = 0; step < steps && this.#calls.fault === undefined; step++) {
      if (wanted !== undefined && !wanted.has(step)) continue
      this.#random = seededRandom(this.#seed + step)
      await this.#step()
    }
    await this.settle()
    if (this.#calls.fault !== undefined) throw this.#calls.fault
  }

  /** Some writes, of which the last may not have been answered when it returns. */
  async write(count: number): Promise<void> {
    for (let done = 0; done < count; done++) {
      const choice = this.#random()
      if (choice < 0.5) this.#set()
      else if (choice < 0.7) this.#shapes.append(this.#context())
      else await this.#batch()
      if (this.#random() < 0.5) await this.#hooks.pass()
    }
    if (this.#calls.fault !== undefined) throw this.#calls.fault
  }

  settle(): Promise<void> {
    return this.#calls.settle(() => this.#hooks.pass())
  }

  async #step(): Promise<void> {
    const random = this.#random
    const choice = random()
    if (choice < 0.33) this.#set()
    else if (choice < 0.35) this.#burst()
    else if (choice < 0.41) this.#delete()
    else if (choice < 0.46) await this.#update()
    else if (choice < 0.51) await this.#compareAndSet()
    else if (choice < 0.58) await this.#batch()
    else if (choice < 0.6) await this.#writeMany()
    else if (choice < 0.74) await this.#shapes.step(this.#context())
    else if (choice < 0.78) void this.#calls.ask('flush', () => this.#memory.flush())
    else if (choice < 0.81) void this.#calls.ask('checkpoint', () => this.#memory.checkpoint())
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
    this.#calls.issue([modelWrite(place, key, value)], durability, () =>
      place.map.set(key, value, durability && { durability }),
    )
  }

  /** More write-back at once than any bound allows, before a flush can come between. */
  #burst(): void {
    const count = 4 + randomBelow(this.#random, 20)
    for (let done = 0; done < count; done++) this.#set('write-back')
  }

  #delete(durability = this.#durability(), { place, key } = this.#somewhere()): void {
    this.#calls.issue([modelWrite(place, key, undefined)], durability, () =>
      place.map.delete(key, durability && { durability }),
    )
  }

  async #update(): Promise<void> {
    const { place, key } = this.#somewhere()
    const value = this.#value()
    const durability = this.#durability()
    const change = (before: string | undefined) => {
      this.#calls.expect(before, this.history.current.get(place.prefix + key)?.value, `update of ${place.prefix}${key}`)
      return value
    }
    await this.#calls.issueAlone([modelWrite(place, key, value)], durability, () =>
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
    await this.#calls.issueAlone([modelWrite(place, key, value)], durability, () =>
      place.map.set(key, value, durability ? { durability, expected } : { expected }),
    )
  }

  async #batch(): Promise<void> {
    const count = 1 + randomBelow(this.#random, 5)
    const parts = Array.from({ length: count }, () => {
      const value = this.#random() < 0.8 ? this.#mediumValue() : undefined
      return { ...this.#somewhere(), value }
    })
    const durability = this.#durability()
    const append = this.#random() < 0.3 ? this.#shapes.appendInBatch(this.#context()) : undefined
    const writes = parts.map(({ place, key, value }) => modelWrite(place, key, value))
    if (append !== undefined) writes.push(...append.writes)
    await this.#calls.issueAlone(writes, durability, () =>
      this.#memory.batch(batch => {
        for (const { place, key, value } of parts) {
          if (value === undefined) batch.delete(place.map, key)
          else batch.set(place.map, key, value)
        }
        append?.add(batch)
      }, durability && { durability }),
    )
  }

  /** Many entries of one map: as one batch, or in several one after another. */
  async #writeMany(): Promise<void> {
    const place = pick(this.#places, this.#random)
    const durability = this.#durability()
    const isDelete = this.#random() < 0.3
    const count = 1 + randomBelow(this.#random, 6)
    const keys = Array.from({ length: count }, () => randomKey(this.#random))
    const entries = keys.map((key): [string, string] => [key, this.#mediumValue()])
    const writes = entries.map(([key, value]) => modelWrite(place, key, isDelete ? undefined : value))
    const batchSize = this.#random() < 0.5 ? 1 + randomBelow(this.#random, count) : undefined
    const options = { ...(durability && { durability }), ...(batchSize !== undefined && { batchSize }) }
    const { calls, answered } = this.#calls.issueMany(inBatches(writes, batchSize ?? count), durability, () =>
      isDelete ? place.map.deleteMany(keys, options) : place.map.setMany(entries, options),
    )
    if (calls.some(({ lastLsn }) => lastLsn === 0)) await answered
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
    this.#calls.story.push(`read ${place.prefix}${key} meanwhile`)
    void this.#calls.track(place.map.get(key).then(() => {}, ignoreClosing))
    this.#delete('write-through', { place, key })
    await this.settle()
    await this.#read({ place, key })
  }

  /** Writes a key anew while a checkpoint moves what it was: what is newer than the store must still be seen. */
  async #overtake(): Promise<void> {
    const where = this.#somewhere()
    this.#set('write-ahead', where)
    void this.#calls.ask('checkpoint', () => this.#memory.checkpoint())
    await turns(randomBelow(this.#random, 16))
    this.#set('write-ahead', where)
    await this.settle()
    await this.#scan()
  }

  async #read({ place, key } = this.#somewhere()): Promise<void> {
    if (this.history.waiting > 0) return
    this.#calls.story.push(`read ${place.prefix}${key}`)
    const expected = this.history.current.get(place.prefix + key)
    const entry = await place.map.getEntry(key, { durable: true })
    this.#calls.expect(entry?.value, expected?.value, `read of ${place.prefix}${key}`)
    if (entry !== undefined) this.#calls.promised(entry.version)
  }

  async #wait(): Promise<void> {
    this.#calls.story.push('wait for every answer')
    await this.settle()
  }

  async #pass(): Promise<void> {
    this.#calls.story.push('time passes')
    await this.#hooks.pass()
  }

  /** Everything at once: what stands in the tier, in the log and in the store. */
  async #scan(): Promise<void> {
    if (this.history.waiting > 0 || this.#shapes.isBusy) return
    this.#calls.story.push('scan everything')
    const expected = new Map(this.history.current)
    await removed(this.#memory, () => this.#hooks.pass())
    const found = await contentOf(this.#memory)
    for (const key of new Set([...expected.keys(), ...found.keys()])) {
      this.#calls.expect(found.get(key)?.value, expected.get(key)?.value, `scan of ${key}`)
    }
  }

  async #reopen(): Promise<void> {
    this.#calls.story.push('close and open again')
    const report = await this.#memory.close()
    await this.settle()
    assert.equal(report.lost + report.inDoubt, 0, 'a clean close says that something is lost')
    this.#calls.promised(this.history.lastLsn)
    await this.open()
    this.#hooks.onReopened?.(this.history.lastLsn)
  }

  #somewhere(): { place: Place; key: string } {
    return { place: pick(this.#places, this.#random), key: randomKey(this.#random) }
  }

  #value(): string {
    return valueFor(++this.#serial, this.#random)
  }

  #mediumValue(): string {
    return mediumValueFor(++this.#serial, this.#random)
  }

  /** `undefined`: as the map says. */
  #durability(): Durability | undefined {
    return this.#random() < 0.15 ? undefined : pick(DURABILITIES, this.#random)
  }

  #context(): StepContext {
    const nextSerial = () => ++this.#serial
    return { random: this.#random, memory: this.#memory, durability: this.#durability(), nextSerial }
  }
}

function inBatches(writes: readonly ModelWrite[], size: number): ModelWrite[][] {
  return Array.from({ length: Math.ceil(writes.length / size) }, (_, index) => {
    return writes.slice(index * size, (index + 1) * size)
  })
}
