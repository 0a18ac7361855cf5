/**
 * Steps of a workload that use shapes: lists, preferences, blobs, loads. What a call will make of a shape is worked out
 * before it is issued, of what the calls before it make: those of one shape take effect in their order.
 */
import type { AgentMemory, Durability, WriteBatch } from '../src/index.js'
import { type Random, randomBelow } from '../src/testing/random.js'
import { type Calls, ignoreClosing, type Result } from './calls.js'
import type { Call, ModelWrite } from './history.js'
import { appended, freshOf, type ListItem, type ListModel, OWN_ID, parseList, trimmed } from './list-model.js'
import {
  blobsOf,
  headWrite,
  KEYS,
  type ListPlace,
  listsOf,
  loadedPlace,
  messageOf,
  modelWrite,
  pick,
  preferencesOf,
  randomKey,
  setSource,
  USERS,
} from './shape.js'
import { digestOf, mediumValueFor, noise } from './values.js'

export interface StepContext {
  random: Random
  memory: AgentMemory
  durability: Durability | undefined
  nextSerial(): number
}

/** What is appended, and what comes of it. */
interface Append {
  list: ListPlace
  values: string[]
  /** Of messages: `undefined` for one that the caller gives no id. */
  ids: (string | undefined)[]
  before: ListModel
  after: ListModel
  /** Those that are there already are told, and not appended. */
  isNew: boolean[]
}

/** Two of them fill more than a chunk, with frames as small as in the laboratory. */
const PIECE_BYTES = 30_000

export class ShapeSteps {
  readonly #calls: Calls
  /** The call that a message was appended by. */
  readonly #appendedBy = new Map<string, Call>()
  /** Positions of messages that were given: each of a conversation once, whatever was deleted since. */
  readonly #given = new Set<string>()
  /** Blobs that are being changed. */
  readonly #busy = new Set<string>()

  constructor(calls: Calls) {
    this.#calls = calls
  }

  /** Whether blobs are being changed now: what is there may change at any time. */
  get isBusy(): boolean {
    return this.#busy.size > 0
  }

  async step(context: StepContext): Promise<void> {
    const choice = context.random()
    if (choice < 0.4) this.append(context)
    else if (choice < 0.52) this.#trim(context)
    else if (choice < 0.62) await this.#prefer(context)
    else if (choice < 0.82) this.#changeBlob(context)
    else if (choice < 0.93) await this.#load(context)
    else await this.#loadLate(context)
  }

  /** Not waited for: appends at once keep their order. */
  append({ random, memory, durability, nextSerial }: StepContext): void {
    const count = random() < 0.1 ? 5 : 1
    for (let done = 0; done < count; done++) {
      this.#issueAppend(this.#newAppend(memory, random, nextSerial), durability)
    }
  }

  /** An append that goes along with the other writes of a batch: what it writes, and how it is asked for. */
  appendInBatch({ random, memory, nextSerial }: StepContext): { writes: ModelWrite[]; add(batch: WriteBatch): void } {
    const { list, values, after } = this.#newAppend(memory, random, nextSerial, 1)
    const add = (batch: WriteBatch) => {
      if (list.kind === 'sequence') batch.append(list.sequence, ...values)
      else batch.append(list.conversations, list.id, ...values.map(messageOf))
    }
    return { writes: [headWrite(list, after)], add }
  }

  #newAppend(memory: AgentMemory, random: Random, nextSerial: () => number, namelessShare = 0.3): Append {
    const list = pick(listsOf(memory), random)
    const values = Array.from({ length: 1 + randomBelow(random, 3) }, () => mediumValueFor(nextSerial(), random))
    // Few ids, so that many are there already.
    const ids = values.map(() => (random() < namelessShare ? undefined : `m${randomBelow(random, 6)}`))
    const before = parseList(this.#calls.history.expected(list.head))
    const digests = values.map(digestOf)
    if (list.kind === 'sequence') {
      const after = appended(before, digests, list.keepLast)
      return { list, values, ids, before, after, isNew: values.map(() => true) }
    }
    const messages = digests.map((digest, index): ListItem => [ids[index] ?? OWN_ID, digest])
    const fresh = freshOf(before, messages)
    const after = { next: 0, items: [...before.items, ...fresh].slice(-list.keepLast) }
    return { list, values, ids, before, after, isNew: messages.map(each => fresh.includes(each)) }
  }

  #issueAppend(append: Append, durability: Durability | undefined): void {
    const { list, after, ids, isNew } = append
    const run = () => this.#appendTo(append, durability)
    const names = ids.map(id => `${list.head} ${id}`)
    if (!isNew.includes(true)) {
      // It writes nothing, and answers when the first ones are as durable as is asked now.
      const seen = names.map(name => this.#appendedBy.get(name))
      this.#ask(`append to ${list.head} what is there`, durability, run, () => seen.map(call => call?.lastLsn ?? 0))
      return
    }
    const { call } = this.#calls.issue([headWrite(list, after)], durability, run)
    for (const [index, name] of names.entries()) if (isNew[index]) this.#appendedBy.set(name, call)
  }

  /** Appends, and looks whether the answer says what it should. */
  async #appendTo({ list, values, ids, before, isNew }: Append, durability: Durability | undefined): Promise<Result> {
    const options = durability && { durability }
    if (list.kind === 'sequence') {
      const result = await list.sequence.appendMany(values, options)
      const positions = values.map((_, index) => before.next + index)
      this.#calls.expect(String(result.positions), String(positions), `positions in ${list.head}`)
      return result
    }
    const result = await list.conversations.appendMany(list.id, values.map(messageOf), { ...options, ids })
    const told = result.messages.map(each => each.isNew)
    this.#calls.expect(String(told), String(isNew), `what is new in ${list.head}`)
    for (const { position } of result.messages.filter(each => each.isNew)) {
      const place = `${list.head} ${position}`
      if (this.#given.has(place))
        this.#calls.fault ??= new Error(`position ${position} of ${list.head} was given before`)
      this.#given.add(place)
    }
    return result
  }

