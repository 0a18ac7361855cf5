/** Pending writes: one entry for each task of a checkpoint. They may be there before the checkpoint is. */
import { compareWritesSortKeys, WRITES_IDX_MAP } from '@langchain/langgraph-checkpoint'
import { FRESH, type StateMap } from './checkpoints.js'
import { isHashed, type MapKey, segmentOf, writesKey } from './keys.js'
import { ownProperty, type Tree } from './tree.js'

type Item = readonly [index: number, channel: string, value: Tree]

/** In the order of the indices. The task is there if the key does not say it. */
type Entry = readonly [taskPath: string, items: readonly Item[], taskId?: string]

export interface StoredWrite {
  readonly taskId: string
  readonly channel: string
  readonly value: Tree
}

/** The index of each write: that of its place, or below 0 for the special ones. */
export function indexed<V>(
  writes: readonly (readonly [channel: string, value: V])[],
): (readonly [number, string, V])[] {
  return writes.map(
    ([channel, value], at) =>
      [(ownProperty(WRITES_IDX_MAP, channel) as number | undefined) ?? at, channel, value] as const,
  )
}

/**
 * What a task's entry is with further writes: special ones replace what has their index, of others the first one counts.
 * `undefined` if nothing changes.
 */
export function merged(
  entry: Entry | undefined,
  items: readonly Item[],
  taskId: string,
  taskPath: string,
): Entry | undefined {
  const byIndex = new Map<number, Item>(entry?.[1].map(item => [item[0], item]))
  let isChanged = false
  for (const item of items) {
    if (item[0] >= 0 && byIndex.has(item[0])) continue
    byIndex.set(item[0], item)
    isChanged = true
  }
  if (!isChanged) return undefined
  const all = [...byIndex.values()].sort((a, b) => a[0] - b[0])
  const made = [entry?.[0] || taskPath, all] as const
  return isHashed(segmentOf(taskId)) ? [...made, taskId] : made
}

export async function writesOfTask(
  map: StateMap,
  generation: string,
  namespace: string,
  id: string,
  taskId: string,
): Promise<Entry | undefined> {
  return (await map.get(writesKey(generation, namespace, id, taskId), FRESH)) as Entry | undefined
}

/** The writes of a checkpoint in the order in which they are applied: by task path, task and index. */
export async function writesOf(
  map: StateMap,
  generation: string,
  namespace: string,
  id: string,
): Promise<StoredWrite[]> {
  const found: { key: readonly [string, string, number]; write: StoredWrite }[] = []
  for await (const { key, value } of map.entries({ prefix: writesOfCheckpoint(generation, namespace, id) })) {
    const [taskPath, items, taskId = key[4]!] = value as Entry
    for (const [index, channel, tree] of items) {
      found.push({ key: [taskPath, taskId, index], write: { taskId, channel, value: tree } })
    }
  }
  return found.sort((a, b) => compareWritesSortKeys(a.key, b.key)).map(({ write }) => write)
}

export function writesOfCheckpoint(generation: string, namespace: string, id: string): MapKey {
  return [generation, 'w', segmentOf(namespace), segmentOf(id)]
}

/** The trees of a stored entry. */
export function treesOf(entry: unknown): Tree[] {
  return (entry as Entry)[1].map(item => item[2])
}
