import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory, type StoreOpener } from '../../src/index.js'
import { InMemoryStore } from '../../src/stores/in-memory.js'
import { freshFolder } from '../api/temporary-folder.js'

/** A store in RAM, of which the memory opens a second one in a thread; how often a thread has opened one. */
function countingOpener(fromBytes: number): { opener: StoreOpener; threads: () => number } {
  const opened = new Int32Array(new SharedArrayBuffer(4))
  const module = new URL('./checkpoint-thread-store.js', import.meta.url).href
  const opener: StoreOpener = {
    kind: 'in-memory',
    inThread: { module, options: { opened }, fromBytes },
    open: async () => new InMemoryStore(),
  }
  return { opener, threads: () => Atomics.load(opened, 0) }
}

test('a thread makes the checkpoints once the event loop has made enough of them, and goes on to', async () => {
  const { opener, threads } = countingOpener(16 * 1024)
  const memory = await AgentMemory.open(await freshFolder(), { store: opener })
  const runs = memory.map<string>('runs')
  // A frame takes a block of 4 KiB of the log.
  for (let each = 0; each < 4; each++) {
    await runs.set('k', `${each}`)
    await memory.checkpoint()
    assert.equal(threads(), 0, `after ${each + 1} frames`)
  }

  await runs.set('k', 'of the thread')
  await memory.checkpoint()
  assert.equal(threads(), 1)
  await runs.set('k', 'of the same thread')
  await memory.checkpoint()
  assert.equal(threads(), 1)
  await memory.close()
})

test('what is more than that at once is for a thread, which is the only one where nothing is said', async () => {
  for (const [fromBytes, pad] of [
    [16 * 1024, 20_000],
    [0, 1],
  ] as const) {
    const { opener, threads } = countingOpener(fromBytes)
    const memory = await AgentMemory.open(await freshFolder(), { store: opener })
    await memory.map<string>('runs').set('k', 'v'.repeat(pad))
    await memory.checkpoint()
    assert.equal(threads(), 1, `from ${fromBytes} bytes`)
    await memory.close()
  }
})
