/** A memory and its model, driven by the same actions and compared after each of them. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { AgentMemory, AgentMemoryOptions, Durability, MemoryMap, WriteResult } from '../../src/index.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { type Random, seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { contentOf, openOn, settles, turns } from '../engine/simulated.js'
import { type Accepted, Model, type ModelWrite } from './model.js'

const KEYS = ['a', 'b', 'c', 'd', 'e']
const MAX_LOSS_WRITES = 5

const key = fc.constantFrom(...KEYS)
const durability = fc.constantFrom<Durability>('write-back', 'write-back', 'write-ahead', 'write-through')
const ttlMs = fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined })
const noNull = { noNullPrototype: true }

/** One step. `await` says whether the step waits for its answer, or goes on at once. */
export const actions = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('set' as const), key, durability, ttlMs, await: fc.boolean() }, noNull),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('delete' as const), key, durability, await: fc.boolean() }, noNull),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('update' as const), key, durability, await: fc.boolean() }, noNull),
  },
  {
    weight: 3,
    arbitrary: fc.record(
      { kind: fc.constant('batch' as const), keys: fc.subarray(KEYS, { minLength: 1 }), durability },
      noNull,
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('cas' as const), key, durability, holds: fc.boolean() }, noNull),
  },
  {
    weight: 1,
    arbitrary: fc.record(
      { kind: fc.constant('large' as const), key, bytes: fc.integer({ min: 1, max: 60_000 }) },
      noNull,
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...(['flush', 'checkpoint', 'wait', 'read', 'reopen'] as const)).map(kind => ({ kind })),
  },
  // A minute is what the removal of expired entries from the store waits for.
  {
    weight: 2,
    arbitrary: fc.constantFrom(10, 50, 60_000).map(ms => ({ kind: 'time' as const, ms })),
  },
  { weight: 2, arbitrary: fc.constantFrom(...(['kill', 'power cut'] as const)).map(kind => ({ kind })) },
)

export type Action = typeof actions extends fc.Arbitrary<infer T> ? T : never

export class Run {
  checks = 0
  readonly #options: AgentMemoryOptions
  readonly #random: Random
  readonly #model = new Model()
  readonly #clock = new ManualClock()
  #disk: SimulatedDisk
  #memory!: AgentMemory
  #map!: MemoryMap<number, string>
  #pending: Promise<void>[] = []
  #nextValue = 1
  #acceptedLsn = 0

  static async start(options: AgentMemoryOptions, seed: number): Promise<Run> {
    const run = new Run(options, seed)
    await run.#open()
    return run
  }

  private constructor(options: AgentMemoryOptions, seed: number) {
    this.#options = { maxLoss: { writes: MAX_LOSS_WRITES }, ...options }
    this.#random = seededRandom(seed)
    this.#disk = new SimulatedDisk()
  }

