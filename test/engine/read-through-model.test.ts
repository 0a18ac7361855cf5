// Any sequence of reads, writes, loads, races, moments and crashes, against a model that fits on a page.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { MapOptions, MemoryMap } from '../../src/index.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { Source } from './loads.js'
import { contentOf, openOn, turns } from './simulated.js'

const HOUR_MS = 3_600_000
const KEYS = ['a', 'b', '__proto__']

type Step =
  | { kind: 'source'; key: string; value: number | undefined }
  | { kind: 'sourceFails'; fails: boolean }
  | { kind: 'get' | 'delete' | 'has'; key: string }
  | { kind: 'set'; key: string; value: number; ttlMs: number | undefined }
  | { kind: 'update'; key: string; value: number }
  | { kind: 'race'; key: string; value: number | undefined }
  | { kind: 'getMany' | 'checkpoint' | 'crash' }
  | { kind: 'advance' | 'wall'; ms: number }

const key = fc.constantFrom(...KEYS)
const value = fc.nat(99)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('source' as const), key, value: fc.option(value, { nil: undefined }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sourceFails' as const), fails: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('get' as const, 'get' as const, 'delete' as const, 'has' as const),
      key,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('set' as const), key, value, ttlMs: fc.constantFrom(undefined, 30) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('update' as const), key, value }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('race' as const), key, value: fc.option(value, { nil: undefined }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('getMany' as const, 'checkpoint' as const, 'crash' as const) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(1, 30, 50, 99, 100) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wall' as const), ms: fc.constantFrom(-HOUR_MS, -40, 40, HOUR_MS) }),
  },
)

const cases = fc.record({
  ttlMs: fc.constantFrom(undefined, 100),
  staleMs: fc.constantFrom(undefined, 50),
  negativeTtlMs: fc.constantFrom(undefined, 80),
  tierBytesMax: fc.constantFrom(0, 1 << 20),
  steps: fc.array(step, { maxLength: 40, size: 'max' }),
})

/** What is held of a key. Without a value it is known that there is none. */
interface Held {
  value: number | undefined
  expiresAt: number
}

test('whatever the sequence, a map that loads gives what the model gives, and asks as often', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ ttlMs, staleMs, negativeTtlMs, tierBytesMax, steps }) => {
      const options: MapOptions = {
        ...(ttlMs && { ttlMs }),
        ...(ttlMs && staleMs && { staleMs }),
        ...(negativeTtlMs && { negativeTtlMs }),
      }
      const run = new Run(options, tierBytesMax)
      await run.open()
      for (const each of steps) await run.take(each)
      await run.close()
    }),
    { numRuns: 300 },
  )
})

class Run {
  readonly #source = new Source()
  readonly #options: MapOptions
  readonly #tierBytesMax: number
  readonly #clock = new ManualClock()
  readonly #held = new Map<string, Held>()
  #disk = new SimulatedDisk()
  #memory!: Awaited<ReturnType<typeof openOn>>
  #map!: MemoryMap<number, string>
  /** The time that expiry goes by. */
  #now = 0

  constructor(options: MapOptions, tierBytesMax: number) {
    this.#options = options
    this.#tierBytesMax = tierBytesMax
  }

  async open(): Promise<void> {
    this.#memory = await openOn(this.#disk, { clock: this.#clock, tierBytesMax: this.#tierBytesMax })
    this.#map = this.#memory.map('m', { ...this.#options, load: this.#source.load as () => number })
    this.#now = this.#clock.wallMs()
  }

  async close(): Promise<void> {
    await this.#memory.close()
  }

