/** Memories that are filled once and used by several cases: filling ten million keys takes minutes. */
import { join } from 'node:path'
import { runChild } from './child.js'
import { makeFolder } from './folders.js'
import type { BenchOptions } from './options.js'
import { progress } from './progress.js'

const filled = new Map<number, Promise<string>>()

/** The folder of a memory that was closed with every key below `keys` in its store and nothing in its log. */
export function filledMemory(keys: number, { input }: BenchOptions): Promise<string> {
  let folder = filled.get(keys)
  if (folder === undefined) {
    folder = fill(keys, input)
    filled.set(keys, folder)
  }
  return folder
}

async function fill(keys: number, input: string | undefined): Promise<string> {
  progress(`filling ${keys.toLocaleString('en-US')} keys`)
  const folder = join(makeFolder(), 'memory')
  await runChild('fill-child', { folder, keys, input })
  return folder
}
