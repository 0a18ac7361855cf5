/** Options of the shapes, checked once, here. */
import { WrongCallError } from '../core/errors.js'
import { checkObject, integer, parseDurability } from '../option-checks.js'
import { type MapConfig, type MapOptions, type MemoryConfig, parseMapOptions } from '../options.js'
import type { Durability } from '../policy/durability.js'

/** What a shape shares with a map. */
type ShapeOptions = Pick<MapOptions, 'durability' | 'maxLoss' | 'ttlMs'>

/** Options of `memory.sequence`. */
export interface SequenceOptions extends ShapeOptions {
  /**
   * How many items are kept: an append lets go of older ones, in the same batch. `null`: all.
   *
   * @defaultValue null
   */
  keepLast?: number | null
}

/** Options of `memory.conversations`. */
export interface ConversationsOptions extends ShapeOptions {
  /** @defaultValue 'write-back' */
  durability?: Durability
  /**
   * What a crash may lose, over all conversations: a bound of their own.
   *
   * @defaultValue 60,000 ms; the rest is that of the memory
   */
  maxLoss?: MapOptions['maxLoss']
  /**
   * How many messages of a conversation are kept: an append lets go of older ones, in the same batch. `null`: all.
   *
   * @defaultValue 100
   */
  keepLast?: number | null
}

/** Options of `memory.preferences`. */
export interface PreferencesOptions extends ShapeOptions {
  /** @defaultValue 'write-through' */
  durability?: Durability
}

/** Options of an append. */
export interface AppendOptions {
  /** @defaultValue that of the sequence, or of the conversations */
  durability?: Durability
}

/** Which items are read, and in which direction. */
export interface ReadRange {
  /** The first position that is read. @defaultValue that of the oldest item, or in reverse of the newest */
  from?: number
  /** The position before which to stop, in the direction of the read: it is not read. */
  to?: number
  /** From newer ones to older ones. */
  reverse?: boolean
  /** At most so many. */
  limit?: number
  /** Items that are read at a time. @defaultValue 256 */
  pageSize?: number
}

/** What stays: the last items, or those from a position on. */
export type TrimTarget = { keepLast: number } | { before: number }

export type TrimOptions = AppendOptions & TrimTarget

export interface ListConfig extends MapConfig {
  /** `Infinity`: all. */
  keepLast: number
}

const LIST_KEYS = ['durability', 'maxLoss', 'ttlMs', 'keepLast']
const KEEP_LAST = 100
const FLUSH_BOUND_MS = 60_000

export function parseSequenceOptions(options: SequenceOptions, memory: MemoryConfig): ListConfig {
  checkObject(options, 'sequence', LIST_KEYS)
  return listConfig(options, null, memory)
}

export function parseConversationsOptions(options: ConversationsOptions, memory: MemoryConfig): ListConfig {
  checkObject(options, 'conversations', LIST_KEYS)
  const { durability = 'write-back', maxLoss = {} } = options
  checkObject(maxLoss, 'maxLoss', ['ms', 'writes', 'bytes'])
  const bound = { ...maxLoss, ms: maxLoss.ms ?? FLUSH_BOUND_MS }
  return listConfig({ ...options, durability, maxLoss: bound }, KEEP_LAST, memory)
}

export function parsePreferencesOptions(options: PreferencesOptions, memory: MemoryConfig): MapConfig {
  checkObject(options, 'preferences', ['durability', 'maxLoss', 'ttlMs'])
  return shapeConfig({ ...options, durability: options.durability ?? 'write-through' }, memory)
}

/**
 * Rules of the memory that name maps or keys speak of maps: a shape has no name of a map, and its keys are not those that
 * a caller gives. What a data class means holds for all.
 */
export function shapeConfig(options: ShapeOptions, memory: MemoryConfig): MapConfig {
  const rules = memory.rules.filter(({ map, pattern }) => map === undefined && pattern === undefined)
  return parseMapOptions('', options, { ...memory, rules })
}

function listConfig(
  { keepLast: given, ...options }: SequenceOptions,
  byDefault: number | null,
  memory: MemoryConfig,
): ListConfig {
  const keepLast = given === undefined ? byDefault : given
  if (keepLast !== null) integer(keepLast, 'keepLast', 0, 1)
  const config = shapeConfig(options, memory)
  const fingerprint = JSON.stringify([config.fingerprint, keepLast])
  return { ...config, fingerprint, keepLast: keepLast ?? Number.POSITIVE_INFINITY }
}

export function parseTrim(options: TrimOptions): { target: TrimTarget; durability: Durability | undefined } {
  checkObject(options, 'trim', ['durability', 'keepLast', 'before'])
  const { durability, ...target } = options
  if (Object.keys(target).length !== 1) {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: 'trim was not told what stays, or was told twice',
      next: 'Give either { keepLast: 100 } or { before: position }',
    })
  }
  if ('before' in target) checkPosition(target.before, 'before')
  else integer(target.keepLast, 'keepLast', 0, 0)
  return { target, durability: parseDurability(durability) }
}

export function parseAppendOptions(options: AppendOptions, what: string): Durability | undefined {
  checkObject(options, what, ['durability'])
  return parseDurability(options.durability)
}

/** Throws INVALID_ARGUMENT for anything but a position. */
export function checkPosition(position: unknown, name = 'position'): asserts position is number {
  if (Number.isSafeInteger(position) && (position as number) >= 0) return
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `The ${name} is ${typeof position === 'number' ? position : typeof position}`,
    next: 'Give a whole number from 0, such as one that an append or a read has given',
  })
}

/** What an append was given, as an array. A string can be iterated too, and is never meant. */
export function listOf<T>(items: Iterable<T>): T[] {
  const given: unknown = items
  if (typeof given === 'object' && given !== null && Symbol.iterator in given) return [...items]
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `What is to be appended is ${given === null ? 'null' : typeof given}`,
    next: 'Give an array, or append(...) with the items one by one',
  })
}
