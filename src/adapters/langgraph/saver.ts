/** The checkpointer of LangGraph over one map of a memory. */
import { isDeepStrictEqual } from 'node:util'
import type { RunnableConfig } from '@langchain/core/runnables'
import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointTuple,
  type DeltaChannelHistory,
  emptyCheckpoint,
  getCheckpointId,
  type PendingWrite,
} from '@langchain/langgraph-checkpoint'
import { AgentMemory } from '../../index.js'
import { type Thread, wholeEntry } from './checkpoints.js'
import { documentOf, placed } from './document.js'
import { clearGeneration, copy, sweepIfDue } from './generations.js'
import { Home, headOf, threadIdOf } from './home.js'
import { checkpointKey, HEADS, revisionKey, writesKey } from './keys.js'
import { idsOf, namespacesOf, threadIdsOf } from './listing.js'
import {
  checkId,
  checkOptions,
  checkState,
  checkTask,
  checkThread,
  closedError,
  type HoldfastSaverFromOptions,
  nameIn,
  namespaceIn,
  type PruneOptions,
  parsePrune,
} from './options.js'
import { pruneThread } from './prune.js'
import { configOf, SavedValues } from './saved-values.js'
import { ownProperty, setProperty } from './tree.js'
import { indexed, merged, writesOfTask } from './writes.js'

/** A thread, as {@link HoldfastSaver.listThreads} tells of it. */
export interface ThreadInfo {
  readonly threadId: string
  /** When it was last written. */
  readonly updatedAt: Date
}

/** For calls of which nobody waits for more than their turn. */
const DONE = { later: Promise.resolve() }

/**
 * Keeps the threads of a LangGraph graph in a memory: pass it as `checkpointer` to `compile`.
 *
 * @example
 * ```ts
 * const graph = builder.compile({ checkpointer: new HoldfastSaver(memory) })
 * await graph.invoke(input, { configurable: { thread_id: 'thread-1' } })
 * ```
 */
export class HoldfastSaver extends BaseCheckpointSaver {
  readonly #values: SavedValues
  readonly #source: AgentMemory | string
  readonly #options: HoldfastSaverFromOptions
  #home: Promise<Home> | undefined
  #closing: Promise<void> | undefined

  /**
   * @param memory - a memory, which stays open when the saver is closed; or the location of one, which is opened on first
   * use and closed by `close`
   */
  constructor(memory: AgentMemory | string, options: HoldfastSaverFromOptions = {}) {
    super(options.serde)
    checkOptions(memory, options)
    this.#values = new SavedValues(options.serde, this.serde, () => this.getNextVersion(undefined))
    this.#source = memory
    this.#options = options
    // A wrong option of the map is told by the constructor, where it can be.
    if (typeof memory !== 'string') this.#home = Promise.resolve(new Home(memory, options))
  }

  /** A saver over the memory at a location: as `new HoldfastSaver(location, options)`. */
  static from(location: string, options: HoldfastSaverFromOptions = {}): HoldfastSaver {
    return new HoldfastSaver(location, options)
  }

