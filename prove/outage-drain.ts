/** How fast a backlog goes to the store, told by the memory's own events. */
import type { AgentMemory, AgentMemoryError } from '../src/index.js'
import type { Drained } from './outage-lanes.js'

const AGAIN_MS = 10

export class Drain {
  readonly #memory: AgentMemory
  #sum = { entries: 0, bytes: 0 }
  #lsn = 0
  #since: number

  constructor(memory: AgentMemory) {
    this.#memory = memory
    this.#since = performance.now()
    this.#lsn = memory.status().lsn.inStore
    memory.on('storeUp', ({ lsn }) => this.#restart(lsn))
    memory.on('checkpoint', ({ entries, bytes }) => {
      this.#sum.entries += entries
      this.#sum.bytes += bytes
    })
  }

  /** Resolves once the store has everything: it is asked again for as long as it is down. */
  async finish(): Promise<Drained> {
    for (;;) {
      try {
        await this.#memory.checkpoint()
        const { inStore } = this.#memory.status().lsn
        return { ...this.#sum, writes: inStore - this.#lsn, ms: performance.now() - this.#since }
      } catch (error) {
        if ((error as AgentMemoryError).code !== 'STORE_DOWN') throw error
        await new Promise(resolve => setTimeout(resolve, AGAIN_MS))
      }
    }
  }

  /** What counts is the last time that it came back. */
  #restart(lsn: number): void {
    this.#sum = { entries: 0, bytes: 0 }
    this.#lsn = lsn
    this.#since = performance.now()
  }
}
