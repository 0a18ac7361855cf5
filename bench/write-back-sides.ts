/** The two sides that acknowledge a write before the disk has it. */
import { join } from 'node:path'
import { AgentMemory } from '../src/index.js'
import { openCacheable, openLmdb } from './peers.js'

export interface WriteBackSide {
  set(key: string, value: string): Promise<unknown>
  /** What a user can call to be sure that everything is on disk. */
  settle(): Promise<void>
  /** For a write that must not be lost, if there is such a thing. */
  setDurably?(key: string, value: string): Promise<unknown>
  close(): Promise<void>
}

export type WriteBackName = 'ours' | 'cacheable'

/** The age at which write-back is on disk by default: `maxLoss.ms`. */
export const BOUND_MS = 1000

export function openWriteBack(name: WriteBackName, folder: string): Promise<WriteBackSide> {
  return name === 'ours' ? openOurs(folder) : openCacheableSide(folder)
}

/** The value of each key as the folder holds it now, read by those who own its format. */
export async function readBack(name: WriteBackName, folder: string, keys: string[]): Promise<(string | undefined)[]> {
  if (name === 'ours') {
    const memory = await AgentMemory.open(join(folder, 'memory'))
    try {
      return await memory.map<string>('bench').getMany(keys)
    } finally {
      await memory.close()
    }
  }
  const database = openLmdb(join(folder, 'lmdb'))
  try {
    // What keyv keeps is JSON with the value in it.
    return keys.map(key => {
      const text = database.get(`keyv:${key}`)
      return text === undefined ? undefined : (JSON.parse(text) as { value: string }).value
    })
  } finally {
    await database.close()
  }
}

async function openOurs(folder: string): Promise<WriteBackSide> {
  const memory = await AgentMemory.open(join(folder, 'memory'))
  const map = memory.map<string>('bench', { durability: 'write-back' })
  return {
    set: (key, value) => map.set(key, value),
    async settle() {
      await memory.flush()
    },
    setDurably: (key, value) => map.set(key, value, { durability: 'write-ahead' }),
    async close() {
      await memory.close()
    },
  }
}

/**
 * Its second layer is lmdb, so that it needs no server: each put is on stable storage once its promise resolves, for
 * which `nonBlocking` does not wait.
 */
async function openCacheableSide(folder: string): Promise<WriteBackSide> {
  const database = openLmdb(join(folder, 'lmdb'))
  const cache = openCacheable({
    get: key => database.get(key),
    set: (key, value) => database.put(key, value),
    delete: key => database.remove(key),
    clear: () => database.clearAsync(),
  })
  return {
    set: (key, value) => cache.set(key, value),
    settle: () => cache.disconnect(),
    close: () => database.close(),
  }
}
