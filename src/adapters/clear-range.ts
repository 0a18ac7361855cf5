/** Deletes a range of a map, batch by batch: what a crash leaves of it is whole batches, the first ones gone. */
import type { AgentMemory, BatchOptions, Key, MemoryMap, RangeOptions } from '../index.js'

const BATCH_KEYS = 1000

/** What is written to the range meanwhile may stay or go. */
export async function clearRange<V, K extends Key>(
  memory: AgentMemory,
  map: MemoryMap<V, K>,
  range: RangeOptions<K>,
  options?: BatchOptions,
): Promise<void> {
  let keys: K[] = []
  const deleteKeys = () =>
    memory.batch(batch => {
      for (const key of keys) batch.delete(map, key)
    }, options)
  for await (const { key } of map.entries(range)) {
    keys.push(key)
    if (keys.length < BATCH_KEYS) continue
    await deleteKeys()
    keys = []
  }
  if (keys.length > 0) await deleteKeys()
}
