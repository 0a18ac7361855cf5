/** Where the threads of a memory are: what all savers over one map share, and how a call reads and writes a thread. */
import { randomBytes } from 'node:crypto'
import {
  type AgentMemory,
  type Durability,
  VersionConflictError,
  type WriteBatch,
  type WriteResult,
} from '../../index.js'
import { Missing, type StateMap, Thread } from './checkpoints.js'
import { doomedKey, expiringKey, headKey, isHashed, type MapKey, objectKey, segmentOf } from './keys.js'
import type { HoldfastSaverOptions } from './options.js'

/** Of trees and objects that are kept in memory for all threads, in bytes. */
const HELD_BYTES_MAX = 64 * 1024 * 1024
const HELD_THREADS_MAX = 256
const HEAD_FORMAT = 1
/** Others may be first each time, but not for ever. */
const TRIES_MAX = 1000

/** What is under the head of a thread. The thread's name is there if the key does not say it. */
type HeadEntry = readonly [
  format: number,
  generation: string,
  nextObject: number,
  turn: number,
  writtenAt: number,
  threadId?: string,
]

export interface Head {
  readonly generation: string
  readonly nextObject: number
  /** Rises with every write of the thread. */
  readonly turn: number
  readonly writtenAt: number
  readonly version: number
}

/** What savers over one map of one engine share. */
export interface SharedState {
  /** By thread: settled once the calls before have been accepted or refused. */
  readonly tails: Map<string, Promise<unknown>>
  /** What is known of threads, the least recently used first. */
  readonly threads: Map<string, Thread>
  /** Generations that a call of this process is filling or clearing. */
  readonly busy: Set<string>
  /** New generations since the last sweep. */
  made: number
  sweep: Promise<void> | undefined
}

/** A thread as a call sees it. */
export interface View {
  readonly head: Head | undefined
  readonly thread: Thread
}

// By engine, since two memories that are one folder have one engine.
const states = new WeakMap<object, Map<string, SharedState>>()

function stateOf(map: StateMap): SharedState {
  let ofEngine = states.get(map.engine)
  if (ofEngine === undefined) {
    ofEngine = new Map()
    states.set(map.engine, ofEngine)
  }
  let state = ofEngine.get(map.name)
  if (state === undefined) {
    state = { tails: new Map(), threads: new Map(), busy: new Set(), made: 0, sweep: undefined }
    ofEngine.set(map.name, state)
  }
  return state
}

export class Home {
  readonly memory: AgentMemory
  readonly map: StateMap
  readonly shared: SharedState
  readonly durability: Durability | undefined
  readonly ttlMs: number | undefined

  constructor(memory: AgentMemory, { map = 'langgraph', durability, ttlMs }: HoldfastSaverOptions) {
    this.memory = memory
    this.map = memory.map<unknown, MapKey>(map)
    this.shared = stateOf(this.map)
    this.durability = durability
    this.ttlMs = ttlMs
  }

  /**
   * Does something with a thread in its turn: after the calls before it have been accepted, and before those behind it
   * begin. What the task returns is waited for by the caller, and not by the calls behind it, if it is in `later`.
   */
  async inTurn<T>(threadId: string, task: () => Promise<{ later: Promise<T> }>): Promise<T> {
    const { tails } = this.shared
    const before = tails.get(threadId)
    const turn = before === undefined ? task() : before.then(task, task)
    const tail = turn
      .catch(() => {})
      .finally(() => {
        if (tails.get(threadId) === tail) tails.delete(threadId)
      })
    tails.set(threadId, tail)
    const { later } = await turn
    return later
  }

  /** Resolves once the calls of a thread that came before have been accepted or refused. */
  async before(threadId: string): Promise<void> {
    await this.shared.tails.get(threadId)
  }

  /** Resolves once all calls that have come so far have been accepted or refused. */
  async settled(): Promise<void> {
    while (this.shared.tails.size > 0) await Promise.all(this.shared.tails.values())
    await this.shared.sweep
  }

  /** Reads a thread, again if what it was led to was removed meanwhile. `undefined` if there is no such thread. */
  async read<T>(threadId: string, task: (view: View & { head: Head }) => Promise<T>): Promise<T | undefined> {
    for (;;) {
      const view = await this.view(threadId)
      if (view === undefined) return undefined
      try {
        return await task(view)
      } catch (error) {
        if (!(error instanceof Missing)) throw error
        const now = await this.#head(threadId)
        if (now?.generation === view.head.generation && now.turn === view.head.turn) throw error
      }
    }
  }