  async step(action: Action): Promise<void> {
    switch (action.kind) {
      case 'set': {
        const value = this.#nextValue++
        const { durability, ttlMs } = action
        const options = ttlMs === undefined ? { durability } : { durability, ttlMs }
        const expiresAt = ttlMs === undefined ? undefined : this.#clock.wallMs() + ttlMs
        return this.#write(action, this.#map.set(action.key, value, options), [[action.key, value, expiresAt]])
      }
      case 'delete':
        return this.#write(action, this.#map.delete(action.key, { durability: action.durability }), [
          [action.key, undefined],
        ])
      case 'update':
        return this.#update(action)
      case 'batch':
        return this.#batch(action.keys, action.durability)
      case 'cas':
        return this.#compareAndSet(action)
      case 'time':
        return this.#pass(action.ms)
      case 'large':
        return this.#large(action.key, action.bytes)
      case 'kill':
        return this.#crash(this.#disk.clone())
      case 'power cut':
        return this.#crash(this.#disk.crash(this.#random))
      default:
        return this.#quiet(action.kind)
    }
  }

  async finish(): Promise<void> {
    await this.#quiet('reopen')
    await this.#crash(this.#disk.crash(this.#random))
  }

  async #open(): Promise<void> {
    this.#memory = await openOn(this.#disk, { clock: this.#clock, ...this.#options })
    this.#map = this.#memory.map<number, string>('m')
    this.#acceptedLsn = this.#memory.status().lsn.accepted
  }

  async #write(
    action: { durability: Durability; await: boolean },
    result: Promise<WriteResult>,
    writes: ModelWrite[],
  ): Promise<void> {
    await this.#track(result, writes, action.await)
    if (action.await) await this.#compare()
  }

  async #update({
    key,
    durability,
    await: waits,
  }: {
    key: string
    durability: Durability
    await: boolean
  }): Promise<void> {
    // The model can tell what the function is given only if nothing else is under way.
    await this.#settle()
    const before = this.#model.contentAt(this.#clock.wallMs())[key]
    const expiresAt = before === undefined ? undefined : this.#model.expiryOf(key)
    const value = this.#nextValue++
    const result = this.#map.update(
      key,
      found => {
        assert.equal(found, before)
        return value
      },
      { durability },
    )
    await this.#track(result, [[key, value, expiresAt]], waits)
    if (waits) await this.#compare()
  }

  async #batch(keys: readonly string[], durability: Durability): Promise<void> {
    const writes = keys.map((each, index): [string, number | undefined] => [
      each,
      index % 3 === 2 ? undefined : this.#nextValue++,
    ])
    const result = this.#memory.batch(
      batch => {
        for (const [key, value] of writes) {
          if (value === undefined) batch.delete(this.#map, key)
          else batch.set(this.#map, key, value)
        }
      },
      { durability },
    )
    await this.#track(result, writes, true)
    await this.#compare()
  }

  async #compareAndSet({
    key,
    durability,
    holds,
  }: {
    key: string
    durability: Durability
    holds: boolean
  }): Promise<void> {
    await this.#settle()
    const version = (await this.#map.getEntry(key))?.version ?? null
    const value = this.#nextValue++
    const result = this.#map.set(key, value, { durability, expected: holds ? version : (version ?? 0) + 1 })
    if (holds) await this.#track(result, [[key, value]], true)
    else await assert.rejects(result, { code: 'VERSION_CONFLICT', actual: version })
    await this.#compare()
  }

  /** A value that is large makes frames that pass the size of a segment. It does not stay. */
  async #large(key: string, bytes: number): Promise<void> {
    const value = Number.MAX_SAFE_INTEGER - bytes
    await this.#track(this.#map.set(key, value), [[key, value]], true)
    await this.#memory.map('large').set(key, 'x'.repeat(bytes), { durability: 'write-ahead' })
    this.#acceptedLsn = this.#memory.status().lsn.accepted
  }

  /** Time goes on, once nothing is under way that has a deadline. */
  async #pass(ms: number): Promise<void> {
    await this.#settle()
    await turns(20)
    this.#clock.advance(ms)
    await turns(20)
    this.#acceptedLsn = this.#memory.status().lsn.accepted
    await this.#compare()
  }

  async #quiet(kind: 'flush' | 'checkpoint' | 'wait' | 'read' | 'reopen'): Promise<void> {
    if (kind === 'read') return this.#compare()
    await this.#settle()
    if (kind === 'flush') await this.#memory.flush()
    if (kind === 'checkpoint')
      assert.ok(await settles(this.#memory.checkpoint(), 2000), 'a checkpoint comes to its end')
    if (kind !== 'wait') this.#promiseAll()
    if (kind === 'reopen') {
      const close = this.#memory.close()
      assert.ok(await settles(close, 2000), 'a close comes to its end')
      assert.deepEqual({ ...(await close), inStore: 0 }, { inStore: 0, inLog: 0, inDoubt: 0, lost: 0 })
      await this.#open()
    }
    await this.#compare()
  }

  async #crash(left: SimulatedDisk): Promise<void> {
    const old = this.#disk
    // What is answered by now counts: promises run on, the event loop does not.
    for (let turn = 0; turn < 10; turn++) await undefined
    this.#disk = left
    old.powerOff()
    this.#pending = []
    await this.#open()
    const content = await contentOf(this.#map)
    const wrong = this.#model.crashed(content, this.#clock.wallMs(), MAX_LOSS_WRITES)
    assert.equal(wrong, undefined)
    // What a recovery has served stays.
    this.#promiseAll()
    await this.#compare()
  }

  /** Notes a write in the model: as accepted with its LSN, and then as what its answer says. */
  async #track(result: Promise<WriteResult>, writes: Accepted['writes'], waits: boolean): Promise<void> {
    const disk = this.#disk
    const answered = result.then(
      ({ lsn, reached }) => {
        if (disk !== this.#disk) return
        this.#accepted(lsn, writes)
        if (reached === 'tier') this.#model.writeBacks.add(lsn)
        else this.#model.promise(lsn)
      },
      (error: unknown) => {
        // Of a disk whose power is off nobody expects an answer.
        if (disk === this.#disk) throw error
      },
    )
    // A call that found room was accepted before it returned, and may be kept by a crash, answered or not.
    const { accepted } = this.#memory.status().lsn
    const wasAccepted = accepted - this.#acceptedLsn === writes.length
    if (wasAccepted) this.#accepted(accepted, writes)
    if (waits || !wasAccepted) await answered
    else this.#pending.push(answered)
    this.#acceptedLsn = this.#memory.status().lsn.accepted
  }

  #accepted(lsn: number, writes: Accepted['writes']): void {
    if (this.#model.history.at(-1)?.lsn !== lsn && !this.#model.history.some(each => each.lsn === lsn)) {
      this.#model.accept(lsn, writes)
    }
  }

  #promiseAll(): void {
    for (const { lsn } of this.#model.history) this.#model.promise(lsn)
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#pending)
    this.#pending = []
  }

  async #compare(): Promise<void> {
    await this.#settle()
    this.checks += 1
    const expected = this.#model.contentAt(this.#clock.wallMs())
    assert.deepEqual(await contentOf(this.#map), expected)
    const values = await this.#map.getMany(KEYS)
    assert.deepEqual(
      values,
      KEYS.map(each => expected[each]),
    )
  }
}
