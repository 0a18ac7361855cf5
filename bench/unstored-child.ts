/** Leaves a log whose records the data store does not have: writes while the store is down, and kills itself. */
import { join } from 'node:path'
import type { StoreOpener } from '../src/engine/config.js'
import { AgentMemory } from '../src/index.js'
import { openLevelStore } from '../src/stores/level/level.js'
import { childTask, killSelf } from './child.js'
import { putAll, shuffledNumbers, valuesOf } from './workload.js'

const { folder, records, input } = childTask<{ folder: string; records: number; input: string | undefined }>()
const store: StoreOpener = {
  kind: 'level',
  async open(create) {
    const opened = await openLevelStore(join(folder, 'store'), { createIfMissing: create })
    opened.apply = () => Promise.reject(new Error('The store takes nothing: the benchmark wants a long log'))
    return opened
  },
}
const memory = await AgentMemory.open(folder, {
  store,
  pendingEntriesMax: records + 1,
  logBytesMax: Number.MAX_SAFE_INTEGER,
})
const map = memory.map<string>('bench')
await putAll(shuffledNumbers(records, 1), valuesOf(1, input), 256, (key, value) => map.set(key, value))
await killSelf()
