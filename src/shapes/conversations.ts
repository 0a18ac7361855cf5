/** Conversations: the messages of many, each conversation a list under its id. */
import { randomUUID } from 'node:crypto'
import { WrongCallError } from '../core/errors.js'
import { encodeKey, type Key } from '../core/key.js'
import type { EncodedWrite } from '../engine/flush.js'
import type { MemoryEngine } from '../engine/memory-engine.js'
import type { FoundValue } from '../engine/read.js'
import type { WriteResult } from '../engine/write.js'
import type { MemoryMap } from '../memory-map.js'
import { checkObject, integer } from '../option-checks.js'
import { decode } from '../values.js'
import type { BatchAppend } from '../write-batch.js'
import { type Home, mapOf } from './home.js'
import type { NewItem } from './list-plans.js'
import { Lists } from './lists.js'
import {
  type AppendOptions,
  type ListConfig,
  listOf,
  parseAppendOptions,
  parseTrim,
  type ReadRange,
  type TrimOptions,
} from './options.js'
import { type FoundItem, lastItems, readItems } from './reading.js'
import type { TrimResult } from './sequence.js'

/** A message and what is kept beside it. */
export interface ConversationMessage<M> {
  /** Rises from message to message. No other message ever gets it, also not after the conversation was deleted. */
  position: number
  /** The caller's, else a UUID. */
  id: string
  /** When it was appended, in ms since 1970, by this machine's clock: for people, not for order. */
  at: number
  /** As it was given: a fresh object each time. */
  message: M
}

export interface AppendedMessage {
  readonly position: number
  readonly id: string
  /** `false` if a message with this id was there already: that one has stayed as it was, and is told here. */
  readonly isNew: boolean
}

/** Where the messages of an append are, and what they have reached. */
export interface ConversationAppendResult extends WriteResult {
  readonly messages: readonly AppendedMessage[]
}

export interface ConversationAppendOptions extends AppendOptions {
  /** Ids of the messages, in their order. One that is left out is taken from `message.id`. */
  ids?: readonly (string | undefined)[]
}

/** Which conversations are listed. */
export interface ConversationListOptions {
  /** Only ids that start with these whole segments. */
  prefix?: Key
  /** Only ids behind this one: the last of the page before. */
  after?: Key
  /** At most so many. @defaultValue 100 */
  limit?: number
}

/** How a message is kept. */
type Envelope<M> = [message: M, id: string, at: number]

type NamedItem = NewItem & Required<Pick<NewItem, 'name'>>

const LIST_LIMIT = 100

export class Conversations<M = unknown> {
  readonly #home: Home<ListConfig>
  readonly #lists: Lists
  readonly #heads: MemoryMap<string, Key>

  /** @internal Conversations come from `memory.conversations`. */
  constructor(home: Home<ListConfig>) {
    this.#home = home
    this.#lists = new Lists(home, { isKept: false, nameOf: found => envelopeIn(found)[1] })
    this.#heads = mapOf(home, 'conversations', 'heads')
  }

  /** Appends messages to a conversation, all or nothing, as durable as the conversations say. */
  append(id: Key, ...messages: M[]): Promise<ConversationAppendResult> {
    return this.appendMany(id, messages)
  }

  /**
   * Appends messages to a conversation, all or nothing.
   *
   * A message whose id the conversation has already is not appended again: the answer tells the first one, once that is
   * as durable as is asked now. A message's id is that of `options.ids`, else its own `id` if that is a string and not
   * empty, else a new UUID. The messages are encoded when this is called, and never changed.
   *
   * @throws BATCH_TOO_LARGE, VALUE_TOO_LARGE; KEY_TOO_LONG for ids; VALUE_UNSUPPORTED for what cannot be kept as it is
   */
  async appendMany(
    id: Key,
    messages: Iterable<M>,
    options: ConversationAppendOptions = {},
  ): Promise<ConversationAppendResult> {
    this.#home.checkOpen()
    checkObject(options, 'an append', ['durability', 'ids'])
    const { ids, ...rest } = options
    const durability = parseAppendOptions(rest, 'an append')
    const named = this.#named(listOf(messages), ids)
    const { result, placed } = await this.#lists.append(encodeKey(id), named, durability)
    const { lsn, reached } = result
    const told = placed.map(({ position, isNew }, index) => ({ position, id: named[index]!.name.text, isNew }))
    return { lsn, reached, durable: () => result.durable(), messages: told }
  }