  /** Closes the memory if the saver has opened it; otherwise resolves once all it was given is accepted. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // One that could not be opened has told its callers.
    const home = await this.#home?.catch(() => undefined)
    if (home === undefined) return
    await home.settled()
    if (typeof this.#source === 'string') await home.memory.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    const threadId = nameIn(config, 'thread_id', 'put')
    const given = config.configurable?.checkpoint_id as string | undefined
    const parent = given ? checkId(given) : undefined
    return this.#put(threadId, namespaceIn(config), () => parent, checkpoint, metadata, newVersions)
  }

  async #put(
    threadId: string,
    namespace: string,
    parentIn: (thread: Thread) => Promise<string | undefined> | string | undefined,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    const id = checkId(checkpoint.id)
    // All that the call gives is taken now: the graph goes on with its objects.
    const given = documentOf(checkpoint, metadata, newVersions)
    const { channel_values: values = {} } = checkpoint
    const changed = Object.keys(newVersions).filter(channel => Object.hasOwn(values, channel))
    const captured = this.#values.captured(changed.map(channel => [channel, values[channel]]))
    const home = await this.#ready()
    await home.inTurn(threadId, async () => {
      const trees = new Map((await captured).map((tree, at) => [changed[at]!, tree] as const))
      return home.write(threadId, async ({ thread }, batch) => {
        const parent = await parentIn(thread)
        const {
          checkpoint: made,
          entry,
          before,
        } = await placed(thread, home.map, { ...given, namespace, id, parent }, trees)
        if (before !== undefined) {
          batch.set(revisionKey(thread.generation, namespace, id, before.revision), wholeEntry(before))
        }
        batch.set(checkpointKey(thread.generation, namespace, id), entry)
        batch.onAccepted = () => thread.keep(made)
      })
    })
    return configOf(threadId, namespace, id)
  }

  override async putWrites(
    config: RunnableConfig,
    writes: PendingWrite[],
    taskId: string,
    taskPath = '',
  ): Promise<void> {
    const threadId = nameIn(config, 'thread_id', 'putWrites')
    const namespace = namespaceIn(config)
    const id = checkId(nameIn(config, 'checkpoint_id', 'putWrites'))
    checkTask(taskId)
    const given = indexed(writes)
    const captured = this.#values.captured(given.map(([, channel, value]) => [channel, value]))
    const home = await this.#ready()
    if (given.length === 0) return
    await home.inTurn(threadId, async () => {
      const trees = await captured
      return home.write(threadId, async ({ thread }, batch) => {
        const entry = await writesOfTask(home.map, thread.generation, namespace, id, taskId)
        const items = given.map(
          ([index, channel], at) => [index, channel, thread.objects.intern(trees[at], undefined)] as const,
        )
        const next = merged(entry, items, taskId, taskPath)
        if (next !== undefined) batch.set(writesKey(thread.generation, namespace, id, taskId), next)
      })
    })
  }

  override async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    // As the framework has it: no thread is one without a state.
    if (config.configurable?.thread_id === undefined) return undefined
    const threadId = nameIn(config, 'thread_id', 'getTuple')
    const namespace = namespaceIn(config)
    const wanted = String(getCheckpointId(config))
    const home = await this.#ready()
    await home.before(threadId)
    return home.read(threadId, async ({ thread }) => {
      const id = wanted === '' ? await thread.newest(namespace) : wanted
      const found = id === undefined ? undefined : await thread.checkpoint(namespace, id)
      return found && this.#values.tuple(home, thread, threadId, found)
    })
  }

  /** Newest first, by the ids of checkpoints; thread by thread if the config names none. */
  override async *list(config: RunnableConfig, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { limit = Infinity, before, filter = {} } = options
    const home = await this.#ready()
    const { thread_id: threadId, checkpoint_ns: namespace, checkpoint_id: id } = config.configurable ?? {}
    if (threadId !== undefined) nameIn(config, 'thread_id', 'list')
    const wanted = Object.entries(filter)
    let left = limit
    for await (const each of threadId === undefined ? threadIdsOf(home) : [threadId as string]) {
      await home.before(each)
      const view = await home.view(each)
      if (view === undefined) continue
      const namespaces =
        namespace === undefined ? await namespacesOf(home.map, view.thread.generation) : [namespaceIn(config)]
      const bound = before?.configurable?.checkpoint_id as string | undefined
      for await (const at of idsOf(home.map, view.thread.generation, namespaces, bound)) {
        if (left <= 0) return
        if (id && at.id !== id) continue
        const tuple = await home.read(each, async ({ thread }) => {
          const found = await thread.checkpoint(at.namespace, at.id)
          if (found === undefined) return undefined
          const metadata = (await this.#values.loaded(thread, found.document.m)) ?? {}
          if (!wanted.every(([key, value]) => isDeepStrictEqual(ownProperty(metadata as object, key), value)))
            return undefined
          return this.#values.tuple(home, thread, each, found)
        })
        if (tuple === undefined) continue
        left -= 1
        yield tuple
      }
    }
  }

  /** As the framework's own, with one read of each ancestor: of its writes, and of the channels that are asked for. */
  override async getDeltaChannelHistory(options: {
    config: RunnableConfig
    channels: string[]
  }): Promise<Record<string, DeltaChannelHistory>> {
    const { config, channels } = options
    if (channels.length === 0) return {}
    const threadId = nameIn(config, 'thread_id', 'getDeltaChannelHistory')
    const namespace = namespaceIn(config)
    const home = await this.#ready()
    await home.before(threadId)
    const found = await home.read(threadId, async ({ thread }) => {
      const id = String(getCheckpointId(config)) || (await thread.newest(namespace))
      const checkpoint = id === undefined ? undefined : await thread.checkpoint(namespace, id)
      return this.#values.history(home, thread, checkpoint, channels)
    })
    return found ?? Object.fromEntries(channels.map(channel => [channel, { writes: [] }]))
  }

  /** Takes effect at once and whole, whatever the thread holds; its room is given back step by step. */
  override async deleteThread(threadId: string): Promise<void> {
    checkThread(threadId, 'deleteThread')
    const home = await this.#ready()
    const generation = await home.inTurn(threadId, async () => {
      const doomed = await home.doom(threadId)
      const later = async () => {
        await doomed?.result
        return doomed?.generation
      }
      return { later: later() }
    })
    if (generation !== undefined) await clearGeneration(home, generation)
  }

  /**
   * Copies a thread with all its checkpoints, to an id that has none yet. It is there whole or not at all.
   *
   * @throws INVALID_ARGUMENT if there is no such thread, or one that has the new id
   */
  async copyThread(from: string, to: string): Promise<void> {
    for (const id of [from, to]) checkThread(id, 'copyThread')
    const home = await this.#ready()
    // Two copies in opposite directions must not wait for each other.
    const [first, second] = from < to ? [from, to] : [to, from]
    if (first === second) return home.inTurn(first, async () => ({ later: copy(home, from, to) }))
    await home.inTurn(first, async () => {
      await home.inTurn(second, async () => {
        await copy(home, from, to)
        return DONE
      })
      return DONE
    })
  }

  /**
   * Removes checkpoints of threads, and gives their room back. Of each namespace the newest one stays, with its pending
   * writes, and with the ancestors that delta channels are made from; so does the namespace of a task as long as its
   * checkpoint does.
   *
   * @returns how many checkpoints were removed
   */
  async prune(threadIds: readonly string[], options: PruneOptions = {}): Promise<{ removed: number }> {
    const home = await this.#ready()
    const stays = parsePrune(threadIds, options, home.map.engine.now())
    let removed = 0
    for (const threadId of threadIds) {
      await home.inTurn(threadId, async () => {
        removed += await pruneThread(home, threadId, stays)
        return DONE
      })
    }
    return { removed }
  }

  /** All threads, in the order of their ids; nothing but their heads is read. */
  async *listThreads(): AsyncGenerator<ThreadInfo> {
    const home = await this.#ready()
    for await (const { key, value } of home.map.entries({ prefix: HEADS })) {
      yield { threadId: threadIdOf(key, value), updatedAt: new Date(headOf(value, 0).writtenAt) }
    }
  }

  /** Keeps a state without a graph, as the newest checkpoint of a thread: each property of it is a channel. */
  async saveState(threadId: string, state: Record<string, unknown>): Promise<void> {
    checkThread(threadId, 'saveState')
    checkState(state)
    const versions: ChannelVersions = {}
    for (const channel of Object.keys(state)) setProperty(versions, channel, 1)
    const checkpoint = { ...emptyCheckpoint(), channel_values: state, channel_versions: versions }
    const metadata: CheckpointMetadata = { source: 'update', step: 0, parents: {} }
    await this.#put(threadId, '', thread => thread.newest(''), checkpoint, metadata, versions)
  }

  /** The newest state of a thread, by channels; `{}` if it has none. */
  async loadState<State extends Record<string, unknown>>(threadId: string): Promise<Partial<State>> {
    checkThread(threadId, 'loadState')
    const tuple = await this.getTuple({ configurable: { thread_id: threadId } })
    return (tuple?.checkpoint.channel_values ?? {}) as Partial<State>
  }

  #ready(): Promise<Home> {
    if (this.#closing !== undefined) return Promise.reject(closedError())
    // What has failed is tried again by the next call.
    this.#home ??= this.#opened().catch(error => {
      this.#home = undefined
      throw error
    })
    return this.#home.then(home => {
      sweepIfDue(home)
      return home
    })
  }

  async #opened(): Promise<Home> {
    const { memory } = this.#options
    const opened = await AgentMemory.open(this.#source as string, memory)
    try {
      return new Home(opened, this.#options)
    } catch (error) {
      await opened.close()
      throw error
    }
  }
}