  async take(step: Step): Promise<void> {
    if (step.kind === 'source') this.#change(step.key, step.value)
    else if (step.kind === 'sourceFails') this.#source.error = step.fails ? new Error('no answer') : undefined
    else if (step.kind === 'get') await this.#get(step.key)
    else if (step.kind === 'getMany') await this.#getMany()
    else if (step.kind === 'has') assert.equal(await this.#map.has(step.key), this.#live(step.key)?.value !== undefined)
    else if (step.kind === 'race') await this.#race(step.key, step.value)
    else if (step.kind === 'set') await this.#set(step.key, step.value, step.ttlMs)
    else if (step.kind === 'update') await this.#update(step.key, step.value)
    else if (step.kind === 'delete') await this.#delete(step.key)
    else if (step.kind === 'checkpoint') await this.#memory.checkpoint()
    else if (step.kind === 'crash') await this.#crash()
    else if (step.kind === 'advance') this.#advance(step.ms)
    else if (step.kind === 'wall') await this.#moveWall(step.ms)
    await turns(3)
    const content: Record<string, number | undefined> = JSON.parse('{}')
    for (const each of KEYS) {
      const held = this.#live(each)
      if (held?.value !== undefined) Object.defineProperty(content, each, { value: held.value, enumerable: true })
    }
    assert.deepEqual(Object.entries(await contentOf(this.#map)).sort(), Object.entries(content).sort())
  }

  #change(key: string, value: number | undefined): void {
    if (value === undefined) this.#source.values.delete(key)
    else this.#source.values.set(key, value)
  }

  async #get(key: string): Promise<void> {
    const before = this.#live(key)
    const asks = this.#asks(before)
    const expected = this.#expected(key, before)
    this.#source.asked()

    const [outcome] = await Promise.allSettled([this.#map.get(key)])
    await turns(3)

    assert.deepEqual(outcome.status === 'fulfilled' ? { value: outcome.value } : { error: outcome.reason }, expected)
    assert.equal(this.#source.asked(), asks ? 1 : 0)
    if (asks && this.#source.error === undefined) this.#loaded(key, this.#source.values.get(key) as number | undefined)
  }

  async #getMany(): Promise<void> {
    const asked = KEYS.filter(each => this.#asks(this.#live(each)))
    const expected = KEYS.map(each => this.#expected(each, this.#live(each)))
    this.#source.asked()

    const [outcome] = await Promise.allSettled([this.#map.getMany([...KEYS, KEYS[0]!])])
    await turns(3)

    assert.equal(this.#source.asked(), asked.length)
    if (expected.some(each => 'error' in each)) assert.equal(outcome.status, 'rejected')
    else {
      const values = expected.map(each => each.value)
      assert.deepEqual(outcome.status === 'fulfilled' && outcome.value, [...values, values[0]])
    }
    if (this.#source.error !== undefined) return
    for (const each of asked) this.#loaded(each, this.#source.values.get(each) as number | undefined)
  }

  /** A write, or a delete, while a load is on its way. */
  async #race(key: string, value: number | undefined): Promise<void> {
    const before = this.#live(key)
    const isMiss = before === undefined
    const expected = this.#expected(key, before)
    this.#source.asked()
    this.#source.isHeld = true
    const reading = this.#map.get(key)
    reading.catch(() => {})
    await turns(8)
    const asks = this.#source.asked() > 0
    assert.equal(asks, this.#asks(before))
    if (value === undefined) await this.#delete(key)
    else await this.#set(key, value, undefined)
    if (asks) this.#source.last.go()
    this.#source.isHeld = false

    const [outcome] = await Promise.allSettled([reading])

    const wins = isMiss && value !== undefined && !('error' in expected)
    const given = outcome.status === 'fulfilled' ? { value: outcome.value } : { error: outcome.reason }
    assert.deepEqual(given, wins ? { value } : expected)
  }

  async #set(key: string, value: number, ttlMs: number | undefined): Promise<void> {
    await this.#map.set(key, value, ttlMs === undefined ? {} : { ttlMs })
    this.#held.set(key, { value, expiresAt: this.#expiry(ttlMs ?? this.#options.ttlMs) })
  }

  async #update(key: string, value: number): Promise<void> {
    const before = this.#live(key)
    await this.#map.update(key, n => (n ?? 0) + value)
    const expiresAt = before?.value === undefined ? this.#expiry(this.#options.ttlMs) : before.expiresAt
    this.#held.set(key, { value: (before?.value ?? 0) + value, expiresAt })
  }

  async #delete(key: string): Promise<void> {
    await this.#map.delete(key)
    this.#held.delete(key)
  }

  async #crash(): Promise<void> {
    // What was loaded is not waited for, so that a crash might take it.
    await this.#memory.flush()
    const left = this.#disk.crash(() => 0.5, { kind: 'nothing' })
    await this.#memory.close()
    this.#disk = left
    // A clock that is behind at an open brings back what had expired and is still there: docs/durability.md, "Expiry".
    this.#clock.setWall(Math.max(this.#clock.wallMs(), this.#now))
    await this.open()
  }

  #advance(ms: number): void {
    this.#clock.advance(ms)
    this.#now += ms
  }

  async #moveWall(ms: number): Promise<void> {
    this.#clock.setWall(this.#clock.wallMs() + ms)
    // The memory looks at the clock when something is written that expires.
    await this.#memory.map('other').set('k', 1, { ttlMs: 1 })
    this.#now = Math.max(this.#now, this.#clock.wallMs())
  }

  #live(key: string): Held | undefined {
    const held = this.#held.get(key)
    return held === undefined || held.expiresAt <= this.#now ? undefined : held
  }

  #asks(held: Held | undefined): boolean {
    if (held === undefined) return true
    const { staleMs = 0 } = this.#options
    return held.value !== undefined && staleMs > 0 && held.expiresAt - staleMs <= this.#now
  }

  #expected(key: string, held: Held | undefined): { value?: unknown; error?: unknown } {
    if (held !== undefined) return { value: held.value }
    return this.#source.error === undefined ? { value: this.#source.values.get(key) } : { error: this.#source.error }
  }

  #loaded(key: string, value: number | undefined): void {
    const { negativeTtlMs } = this.#options
    if (value !== undefined) this.#held.set(key, { value, expiresAt: this.#expiry(this.#options.ttlMs) })
    else if (negativeTtlMs === undefined) this.#held.delete(key)
    else this.#held.set(key, { value, expiresAt: this.#now + negativeTtlMs })
  }

  #expiry(ttlMs: number | undefined): number {
    return ttlMs === undefined ? Infinity : this.#now + ttlMs + (this.#options.staleMs ?? 0)
  }
}
