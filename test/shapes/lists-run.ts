/** Lists and their model, which is arrays, driven by the same actions and compared after each of them. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type {
  AgentMemory,
  AgentMemoryOptions,
  ConversationAppendResult,
  Conversations,
  Durability,
  Sequence,
  TrimTarget,
  WriteResult,
} from '../../src/index.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { type Random, seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { openOn, settles } from '../engine/simulated.js'

const MAX_LOSS_WRITES = 12
const KEEP_LAST = 4
const IDS = ['a', 'b']

const durability = fc.constantFrom<Durability>('write-back', 'write-back', 'write-ahead', 'write-through')
const list = fc.constantFrom('s', 'kept', ...IDS)
// A few names, so that many are there already; and none at all.
const names = fc.array(fc.constantFrom('m1', 'm2', 'm3', 'm4', 'm5', 'm6', undefined), { minLength: 1, maxLength: 6 })
const noNull = { noNullPrototype: true }

export const actions = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('append' as const), list, names, durability }, noNull) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('burst' as const), list, names, kill: fc.boolean() }, noNull),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('trim' as const), list, keepLast: fc.nat(6), durability }, noNull),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('trim' as const), list, before: fc.nat(6), durability }, noNull),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), list, durability }, noNull) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...(['flush', 'checkpoint', 'reopen', 'kill', 'power cut'] as const)).map(kind => ({
      kind,
    })),
  },
)

export type Action = typeof actions extends fc.Arbitrary<infer T> ? T : never

interface Item {
  value: number
  /** The name that it was given. */
  name?: string | undefined
  /** Of an item of a sequence. */
  position?: number
}

/** What is there, by list; and where each sequence goes on, which outlives its items. */
interface Content {
  items: Record<string, Item[]>
  next: Record<string, number>
}

/** Everything that was there once, in order, and what of it has been promised. */
interface Moment {
  content: Content
  isPromised: boolean
  isWriteBack: boolean
}