  /** @internal An append, for a batch. */
  toAppend(id: Key, ...messages: M[]): BatchAppend {
    return this.#lists.toAppend(encodeKey(id), this.#named(messages)) as BatchAppend
  }

  /** @internal The engine that the conversations belong to. */
  get engine(): MemoryEngine {
    return this.#home.core.engine
  }

  /** The last `n` messages, oldest first. */
  async history(id: Key, n = 10): Promise<ConversationMessage<M>[]> {
    this.#home.checkOpen()
    return (await lastItems(this.#lists, encodeKey(id), n)).map(messageOf<M>)
  }

  /**
   * The messages of a range of positions, page by page, in their order or in reverse. It ends with the last one that was
   * there when it began.
   */
  async *read(id: Key, options: ReadRange = {}): AsyncGenerator<ConversationMessage<M>, void, void> {
    for await (const item of readItems(this.#lists, encodeKey(id), options)) {
      this.#home.checkOpen()
      yield messageOf<M>(item)
    }
  }

  /** Removes the oldest messages: all but the last `keepLast`, or those before a position. In batches of 256. */
  async trim(id: Key, options: TrimOptions): Promise<TrimResult> {
    const { target, durability } = parseTrim(options)
    const { result, removed } = await this.#lists.trim(encodeKey(id), target, durability)
    return { lsn: result.lsn, reached: result.reached, durable: () => result.durable(), removed }
  }

  /** Removes a conversation. Nothing is left of it. In batches of 256 messages, the oldest first. */
  async delete(id: Key, options: AppendOptions = {}): Promise<TrimResult> {
    const durability = parseAppendOptions(options, 'a delete')
    return this.trim(id, { keepLast: 0, ...(durability && { durability }) })
  }

  /**
   * Ids of the conversations that there are, in the order of keys. It reads no messages: an id costs the same however
   * long its conversation is.
   */
  async list(options: ConversationListOptions = {}): Promise<Key[]> {
    this.#home.checkOpen()
    checkObject(options, 'list', ['prefix', 'after', 'limit'])
    const { prefix, after } = options
    const limit = integer(options.limit, 'limit', LIST_LIMIT, 0)
    const range = { limit, ...(prefix !== undefined && { prefix }), ...(after !== undefined && { gt: after }) }
    const ids: Key[] = []
    for await (const { key } of this.#heads.entries(range)) ids.push(key)
    return ids
  }

  #named(messages: readonly M[], ids?: readonly (string | undefined)[]): NamedItem[] {
    checkIds(ids, messages.length)
    const at = this.engine.now()
    return messages.map((message, index) => this.#itemOf(message, ids?.[index] ?? idOf(message), at))
  }

  #itemOf(message: M, id: string | undefined, at: number): NamedItem {
    if (message === undefined) {
      throw new WrongCallError('VALUE_UNSUPPORTED', { message: 'A message is undefined', next: 'Leave it out' })
    }
    const text = id ?? randomUUID()
    const envelope: Envelope<M> = [message, text, at]
    return { content: this.#encode(envelope), name: { text, mayBeThere: id !== undefined } }
  }

  #encode(envelope: Envelope<M>): EncodedWrite {
    try {
      return this.#lists.encode(envelope)
    } catch (error) {
      // An error about the message names a path that starts with it.
      this.#lists.encode(envelope[0])
      throw error
    }
  }
}

function envelopeIn<M>(found: FoundValue): Envelope<M> {
  return decode(found) as Envelope<M>
}

function messageOf<M>({ position, found }: FoundItem): ConversationMessage<M> {
  const [message, id, at] = envelopeIn<M>(found)
  return { position, id, at, message }
}

/** The id that a message has of its own. */
function idOf(message: unknown): string | undefined {
  if (typeof message !== 'object' || message === null || !('id' in message)) return undefined
  const { id } = message
  return typeof id === 'string' && id !== '' ? id : undefined
}

function checkIds(ids: unknown, count: number): asserts ids is readonly (string | undefined)[] | undefined {
  if (ids === undefined) return
  const isList = Array.isArray(ids) && ids.length === count
  if (isList && ids.every(each => each === undefined || (typeof each === 'string' && each !== ''))) return
  throw new WrongCallError('INVALID_OPTION', {
    message: `The option "ids" is no array of ${count} ids`,
    next: 'Give a string that is not empty for each message, or undefined to leave one out',
  })
}
