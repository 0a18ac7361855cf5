/**
 * Append-only lists, each under an id: what sequences and conversations are made of.
 *
 * A list is a head (`head.ts`) and an entry for each item, under its position. An append writes the items, the head and
 * the deletes of what `keepLast` lets go of, as one batch; so it costs the same however long the list is, and a crash
 * leaves a prefix of the appends. Calls on one list take turns (`engine/turns.ts`), so that they keep their order.
 */

import { NEVER } from '../codec/extras.js'
import { checkKeyLength, type EncodedKey } from '../core/key.js'
import type { EncodedWrite } from '../engine/flush.js'
import type { FoundValue } from '../engine/read.js'
import type { Planned, View } from '../engine/turns.js'
import type { WriteResult } from '../engine/write.js'
import type { Durability } from '../policy/durability.js'
import { encode } from '../values.js'
import type { BatchAppend } from '../write-batch.js'
import { type Head, POSITION_BYTES } from './head.js'
import type { Home } from './home.js'
import { type ListKind, ListPlans, type NewItem, type Placed } from './list-plans.js'
import type { ListConfig, TrimTarget } from './options.js'

/** The positions that a list has. */
export interface ListBounds {
  /** Position of the oldest item; that of the next one if there is none. */
  first: number
  /** Position that the next item gets, at least. */
  next: number
}

const FIRST_LIVE_PAGE = 16
// What a waiting call takes beside its items, roughly.
const CALL_BYTES = 512

export class Lists {
  readonly #home: Home<ListConfig>
  readonly #plans: ListPlans

  constructor(home: Home<ListConfig>, kind: ListKind) {
    this.#home = home
    this.#plans = new ListPlans(home, kind)
  }

  headKey(id: EncodedKey): EncodedKey {
    return this.#plans.headKey(id)
  }

  /** Encodes an item as it is now. */
  encode(value: unknown): EncodedWrite {
    const { engine, config, valueBytesMax } = this.#home.core
    return encode(value, valueBytesMax, config.ttlMs === undefined ? NEVER : engine.expiresAt(config.ttlMs))
  }

  /** Appends items in their order, all or nothing. What is there under a name already stays as it is. */
  async append(
    id: EncodedKey,
    items: readonly NewItem[],
    durability: Durability | undefined,
  ): Promise<{ result: WriteResult; placed: readonly Placed[] }> {
    const { bytes, plan } = this.toAppend(id, items)
    const { result, value } = await this.#take(id, bytes, durability, view => plan(view, items))
    return { result, placed: value }
  }

  /** The same within a batch. */
  toAppend(id: EncodedKey, items: readonly NewItem[]): BatchAppend<NewItem, readonly Placed[]> {
    checkKeyLength(this.#plans.itemKey(id, 0))
    for (const { name } of items) if (name !== undefined) checkKeyLength(this.#plans.nameKey(id, name.text))
    return {
      key: this.headKey(id),
      items,
      bytes: items.reduce((sum, { content }) => sum + content.value!.length, CALL_BYTES),
      durabilityOf: dataClass => this.#home.core.config.policy.durabilityOf(id, dataClass),
      plan: (view, all) => this.#plans.append(view, id, all),
    }
  }

  /** The positions of a list, as they are once the calls before this one have been accepted. */
  async bounds(id: EncodedKey): Promise<ListBounds> {
    const head = await this.#head(id)
    return { first: Math.max(await this.#firstLive(id, head), this.#plans.keptFrom(head)), next: head.next }
  }

  /** The same at the cost of the head alone: what comes first may have expired. */
  async roughBounds(id: EncodedKey): Promise<ListBounds> {
    const head = await this.#head(id)
    return { first: Math.max(head.first, this.#plans.keptFrom(head)), next: head.next }
  }

  /** What is found at some positions; `undefined` for what has expired or was trimmed. */
  find(id: EncodedKey, positions: readonly number[]): Promise<(FoundValue | undefined)[]> {
    this.#home.checkOpen()
    return this.#home.core.engine.reader.getMany(positions.map(position => this.#plans.itemKey(id, position)))
  }

  /** Removes the oldest items, batch by batch: what a crash leaves of it has a shorter list, without a gap. */
  async trim(
    id: EncodedKey,
    target: TrimTarget,
    durability: Durability | undefined,
  ): Promise<{ result: WriteResult; removed: number }> {
    let removed = 0
    let until: number | undefined
    for (;;) {
      this.#home.checkOpen()
      const plan = (view: View) => this.#plans.trim(view, id, until ?? target)
      const { result, value } = await this.#take(id, 0, durability, plan)
      removed += value.removed
      until = value.until
      if (value.isDone) return { result, removed }
    }
  }

  #take<T>(
    id: EncodedKey,
    bytes: number,
    durability: Durability | undefined,
    plan: (view: View) => Planned<T>,
  ): Promise<{ result: WriteResult; value: T }> {
    const { engine, config } = this.#home.core
    return engine.turns.take({ keys: [this.headKey(id)], bytes, durability: durability ?? config.durability, plan })
  }

  async #head(id: EncodedKey): Promise<Head> {
    const { engine } = this.#home.core
    this.#home.checkOpen()
    const key = this.headKey(id)
    await engine.turns.before(key)
    return this.#plans.headIn(await engine.reader.get(key))
  }

  /** The first position that holds an item which has not expired. */
  async #firstLive(id: EncodedKey, { first, next, expires }: Head): Promise<number> {
    if (!expires) return first
    const range = { from: this.#plans.itemKey(id, first), to: this.#plans.itemKey(id, next), reverse: false }
    for await (const page of this.#home.core.engine.scanner.pages(range, FIRST_LIVE_PAGE)) {
      // Items of ids that go on behind this one may lie in between: their keys are longer.
      const found = page.find(({ key }) => key.length === range.from.length)
      if (found !== undefined) return Number(found.key.slice(-POSITION_BYTES, -1))
    }
    return next
  }
}
