/**
 * Removes checkpoints of a thread, and what only they refer to.
 *
 * What stays is as good as it was: one whose parent goes is stored whole from then on; ancestors stay from which the
 * framework makes channels that a checkpoint does not hold itself (delta channels); a namespace of one task goes with the
 * checkpoint that the task belongs to. Removed checkpoints go in one batch (20,000 entries at a time), objects after it: no
 * head leads to them, and whoever writes the thread later does not know of them.
 */
import { type StateMap, type Stays, type StoredCheckpoint, type Thread, wholeEntry } from './checkpoints.js'
import type { BatchPlan, Home } from './home.js'
import { checkpointKey, type MapKey, numberText, segmentOf } from './keys.js'
import { type At, idsOf, namespacesOf } from './listing.js'
import { eachRef, isObject, ownProperty } from './tree.js'
import { treesOf } from './writes.js'

const ROUND_ENTRIES = 20_000
const BATCH_KEYS = 1000

/** In turn. Returns how many checkpoints have gone. */
export async function pruneThread(home: Home, threadId: string, stays: Stays): Promise<number> {
  const view = await home.view(threadId)
  if (view === undefined) return 0
  let removed = 0
  let rest: MapKey[] | undefined
  let objects: MapKey[] = []
  do {
    const { later } = await home.write(threadId, async ({ thread }, batch) => {
      if (rest === undefined) {
        const plan = await planned(home.map, thread, stays, batch)
        removed = plan.removed
        rest = plan.keys
        objects = plan.objects
        batch.isNothing = removed === 0
      }
      for (const key of rest.slice(0, ROUND_ENTRIES)) batch.delete(key)
    })
    await later
    rest = rest!.slice(ROUND_ENTRIES)
    // What is known of the thread knows objects that go.
    home.shared.threads.delete(threadId)
  } while (rest.length > 0)
  for (let at = 0; at < objects.length; at += BATCH_KEYS) {
    await home.map.deleteMany(objects.slice(at, at + BATCH_KEYS), { durability: 'write-back' })
  }
  return removed
}

async function planned(
  map: StateMap,
  thread: Thread,
  stays: Stays,
  batch: BatchPlan,
): Promise<{ removed: number; keys: MapKey[]; objects: MapKey[] }> {
  const { generation } = thread
  const all = await everything(map, thread)
  const kept = new Map<string, StoredCheckpoint>()
  for (const [namespace, checkpoints] of all) {
    for (const [place, checkpoint] of checkpoints.entries()) {
      if (place !== 0 && !stays(checkpoint, place)) continue
      if (isOfTask(namespace) && !parentsOf(checkpoint).every(parent => kept.has(nameOf(parent)))) continue
      kept.set(nameOf(checkpoint), checkpoint)
      for (const ancestor of await supportOf(thread, checkpoint)) kept.set(nameOf(ancestor), ancestor)
    }
  }
  const gone = [...all.values()].flat().filter(checkpoint => !kept.has(nameOf(checkpoint)))
  if (gone.length === 0) return { removed: 0, keys: [], objects: [] }
  const keys: MapKey[] = []
  for (const { namespace, id } of gone) {
    keys.push(checkpointKey(generation, namespace, id))
    for (const kind of ['v', 'w']) {
      const prefix = [generation, kind, segmentOf(namespace), segmentOf(id)]
      for await (const { key } of map.entries({ prefix })) keys.push(key)
    }
  }
  for (const checkpoint of kept.values()) {
    const { namespace, id, parent, chain } = checkpoint
    const hasLost = parent !== undefined && !kept.has(nameOf({ namespace, id: parent }))
    if (hasLost && chain[0] > 0) batch.set(checkpointKey(generation, namespace, id), wholeEntry(checkpoint))
  }
  return {
    removed: gone.length,
    keys,
    objects: await unreachable(map, thread, [...kept.values()], new Set(keys.map(String))),
  }
}

/** All checkpoints, by namespace: the shorter ones first, which are those of parents, and the newest first in each. */
async function everything(map: StateMap, thread: Thread): Promise<Map<string, StoredCheckpoint[]>> {
  const found = new Map<string, StoredCheckpoint[]>()
  const namespaces = await namespacesOf(map, thread.generation)
  for (const namespace of namespaces.sort((a, b) => a.length - b.length)) {
    const checkpoints: StoredCheckpoint[] = []
    for await (const { id } of idsOf(map, thread.generation, [namespace], undefined)) {
      const checkpoint = await thread.checkpoint(namespace, id)
      if (checkpoint !== undefined) checkpoints.push(checkpoint)
    }
    found.set(namespace, checkpoints)
  }
  return found
}

/** Ancestors without which a checkpoint does not say what it said. */
async function supportOf(thread: Thread, checkpoint: StoredCheckpoint): Promise<StoredCheckpoint[]> {
  const { m, c, v } = checkpoint.document
  // The framework counts here the writes of each delta channel since it was last stored with its value.
  const counters = isObject(m) ? ownProperty(m, 'counters_since_delta_snapshot') : undefined
  const wanted = new Set(isObject(counters) ? Object.keys(counters).filter(key => !Object.hasOwn(c, key)) : [])
  const support: StoredCheckpoint[] = []
  let { parent } = checkpoint
  // Before version 4, the sends of a checkpoint are with its parent.
  for (let isOld = v < 4; parent !== undefined && (isOld || wanted.size > 0); isOld = false) {
    const ancestor = await thread.checkpoint(checkpoint.namespace, parent)
    if (ancestor === undefined) break
    support.push(ancestor)
    for (const key of wanted) if (Object.hasOwn(ancestor.document.c, key)) wanted.delete(key)
    parent = ancestor.parent
  }
  return support
}

/** The keys of objects that nothing refers to which stays. */
async function unreachable(
  map: StateMap,
  thread: Thread,
  kept: readonly StoredCheckpoint[],
  going: ReadonlySet<string>,
): Promise<MapKey[]> {
  const { generation } = thread
  const trees: unknown[] = kept.flatMap(({ document }) => [document.m, document.c])
  for await (const { key, value } of map.entries({ prefix: [generation, 'w'] })) {
    if (!going.has(String(key))) trees.push(...treesOf(value))
  }
  for await (const { key, value } of map.entries({ prefix: [generation, 'v'] })) {
    if (!going.has(String(key))) trees.push((value as unknown[])[3])
  }
  await thread.load(...trees)
  const reached = new Set<string>()
  const visit = (tree: unknown): void =>
    eachRef(tree, number => {
      const text = numberText(number)
      if (reached.has(text)) return
      reached.add(text)
      visit(thread.objectOf(number))
    })
  trees.forEach(visit)
  const found: MapKey[] = []
  for await (const { key } of map.entries({ prefix: [generation, 'o'] })) if (!reached.has(key[2]!)) found.push(key)
  return found
}

/** `node:0c2…`: what a task of a checkpoint has run, and no other run comes back to. */
function isOfTask(namespace: string): boolean {
  return namespace.slice(namespace.lastIndexOf('|') + 1).includes(':')
}

function parentsOf({ document }: StoredCheckpoint): At[] {
  const parents = isObject(document.m) ? ownProperty(document.m, 'parents') : undefined
  if (!isObject(parents)) return []
  return Object.keys(parents).map(namespace => ({ namespace, id: String(ownProperty(parents, namespace)) }))
}

function nameOf({ namespace, id }: At): string {
  return JSON.stringify([namespace, id])
}
