/**
 * A process that owns a memory: writes keys from `first` to `last`, says "ready", and then closes or holds the memory
 * until it is killed. Its arguments are the folder and an `OwnerTask` as JSON.
 */
import { writeSync } from 'node:fs'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'

export interface OwnerTask {
  first: number
  last: number
  ending: 'close' | 'hold'
  /** Bytes of text in each value. */
  pad?: number
  /** The store is to have everything up to this key. */
  checkpointAt?: number
  options?: AgentMemoryOptions
}

export function keyOf(index: number): string {
  return `key-${String(index).padStart(4, '0')}`
}

export function writtenAt(index: number, pad = 0): { index: number; text: string } {
  return { index, text: 'x'.repeat(pad) }
}

async function run(folder: string, { first, last, ending, pad, checkpointAt, options }: OwnerTask): Promise<void> {
  const memory = await AgentMemory.open(folder, { checkpointMs: 1_000_000, ...options })
  const map = memory.map('map')
  for (let index = first; index <= last; index++) {
    await map.set(keyOf(index), writtenAt(index, pad))
    if (index === checkpointAt) await memory.checkpoint()
  }
  if (ending === 'close') await memory.close()
  writeSync(1, 'ready\n')
  if (ending === 'hold') setInterval(() => {}, 1000)
}

const [, , folder, task] = process.argv
if (folder !== undefined && task !== undefined) await run(folder, JSON.parse(task) as OwnerTask)
