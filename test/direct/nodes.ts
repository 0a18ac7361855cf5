/** Nodes over one store, with a clock that stands still and faults that a test chooses. */
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'
import type { DirectStore } from '../../src/stores/direct-store.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { SharedStore } from '../../src/testing/shared-store.js'

export type Wrap = (store: DirectStore) => DirectStore

export class Nodes {
  readonly shared = new SharedStore()
  readonly clock = new ManualClock()
  readonly #open: AgentMemory[] = []

  /** A node of its own. `wrap` comes between it and the store, at each open of that. */
  async node(options: AgentMemoryOptions = {}, wrap: Wrap = store => store): Promise<AgentMemory> {
    const opener = this.shared.opener()
    const store = { ...opener, openDirect: async () => wrap(await opener.openDirect()) }
    const memory = await AgentMemory.open('shared', { log: 'none', store, clock: this.clock, ...options })
    this.#open.push(memory)
    return memory
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map(memory => memory.close()))
  }
}
