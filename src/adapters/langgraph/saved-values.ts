/** Between values and what is stored of them: by parts, or by a serializer as whole bytes. */
import type { RunnableConfig } from '@langchain/core/runnables'
import {
  type ChannelVersions,
  type Checkpoint,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type CheckpointTuple,
  type DeltaChannelHistory,
  maxChannelVersion,
  type SerializerProtocol,
  TASKS,
} from '@langchain/langgraph-checkpoint'
import { capture } from './capture.js'
import { channelKey, channelOf, type StoredCheckpoint, type Thread } from './checkpoints.js'
import { ClassNotLoaded, loadGraphClasses } from './classes.js'
import { named, timeOf } from './document.js'
import type { Home } from './home.js'
import { restore } from './restore.js'
import { isMarker, ownProperty, setProperty, type Tree } from './tree.js'
import { type StoredWrite, writesOf } from './writes.js'

export class SavedValues {
  readonly #writer: SerializerProtocol | undefined
  readonly #reader: SerializerProtocol
  readonly #firstVersion: () => number

  /** @param writer - `undefined` to store by parts. `reader` reads what a serializer has written. */
  constructor(writer: SerializerProtocol | undefined, reader: SerializerProtocol, firstVersion: () => number) {
    this.#writer = writer
    this.#reader = reader
    this.#firstVersion = firstVersion
  }

  /** The trees of what a call gives. All of it is looked at before this returns. */
  captured(values: readonly (readonly [channel: string, value: unknown])[]): Promise<Tree[]> {
    const made = Promise.all(values.map(async ([channel, value]) => this.#captured(channel, value)))
    // It is waited for in the turn of the call, which may come later.
    made.catch(() => {})
    return made
  }

  /** The value of a tree. */
  async loaded(thread: Thread, tree: Tree): Promise<unknown> {
    await thread.load(tree)
    return this.#value(thread, tree)
  }

  async tuple(home: Home, thread: Thread, threadId: string, found: StoredCheckpoint): Promise<CheckpointTuple> {
    const { namespace, id, parent, document } = found
    const writes = await writesOf(home.map, thread.generation, namespace, id)
    await thread.load(document.m, document.c, ...writes.map(write => write.value))
    const checkpoint: Checkpoint = {
      v: document.v,
      id,
      ts: timeOf(document.i),
      channel_values: {},
      channel_versions: named(document.k, 1) as ChannelVersions,
      versions_seen: named(document.s, 2) as Checkpoint['versions_seen'],
    }
    for (const key of Object.keys(document.c)) {
      setProperty(checkpoint.channel_values, channelOf(key), await this.#value(thread, ownProperty(document.c, key)))
    }
    if (document.v < 4 && parent !== undefined) await this.#addSends(home, thread, namespace, parent, checkpoint)
    const tuple: CheckpointTuple = {
      config: configOf(threadId, namespace, id),
      checkpoint,
      metadata: (await this.#value(thread, document.m)) as CheckpointMetadata,
      pendingWrites: await this.#pending(thread, writes),
    }
    if (parent !== undefined) tuple.parentConfig = configOf(threadId, namespace, parent)
    return tuple
  }

  /**
   * For each channel the writes of the ancestors of a checkpoint, the oldest first, back to the nearest one that holds a
   * value of the channel: that is the seed.
   */
  async history(
    home: Home,
    thread: Thread,
    checkpoint: StoredCheckpoint | undefined,
    channels: readonly string[],
  ): Promise<Record<string, DeltaChannelHistory>> {
    const found = new Map(
      channels.map(channel => [channel, { steps: [] as StoredWrite[][], seed: undefined as unknown }]),
    )
    const open = new Set(channels)
    let parent = checkpoint?.parent
    while (parent !== undefined && open.size > 0) {
      const ancestor = await thread.checkpoint(checkpoint!.namespace, parent)
      if (ancestor === undefined) break
      const writes = await writesOf(home.map, thread.generation, ancestor.namespace, ancestor.id)
      for (const channel of [...open]) {
        found.get(channel)!.steps.push(writes.filter(write => write.channel === channel))
        const seed = ownProperty(ancestor.document.c, channelKey(channel))
        if (seed === undefined) continue
        found.get(channel)!.seed = seed
        open.delete(channel)
      }
      parent = ancestor.parent
    }
    const histories: Record<string, DeltaChannelHistory> = {}
    for (const [channel, { steps, seed }] of found) {
      const writes = steps.reverse().flat()
      await thread.load(seed, ...writes.map(write => write.value))
      const history: DeltaChannelHistory = { writes: await this.#pending(thread, writes) }
      if (seed !== undefined) history.seed = await this.#value(thread, seed)
      setProperty(histories, channel, history)
    }
    return histories
  }

  #captured(channel: string, value: unknown): Tree | Promise<Tree> {
    const what = `The channel ${JSON.stringify(channel)}`
    if (this.#writer === undefined) return capture(value, what)
    return this.#writer.dumpsTyped(value).then(([type, bytes]) => ({ $: ['z', type, Buffer.from(bytes)] }))
  }

  async #pending(thread: Thread, writes: readonly StoredWrite[]): Promise<CheckpointPendingWrite[]> {
    const pending: CheckpointPendingWrite[] = []
    for (const { taskId, channel, value } of writes) pending.push([taskId, channel, await this.#value(thread, value)])
    return pending
  }

  /** Checkpoints from before version 4 have the sends of their parent as a channel. */
  async #addSends(
    home: Home,
    thread: Thread,
    namespace: string,
    parent: string,
    checkpoint: Checkpoint,
  ): Promise<void> {
    const writes = await writesOf(home.map, thread.generation, namespace, parent)
    const sends = writes.filter(write => write.channel === TASKS)
    await thread.load(...sends.map(write => write.value))
    checkpoint.channel_values[TASKS] = (await this.#pending(thread, sends)).map(([, , value]) => value)
    const versions = Object.values(checkpoint.channel_versions)
    checkpoint.channel_versions[TASKS] = versions.length > 0 ? maxChannelVersion(...versions) : this.#firstVersion()
  }

  /** The value of a tree whose objects are loaded. */
  async #value(thread: Thread, tree: Tree): Promise<unknown> {
    const objectOf = (number: number) => thread.objectOf(number)
    if (isMarker(tree) && Array.isArray(tree.$) && tree.$[0] === 'z') {
      const [, type, bytes] = tree.$ as unknown as [string, string, Tree]
      return this.#reader.loadsTyped(type, restore(bytes, objectOf) as Uint8Array)
    }
    try {
      return restore(tree, objectOf)
    } catch (error) {
      if (!(error instanceof ClassNotLoaded)) throw error
      await loadGraphClasses()
      return restore(tree, objectOf)
    }
  }
}

export function configOf(threadId: string, namespace: string, id: string): RunnableConfig {
  return { configurable: { thread_id: threadId, checkpoint_ns: namespace, checkpoint_id: id } }
}
