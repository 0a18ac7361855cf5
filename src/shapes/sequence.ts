/** A sequence: an append-only list under a name. */
import type { MemoryEngine } from '../engine/memory-engine.js'
import type { WriteResult } from '../engine/write.js'
import { decode } from '../values.js'
import type { BatchAppend } from '../write-batch.js'
import { type FollowOptions, follow } from './follow.js'
import type { Home } from './home.js'
import type { NewItem } from './list-plans.js'
import { type ListBounds, Lists } from './lists.js'
import {
  type AppendOptions,
  checkPosition,
  type ListConfig,
  listOf,
  parseAppendOptions,
  parseTrim,
  type ReadRange,
  type TrimOptions,
} from './options.js'
import { type FoundItem, lastItems, readItems } from './reading.js'

/** An item and where it is. */
export interface SequenceItem<V> {
  /** The next item's is the next number. No other item of the sequence ever has it. */
  position: number
  value: V
}

/** Where the items of an append are, and what they have reached. */
export interface AppendResult extends WriteResult {
  readonly positions: readonly number[]
}

/** What a trim has removed, and what that has reached. */
export interface TrimResult extends WriteResult {
  /** Positions let go of, also of items that had expired. */
  readonly removed: number
}

// The name of the sequence leads its keys already.
const ID = ''

export class Sequence<V = unknown> {
  readonly name: string
  readonly #home: Home<ListConfig>
  readonly #lists: Lists

  /** @internal Sequences come from `memory.sequence`. */
  constructor(name: string, home: Home<ListConfig>) {
    this.name = name
    this.#home = home
    this.#lists = new Lists(home, { isKept: true })
  }

  /** Appends items behind the last one, all or nothing, as durable as the sequence says. */
  append(...items: V[]): Promise<AppendResult> {
    return this.appendMany(items)
  }

  /**
   * Appends items behind the last one, all or nothing.
   *
   * They are encoded when this is called, and visible at once, unless the sequence's head has to be read first. Appends
   * keep the order of their calls.
   *
   * @throws BATCH_TOO_LARGE, VALUE_TOO_LARGE; VALUE_UNSUPPORTED for what cannot be kept as it is
   */
  async appendMany(items: Iterable<V>, options: AppendOptions = {}): Promise<AppendResult> {
    this.#home.checkOpen()
    const durability = parseAppendOptions(options, 'an append')
    const { result, placed } = await this.#lists.append(ID, this.#encoded(listOf(items)), durability)
    const { lsn, reached } = result
    return { lsn, reached, durable: () => result.durable(), positions: placed.map(({ position }) => position) }
  }

  /** @internal An append, for a batch. */
  toAppend(...items: V[]): BatchAppend {
    return this.#lists.toAppend(ID, this.#encoded(items)) as BatchAppend
  }

  /** @internal The engine that the sequence belongs to. */
  get engine(): MemoryEngine {
    return this.#home.core.engine
  }

  /** The item at a position; `undefined` if there is none, or none any more. A fresh object each time. */
  async get(position: number): Promise<V | undefined> {
    this.#home.checkOpen()
    checkPosition(position)
    const [found] = await this.#lists.find(ID, [position])
    return found && (decode(found) as V)
  }

  /** The positions that it has. An empty sequence has `first` equal to `next`. */
  bounds(): Promise<ListBounds> {
    return this.#lists.bounds(ID)
  }

  /** How many positions it has. */
  async length(): Promise<number> {
    const { first, next } = await this.bounds()
    return next - first
  }

  /** The last `n` items, oldest first. */
  async tail(n = 10): Promise<SequenceItem<V>[]> {
    return (await lastItems(this.#lists, ID, n)).map(itemOf<V>)
  }

  /**
   * The items of a range, page by page, in the order of their positions or in reverse. It ends with the last item that
   * was there when it began.
   */
  async *read(options: ReadRange = {}): AsyncGenerator<SequenceItem<V>, void, void> {
    for await (const item of readItems(this.#lists, ID, options)) {
      this.#home.checkOpen()
      yield itemOf<V>(item)
    }
  }

  /**
   * The items from a position on, and then each new one, without end: it waits for what is appended. It shows an item
   * once that is on stable storage, and asks for no sync itself; what is trimmed before it comes by is left out.
   *
   * @throws CLOSED when the memory is closed; the signal's reason when it is aborted
   */
  follow(options: FollowOptions = {}): AsyncGenerator<SequenceItem<V>, void, void> {
    return follow(this.#home, this.#lists, ID, options, itemOf<V>)
  }

  /** Removes the oldest items: all but the last `keepLast`, or those before a position. In batches of 256. */
  async trim(options: TrimOptions): Promise<TrimResult> {
    const { target, durability } = parseTrim(options)
    const { result, removed } = await this.#lists.trim(ID, target, durability)
    return { lsn: result.lsn, reached: result.reached, durable: () => result.durable(), removed }
  }

  /** Removes all items that are there now. The positions of what comes after go on where they were. */
  async delete(options: AppendOptions = {}): Promise<TrimResult> {
    const durability = parseAppendOptions(options, 'a delete')
    return this.trim({ keepLast: 0, ...(durability && { durability }) })
  }

  #encoded(items: readonly V[]): NewItem[] {
    return items.map(item => ({ content: this.#lists.encode(item) }))
  }
}

function itemOf<V>({ position, found }: FoundItem): SequenceItem<V> {
  return { position, value: decode(found) as V }
}
