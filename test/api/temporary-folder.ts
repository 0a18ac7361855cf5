/** A folder of a test's own, removed when all tests of the file have ended: what is open in it has been closed by then. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'

/** Segments stay small, so that a test does not write megabytes of zeros. */
export const SMALL: AgentMemoryOptions = { segmentBytesMax: 64 * 1024 }

const made: string[] = []

after(async () => {
  for (const folder of made) await rm(folder, { recursive: true, force: true })
})

/** A path in a new folder; nothing is there yet. */
export async function freshFolder(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'holdfast-'))
  made.push(parent)
  return join(parent, 'memory')
}

/** A memory in a new folder, closed when the test ends. */
export async function freshMemory(t: TestContext, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
  const memory = await AgentMemory.open(await freshFolder(), { ...SMALL, ...options })
  t.after(() => memory.close())
  return memory
}