  /** The thread as it is now; `undefined` if there is none. */
  async view(threadId: string): Promise<(View & { head: Head }) | undefined> {
    const head = await this.#head(threadId)
    if (head === undefined) {
      this.shared.threads.delete(threadId)
      return undefined
    }
    return { head, thread: this.#thread(threadId, head) }
  }

  /**
   * One write of a thread: `plan` says what, given what is there, and is asked again if another node was first. In turn.
   * The promise of the result is for `inTurn`.
   */
  async write<T>(threadId: string, plan: (view: View, batch: BatchPlan) => Promise<T>): Promise<{ later: Promise<T> }> {
    for (let tries = 1; ; tries++) {
      const head = await this.#head(threadId)
      const isNew = head === undefined
      const generation = head?.generation ?? randomBytes(8).toString('base64url')
      const thread = isNew ? new Thread(this.map, generation, 0, 0) : this.#thread(threadId, head)
      try {
        const batch = new BatchPlan()
        const value = await plan({ head, thread }, batch)
        if (batch.isNothing) return { later: Promise.resolve(value) }
        for (const [number, content] of thread.objects.takeFresh()) {
          batch.set(objectKey(generation, number), content)
        }
        if (isNew && this.ttlMs !== undefined) batch.set(expiringKey(generation), [threadId])
        const turn = thread.turn + 1
        const key = headKey(threadId)
        const entry = headEntry(threadId, { generation, nextObject: thread.objects.next, turn }, this.map.engine.now())
        const { result } = await this.accept(
          writes => {
            batch.addTo(writes, this.map)
            const expiry = this.ttlMs === undefined ? {} : { ttlMs: this.ttlMs }
            writes.set(this.map, key, entry, { ...expiry, expected: head?.version ?? null })
          },
          () => {
            // With the head, and not later: what is known of the thread is of this turn.
            thread.turn = turn
            batch.onAccepted()
            this.#keep(threadId, thread)
          },
        )
        if (isNew) this.shared.made += 1
        return { later: result.then(() => value) }
      } catch (error) {
        // What was planned is not there: what is known of the thread must not say so.
        this.shared.threads.delete(threadId)
        if (!(error instanceof VersionConflictError) || tries === TRIES_MAX) throw error
      }
    }
  }

  /** Gives a batch to the memory. Resolves once it is accepted, with the promise of what it has reached. */
  async accept(
    fill: (batch: WriteBatch) => void,
    onAccepted: () => void = () => {},
  ): Promise<{ result: Promise<WriteResult> }> {
    let result!: Promise<WriteResult>
    await new Promise<void>((resolve, reject) => {
      const durability = this.durability === undefined ? {} : { durability: this.durability }
      const accepted = () => {
        onAccepted()
        resolve()
      }
      result = this.memory.batch(fill, { ...durability, onAccepted: accepted })
      result.catch(reject)
    })
    return { result }
  }

  /** Removes the head of a thread, and says that nobody needs what it led to. `undefined` if there is none. In turn. */
  async doom(threadId: string): Promise<{ generation: string; result: Promise<WriteResult> } | undefined> {
    for (let tries = 1; ; tries++) {
      const head = await this.#head(threadId)
      this.shared.threads.delete(threadId)
      if (head === undefined) return undefined
      const { generation, version } = head
      this.shared.busy.add(generation)
      try {
        const { result } = await this.accept(batch => {
          batch.delete(this.map, headKey(threadId), { expected: version })
          batch.set(this.map, doomedKey(generation), [this.map.engine.now()])
        })
        return { generation, result }
      } catch (error) {
        this.shared.busy.delete(generation)
        if (!(error instanceof VersionConflictError) || tries === TRIES_MAX) throw error
      }
    }
  }

  async #head(threadId: string): Promise<Head | undefined> {
    const found = await this.map.getEntry(headKey(threadId), { fresh: true })
    return found && headOf(found.value, found.version)
  }

  #thread(threadId: string, head: Head): Thread {
    const { threads } = this.shared
    const known = threads.get(threadId)
    if (known?.generation === head.generation && known.turn === head.turn) return known
    const thread = new Thread(this.map, head.generation, head.turn, head.nextObject)
    this.#keep(threadId, thread)
    return thread
  }

  #keep(threadId: string, thread: Thread): void {
    const { threads } = this.shared
    threads.delete(threadId)
    threads.set(threadId, thread)
    let held = 0
    for (const { objects } of threads.values()) held += objects.heldBytes
    for (const [name, { objects }] of threads) {
      if (threads.size === 1 || (held <= HELD_BYTES_MAX && threads.size <= HELD_THREADS_MAX)) break
      threads.delete(name)
      held -= objects.heldBytes
    }
  }
}

/** Writes and deletes of one batch, before it is given to the memory. */
export class BatchPlan {
  /** Nothing is to be written, the head neither. */
  isNothing = false
  onAccepted: () => void = () => {}
  readonly #changes: ({ key: MapKey; value: unknown } | { key: MapKey })[] = []

  set(key: MapKey, value: unknown): void {
    this.#changes.push({ key, value })
  }

  delete(key: MapKey): void {
    this.#changes.push({ key })
  }

  addTo(batch: WriteBatch, map: StateMap): void {
    for (const change of this.#changes) {
      if ('value' in change) batch.set(map, change.key, change.value)
      else batch.delete(map, change.key)
    }
  }
}

export function headEntry(threadId: string, head: Omit<Head, 'version' | 'writtenAt'>, now: number): HeadEntry {
  const entry = [HEAD_FORMAT, head.generation, head.nextObject, head.turn, now] as const
  return isHashed(segmentOf(threadId)) ? [...entry, threadId] : entry
}

export function headOf(value: unknown, version: number): Head {
  const [, generation, nextObject, turn, writtenAt] = value as HeadEntry
  return { generation, nextObject, turn, writtenAt, version }
}

/** The thread that a head is of. */
export function threadIdOf(key: MapKey, value: unknown): string {
  return (value as HeadEntry)[5] ?? key[1]!
}
