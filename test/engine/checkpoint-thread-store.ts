/** What a thread opens in checkpoint-thread.test.ts. */
import { InMemoryStore } from '../../src/stores/in-memory.js'

export async function openInThread({ opened }: { opened: Int32Array }): Promise<InMemoryStore> {
  Atomics.add(opened, 0, 1)
  return new InMemoryStore()
}
