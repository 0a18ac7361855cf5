/** From a checkpoint of the framework to what is stored of it. */
import type { ChannelVersions, Checkpoint, CheckpointMetadata } from '@langchain/langgraph-checkpoint'
import { capture } from './capture.js'
import {
  channelKey,
  channelOf,
  type Document,
  type Entry,
  type StateMap,
  type StoredCheckpoint,
  type Thread,
} from './checkpoints.js'
import { idsOf } from './listing.js'
import { areSame, ownProperty, setProperty, type Tree, type TreeObject } from './tree.js'

/** What a call of `put` says, but for the values of channels. */
export interface Given {
  readonly v: number
  readonly i: number | string
  readonly m: Tree
  readonly k: TreeObject
  readonly s: TreeObject
  /** Channels that have a new version. */
  readonly changed: readonly string[]
}

type Place = Pick<StoredCheckpoint, 'namespace' | 'id' | 'parent'>

export function documentOf(checkpoint: Checkpoint, metadata: CheckpointMetadata, newVersions: ChannelVersions): Given {
  const { v, ts, channel_versions: versions = {}, versions_seen: seen = {} } = checkpoint
  const nodes: TreeObject = {}
  for (const node of Object.keys(seen))
    setProperty(nodes, channelKey(node), keyed(ownProperty(seen, node) as ChannelVersions))
  const time = new Date(ts)
  return {
    v,
    i: !Number.isNaN(time.getTime()) && time.toISOString() === ts ? time.getTime() : ts,
    m: capture(metadata, 'metadata'),
    k: keyed(versions),
    s: nodes,
    changed: Object.keys(newVersions),
  }
}

/**
 * The checkpoint that a call puts, as it is stored beside what is there. Channels without a new version are what the
 * parent has, or whichever checkpoint has them in their version.
 */
export async function placed(
  thread: Thread,
  map: StateMap,
  { namespace, id, parent, changed, ...given }: Given & Place,
  values: ReadonlyMap<string, Tree>,
): Promise<{ checkpoint: StoredCheckpoint; entry: Entry; before: StoredCheckpoint | undefined }> {
  const newest = await thread.newest(namespace)
  const before = newest === undefined || newest < id ? undefined : await thread.checkpoint(namespace, id)
  const base = parent === undefined ? undefined : await thread.checkpoint(namespace, parent)
  const old = base?.document.c ?? {}
  await thread.load(...changed.map(channel => ownProperty(old, channelKey(channel))))
  const c: TreeObject = {}
  for (const channel of changed) {
    if (!values.has(channel)) continue
    const key = channelKey(channel)
    setProperty(c, key, thread.objects.intern(values.get(channel), ownProperty(old, key)))
  }
  const kept = Object.keys(given.k).filter(key => !changed.includes(channelOf(key)))
  const missing = new Set<string>()
  for (const key of kept) if (!inherited(key, given.k, base, c) && !inherited(key, given.k, before, c)) missing.add(key)
  if (missing.size > 0) await search(thread, map, namespace, given.k, missing, c)
  const document: Document = {
    v: given.v,
    i: given.i,
    m: thread.objects.intern(given.m, base?.document.m),
    k: given.k,
    s: given.s,
    c,
  }
  return { ...thread.next({ namespace, id, parent, document }, base, before), before }
}

/** An object by channels, or by nodes and channels, as the framework has it. */
export function named(object: TreeObject, levels: number): Record<string, unknown> {
  const made: Record<string, unknown> = {}
  for (const key of Object.keys(object)) {
    const value = ownProperty(object, key)
    setProperty(made, channelOf(key), levels > 1 ? named(value as TreeObject, levels - 1) : value)
  }
  return made
}

export function timeOf(stored: number | string): string {
  return typeof stored === 'string' ? stored : new Date(stored).toISOString()
}

function keyed(versions: ChannelVersions): TreeObject {
  const made: TreeObject = {}
  for (const channel of Object.keys(versions)) setProperty(made, channelKey(channel), ownProperty(versions, channel))
  return made
}

/** Takes over a channel's value, or that it has none, from a checkpoint that has it in the same version. */
function inherited(key: string, versions: TreeObject, from: StoredCheckpoint | undefined, to: TreeObject): boolean {
  if (from === undefined || !areSame(ownProperty(from.document.k, key), ownProperty(versions, key))) return false
  if (Object.hasOwn(from.document.c, key)) setProperty(to, key, ownProperty(from.document.c, key))
  return true
}

/** Looks for channels in all checkpoints of the namespace, from the newest on. */
async function search(
  thread: Thread,
  map: StateMap,
  namespace: string,
  versions: TreeObject,
  missing: Set<string>,
  to: TreeObject,
): Promise<void> {
  for await (const { id } of idsOf(map, thread.generation, [namespace], undefined)) {
    const from = await thread.checkpoint(namespace, id)
    for (const key of missing) if (inherited(key, versions, from, to)) missing.delete(key)
    if (missing.size === 0) return
  }
}