  #trim({ random, memory, durability }: StepContext): void {
    const list = pick(listsOf(memory), random)
    const before = parseList(this.#calls.history.expected(list.head))
    const keepLast = random() < 0.2 ? 0 : randomBelow(random, 5)
    const after = trimmed(before, keepLast)
    const first = Number(after.items[0]?.[0] ?? before.next)
    const target = list.kind === 'sequence' && random() < 0.4 ? { before: first } : { keepLast }
    const options = { ...target, ...(durability && { durability }) }
    const run = () => {
      if (list.kind === 'sequence') return list.sequence.trim(options)
      if (keepLast === 0) return list.conversations.delete(list.id, durability && { durability })
      return list.conversations.trim(list.id, options)
    }
    if (before.items.length > keepLast) this.#calls.issue([headWrite(list, after)], durability, run)
    else this.#ask(`trim ${list.head} to more than it has`, durability, run)
  }

  async #prefer({ random, memory, durability, nextSerial }: StepContext): Promise<void> {
    const { preferences, lead } = preferencesOf(memory)
    const options = durability && { durability }
    const user = pick(USERS, random)
    const key = pick(KEYS.slice(0, 3), random)
    const choice = random()
    const value = choice < 0.6 ? mediumValueFor(nextSerial(), random) : undefined
    const write = { key: `${lead}${user}/${key}`, value, budget: 'memory' }
    if (value !== undefined) {
      this.#calls.issue([write], durability, () => preferences.set(user, key, value, options))
    } else if (choice < 0.85 || this.#calls.history.waiting > 0) {
      this.#calls.issue([write], durability, () => preferences.delete(user, key, options))
    } else {
      const keys = [...this.#calls.history.current.keys()].filter(each => each.startsWith(`${lead}${user}/`)).sort()
      const run = () => preferences.delete(user, options ?? {})
      const writes = keys.map((each): ModelWrite => ({ key: each, value: undefined, budget: 'memory' }))
      if (writes.length > 0) await this.#calls.issueAlone(writes, durability, run)
      else this.#ask(`delete all of ${user}, who has none`, durability, run)
    }
  }

  /** Not waited for: other writes are accepted while its chunks are written. */
  #changeBlob({ random, memory, durability, nextSerial }: StepContext): void {
    const { blobs, lead } = blobsOf(memory)
    const key = pick(KEYS.slice(0, 2), random)
    if (this.#busy.has(key)) return
    const options = durability && { durability }
    const isDelete = random() < 0.25
    const rest = random() < 0.2 ? 2 + randomBelow(random, 3) : 0
    const head = Buffer.from(mediumValueFor(nextSerial(), random))
    const pieces = [head, ...Array.from({ length: rest }, () => Buffer.from(noise(PIECE_BYTES)))]
    const value = isDelete ? undefined : digestOf(Buffer.concat(pieces))
    this.#busy.add(key)
    const { answered } = this.#calls.issue([{ key: lead + key, value, budget: 'memory' }], durability, () =>
      isDelete ? blobs.delete(key, options) : blobs.put(key, pieces, options),
    )
    void answered.then(() => this.#busy.delete(key))
  }

  /** What is loaded is written, and nobody is told how durable it is. */
  async #load({ random, memory, nextSerial }: StepContext): Promise<void> {
    const place = loadedPlace(memory)
    const key = randomKey(random)
    if (!this.#isAbsent(place.prefix + key)) return
    const value = mediumValueFor(nextSerial(), random)
    setSource(memory, key, async () => value)
    await this.#calls.issueUnanswered([modelWrite(place, key, value)], async () => {
      this.#calls.expect(await place.map.get(key), value, `what is loaded for ${key}`)
    })
    setSource(memory, key, undefined)
  }

  /** What is written while a load goes on stays: nothing is written for the load. */
  async #loadLate({ random, memory, durability, nextSerial }: StepContext): Promise<void> {
    const place = loadedPlace(memory)
    const key = randomKey(random)
    if (!this.#isAbsent(place.prefix + key)) return
    const [late, value] = [mediumValueFor(nextSerial(), random), mediumValueFor(nextSerial(), random)]
    let finish = () => {}
    const isDue = new Promise<void>(resolve => {
      finish = resolve
    })
    setSource(memory, key, () => isDue.then(() => late))
    const read = place.map.get(key)
    for (let turn = randomBelow(random, 3); turn > 0; turn--) await new Promise(resolve => setImmediate(resolve))
    await this.#calls.issueAlone([modelWrite(place, key, value)], durability, () =>
      place.map.set(key, value, durability && { durability }),
    )
    finish()
    this.#calls.expect(await read.catch(ignoreClosing), value, `a read of ${key} that was loaded meanwhile`)
    setSource(memory, key, undefined)
  }

  #isAbsent(key: string): boolean {
    return this.#calls.history.waiting === 0 && !this.#calls.history.current.has(key)
  }

  /** A call that finds nothing to write. It answers when all that it has seen is as durable as is asked. */
  #ask(
    what: string,
    durability: Durability | undefined,
    run: () => Promise<Result>,
    seen: () => readonly number[] = () => [],
  ): void {
    const ask = async () => {
      const result = await run()
      this.#calls.checkReached(result, durability)
      return result.reached === 'tier' ? 0 : Math.max(result.lsn, ...seen())
    }
    void this.#calls.ask(what, ask)
  }
}
