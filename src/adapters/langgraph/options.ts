/** Options of a saver, checked. */
import type { SerializerProtocol } from '@langchain/langgraph-checkpoint'
import { AgentMemory, AgentMemoryError, type AgentMemoryOptions, type Durability, WrongCallError } from '../../index.js'
import type { Stays } from './checkpoints.js'
import { isHashed, segmentOf } from './keys.js'

export interface HoldfastSaverOptions {
  /** The map that holds the threads. @defaultValue `langgraph` */
  map?: string
  /** How durable `put` and `putWrites` are. @defaultValue that of the map, else of the memory: write-ahead */
  durability?: Durability
  /**
   * What makes bytes of channel values and pending writes, such as `new JsonPlusSerializer()` of the framework: each value is
   * stored whole, and comes back as the serializer gives it.
   *
   * @defaultValue none: values are stored by their parts, and come back as they were or are refused at `put`
   */
  serde?: SerializerProtocol
  /** Threads that are not written for so long, in ms, are gone with all they have. @defaultValue never */
  ttlMs?: number
}

export interface HoldfastSaverFromOptions extends HoldfastSaverOptions {
  /** Options of the memory, if the saver opens it. */
  memory?: AgentMemoryOptions
}

const KEYS = ['map', 'durability', 'serde', 'ttlMs']

export function checkOptions(memory: unknown, options: unknown): void {
  if (typeof memory !== 'string' && !(memory instanceof AgentMemory)) {
    throw wrong(
      'A saver was given neither a memory nor a location',
      'Give what AgentMemory.open has returned, or a folder',
    )
  }
  if (typeof options !== 'object' || options === null) {
    throw wrong('The options of a saver are no object', 'Give an object, or leave them out')
  }
  const known = typeof memory === 'string' ? [...KEYS, 'memory'] : KEYS
  const unknown = Object.keys(options).find(key => !known.includes(key))
  if (unknown !== undefined) {
    throw new WrongCallError('UNKNOWN_OPTION', {
      message: `A saver has no option ${JSON.stringify(unknown)}`,
      next: `Its options are ${known.join(', ')}`,
    })
  }
  const { serde, ttlMs } = options as HoldfastSaverOptions
  const isSerde = typeof serde?.dumpsTyped === 'function' && typeof serde.loadsTyped === 'function'
  if (serde !== undefined && !isSerde)
    throw wrong(
      'serde has no dumpsTyped or no loadsTyped',
      'Give a SerializerProtocol, such as new JsonPlusSerializer()',
    )
  if (ttlMs !== undefined && !(Number.isInteger(ttlMs) && ttlMs > 0)) {
    throw wrong(`ttlMs is ${String(ttlMs)}`, 'Give a whole number of milliseconds above 0, or leave it out')
  }
}

function wrong(message: string, next: string): WrongCallError {
  return new WrongCallError('INVALID_OPTION', { message, next })
}

/** A name that a config gives. INVALID_ARGUMENT if it is missing or no text. */
export function nameIn(
  config: { configurable?: Record<string, unknown> } | undefined,
  key: 'thread_id' | 'checkpoint_id',
  call: string,
): string {
  const name = config?.configurable?.[key]
  if (typeof name === 'string') return name
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `${call} was given ${name === undefined ? `no ${key}` : `a ${key} that is ${name === null ? 'null' : `a ${typeof name}`}`} in config.configurable`,
    next:
      key === 'thread_id'
        ? 'Name the thread that the state belongs to: graph.invoke(input, { configurable: { thread_id: "thread-1" } })'
        : 'Name the checkpoint that the writes belong to, as the config that put has returned does',
  })
}

/** The namespace that a config gives; the empty one if it gives none. */
export function namespaceIn(config: { configurable?: Record<string, unknown> } | undefined): string {
  const namespace = config?.configurable?.checkpoint_ns ?? ''
  if (typeof namespace === 'string') return namespace
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `checkpoint_ns in config.configurable is a ${typeof namespace}`,
    next: 'Give a string, or leave it out',
  })
}

/** The id of a checkpoint: ids are in keys as they are, since their order is that of the checkpoints. */
export function checkId(id: unknown): string {
  if (typeof id === 'string' && id !== '' && !isHashed(segmentOf(id))) return id
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `The id of a checkpoint is ${typeof id === 'string' ? (id === '' ? 'empty' : 'longer than 120 bytes, or no well-formed Unicode') : `a ${typeof id}`}`,
    next: 'Use the id that the framework has given to the checkpoint',
  })
}

export function checkTask(taskId: unknown): void {
  if (typeof taskId === 'string') return
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `putWrites was given a task id that is a ${typeof taskId}`,
    next: 'Give the id of the task that has made the writes, a string',
  })
}

export function closedError(): AgentMemoryError {
  return new AgentMemoryError('CLOSED', { message: 'The saver is closed', next: 'Make a new one' })
}

export function checkThread(threadId: unknown, call: string): void {
  nameIn({ configurable: { thread_id: threadId } }, 'thread_id', call)
}

export function checkState(state: unknown): void {
  if (typeof state === 'object' && state !== null && !Array.isArray(state)) return
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `saveState was given a state that is ${Array.isArray(state) ? 'an array' : `a ${typeof state}`}`,
    next: 'Give an object: each property of it is kept by itself',
  })
}

/** Which checkpoints {@link HoldfastSaver.prune} removes: one of the two. */
export interface PruneOptions {
  /** All but so many, the newest ones, of each namespace. @defaultValue 1 if nothing is said */
  keepLatest?: number
  /** Those whose time is longer ago than this, in ms, but for the newest of each namespace. */
  olderThanMs?: number
}

/** `now` in ms since 1970. */
export function parsePrune(threadIds: readonly string[], options: PruneOptions, now: number): Stays {
  if (!Array.isArray(threadIds)) {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: 'prune was given no array of thread ids',
      next: 'Give [threadId]',
    })
  }
  for (const threadId of threadIds) checkThread(threadId, 'prune')
  const { keepLatest, olderThanMs, ...others } = options
  const unknown = Object.keys(others)[0]
  if (unknown !== undefined) {
    throw new WrongCallError('UNKNOWN_OPTION', {
      message: `prune has no option ${JSON.stringify(unknown)}`,
      next: 'Its options are keepLatest and olderThanMs',
    })
  }
  if (keepLatest !== undefined && olderThanMs !== undefined)
    throw wrong('prune was given keepLatest and olderThanMs', 'Give one of them')
  if (olderThanMs !== undefined) {
    if (!(olderThanMs >= 0))
      throw wrong(`olderThanMs is ${String(olderThanMs)}`, 'Give a number of milliseconds, 0 or more')
    return ({ document }) => now - new Date(document.i).getTime() <= olderThanMs
  }
  const count = keepLatest ?? 1
  if (!Number.isInteger(count) || count < 1)
    throw wrong(`keepLatest is ${String(keepLatest)}`, 'Give a whole number, 1 or more; deleteThread removes all')
  return (_checkpoint, place) => place < count
}