export class ListsRun {
  readonly #options: AgentMemoryOptions
  readonly #random: Random
  readonly #clock = new ManualClock()
  #disk = new SimulatedDisk()
  #memory!: AgentMemory
  #history: Moment[] = [
    {
      content: { items: { s: [], kept: [], a: [], b: [] }, next: { s: 0, kept: 0 } },
      isPromised: true,
      isWriteBack: false,
    },
  ]
  #nextValue = 1
  /** Where messages are, by their value, and under which id: as their answers have told. */
  readonly #placed = new Map<number, { position: number; id: string }>()
  /** The highest position that a conversation has ever given, also to what was lost. */
  readonly #highest = new Map<string, number>()

  static async start(options: AgentMemoryOptions, seed: number): Promise<ListsRun> {
    const run = new ListsRun(options, seed)
    await run.#open()
    return run
  }

  private constructor(options: AgentMemoryOptions, seed: number) {
    this.#options = { maxLoss: { writes: MAX_LOSS_WRITES }, ...options }
    this.#random = seededRandom(seed)
  }

  async step(action: Action): Promise<void> {
    switch (action.kind) {
      case 'append':
        await this.#append(action.list, action.names, action.durability)
        return this.#compare()
      case 'burst':
        return this.#burst(action.list, action.names, action.kill)
      case 'trim': {
        const target =
          'before' in action ? { before: this.#firstOf(action.list) + action.before } : { keepLast: action.keepLast }
        return this.#trim(action.list, target, action.durability)
      }
      case 'delete':
        return this.#trim(action.list, { keepLast: 0 }, action.durability)
      case 'flush':
        await this.#memory.flush()
        this.#promiseAll()
        return
      case 'checkpoint':
        assert.ok(await settles(this.#memory.checkpoint(), 2000), 'a checkpoint comes to its end')
        this.#promiseAll()
        return this.#compare()
      case 'reopen':
        assert.ok(await settles(this.#memory.close(), 2000), 'a close comes to its end')
        this.#promiseAll()
        await this.#open()
        return this.#compare()
      case 'kill':
        return this.#crash(this.#disk.clone())
      case 'power cut':
        return this.#crash(this.#disk.crash(this.#random))
    }
  }

  async #open(): Promise<void> {
    this.#memory = await openOn(this.#disk, { clock: this.#clock, ...this.#options })
  }

  #sequence(name: string): Sequence<number> {
    return this.#memory.sequence<number>(name, name === 'kept' ? { keepLast: KEEP_LAST } : {})
  }

  #conversations(): Conversations<number> {
    return this.#memory.conversations<number>({ keepLast: KEEP_LAST, maxLoss: { ms: 1000, writes: MAX_LOSS_WRITES } })
  }

  #firstOf(name: string): number {
    const [first] = this.#history.at(-1)!.content.items[name]!
    return first === undefined ? 0 : this.#positionOf(first)
  }

  #positionOf({ value, position }: Item): number {
    return position ?? this.#placed.get(value)!.position
  }

  /** Appends: the model says at the call what is there then, and the answer what it has reached. */
  async #append(name: string, itemNames: readonly (string | undefined)[], durability: Durability): Promise<void> {
    const items = itemNames.map((each): Item => ({ value: this.#nextValue++, name: each }))
    const content = this.#copy()
    const moment: Moment = { content, isPromised: false, isWriteBack: false }
    const values = items.map(({ value }) => value)
    if (IDS.includes(name)) {
      const fresh = this.#freshOf(content.items[name]!, items)
      if (fresh.length > 0) {
        this.#history.push(moment)
        content.items[name] = [...content.items[name]!, ...fresh].slice(-KEEP_LAST)
      }
      const isBegun = this.#history.at(fresh.length > 0 ? -2 : -1)!.content.items[name]!.length === 0
      const told = await this.#conversations().appendMany(name, values, { ids: itemNames, durability })
      this.#checkPlaces(name, items, fresh, told, isBegun)
      if (fresh.length > 0) this.#note(moment, told)
    } else {
      this.#history.push(moment)
      const next = content.next[name]!
      this.#appended(content, name, values)
      const told = await this.#sequence(name).appendMany(values, { durability })
      assert.deepEqual(
        told.positions,
        values.map((_, index) => next + index),
      )
      this.#note(moment, told)
    }
  }

  /** Those that are not there yet; a name within the call counts as there for what comes behind it. */
  #freshOf(before: readonly Item[], items: readonly Item[]): Item[] {
    const there = new Set(before.flatMap(({ name }) => name ?? []))
    return items.filter(({ name }) => {
      if (name === undefined) return true
      const isFresh = !there.has(name)
      there.add(name)
      return isFresh
    })
  }

  #checkPlaces(
    name: string,
    items: readonly Item[],
    fresh: readonly Item[],
    { messages }: ConversationAppendResult,
    isBegun: boolean,
  ): void {
    const highest = this.#highest.get(name) ?? -1
    for (const [index, { position, id, isNew }] of messages.entries()) {
      const item = items[index]!
      assert.equal(isNew, fresh.includes(item), `${id} at ${position}`)
      if (item.name !== undefined) assert.equal(id, item.name)
      if (!isNew) continue
      if (isBegun) assert.ok(position > highest, `${position} was given before: ${highest}`)
      this.#placed.set(item.value, { position, id })
      this.#highest.set(name, Math.max(position, this.#highest.get(name) ?? -1))
    }
  }

  #appended(content: Content, name: string, values: readonly number[]): void {
    for (const value of values) content.items[name]!.push({ position: content.next[name]!++, value })
    if (name === 'kept') content.items[name] = content.items[name]!.slice(-KEEP_LAST)
  }

  /** Appends that do not wait for one another; a process may be killed before any of them has been answered. */
  async #burst(name: string, itemNames: readonly (string | undefined)[], kill: boolean): Promise<void> {
    const appends = itemNames.map(each => this.#append(name, [each], 'write-back'))
    if (kill) {
      // Of a process that is gone nobody expects an answer: what it had accepted is there, or it is not.
      for (const append of appends) append.catch(() => {})
      return this.#crash(this.#disk.clone())
    }
    await Promise.all(appends)
    return this.#compare()
  }

  async #trim(name: string, target: TrimTarget, durability: Durability): Promise<void> {
    const content = this.#copy()
    const items = content.items[name]!
    const stays = (item: Item, index: number) =>
      'before' in target ? this.#positionOf(item) >= target.before : index >= items.length - target.keepLast
    content.items[name] = items.filter(stays)
    const result = IDS.includes(name)
      ? await this.#conversations().trim(name, { ...target, durability })
      : await this.#sequence(name).trim({ ...target, durability })
    assert.equal(result.removed, items.length - content.items[name]!.length)
    if (result.removed > 0) {
      const moment: Moment = { content, isPromised: false, isWriteBack: false }
      this.#history.push(moment)
      this.#note(moment, result)
    }
    await this.#compare()
  }

  /** What has reached more than the tier is promised, with all before it. */
  #note(moment: Moment, { reached }: WriteResult): void {
    if (reached === 'tier') moment.isWriteBack = true
    else for (const each of this.#history.slice(0, this.#history.indexOf(moment) + 1)) each.isPromised = true
  }

  #promiseAll(): void {
    for (const moment of this.#history) moment.isPromised = true
  }

  #copy(): Content {
    return structuredClone(this.#history.at(-1)!.content)
  }

  async #crash(left: SimulatedDisk): Promise<void> {
    const old = this.#disk
    this.#disk = left
    old.powerOff()
    await this.#open()
    const found = JSON.stringify(await this.#found())
    let lostWriteBacks = 0
    while (JSON.stringify(this.#expected()) !== found) {
      const lost = this.#history.pop()
      assert.ok(lost !== undefined && !lost.isPromised, `${found} is no prefix`)
      if (lost.isWriteBack) lostWriteBacks += 1
    }
    assert.ok(lostWriteBacks <= MAX_LOSS_WRITES, `${lostWriteBacks} acknowledged appends are lost`)
    this.#promiseAll()
    await this.#compare()
  }

  async #compare(): Promise<void> {
    const expected = this.#expected()
    assert.deepEqual(await this.#found(), expected)
    assert.deepEqual(
      await this.#conversations().list(),
      IDS.filter(id => expected.items[id]!.length > 0),
    )
    for (const name of ['s', 'kept']) {
      const items = expected.items[name]!
      const reversed = []
      for await (const { position } of this.#sequence(name).read({ reverse: true, pageSize: 3 }))
        reversed.push(position)
      assert.deepEqual(reversed, items.map(({ position }) => position).reverse())
      assert.deepEqual(
        (await this.#sequence(name).tail(2)).map(({ value }) => value),
        items.slice(-2).map(({ value }) => value),
      )
    }
  }

  /** What should be there. Content is built in one order always, so that it can be compared as text. */
  #expected(): Content {
    const { items, next } = this.#history.at(-1)!.content
    const shown = ['s', 'kept', ...IDS].map(name => [
      name,
      items[name]!.map(({ value, position }) => ({ value, position })),
    ])
    return { items: Object.fromEntries(shown), next: { s: next.s!, kept: next.kept! } }
  }

  /** What is there. */
  async #found(): Promise<Content> {
    const content: Content = { items: {}, next: {} }
    for (const name of ['s', 'kept']) {
      const items: Item[] = []
      for await (const { position, value } of this.#sequence(name).read()) items.push({ value, position })
      content.items[name] = items
      content.next[name] = (await this.#sequence(name).bounds()).next
    }
    for (const name of IDS) {
      const messages = await this.#conversations().history(name, 100)
      for (const { message, position, id } of messages) {
        const placed = this.#placed.get(message)
        if (placed !== undefined) assert.deepEqual({ position, id }, placed)
        else this.#placed.set(message, { position, id })
      }
      content.items[name] = messages.map(({ message }): Item => ({ value: message, position: undefined! }))
    }
    return content
  }
}
