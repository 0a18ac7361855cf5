/** What the process that judges the flips of a folder, and those that make them, both know. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentMemory, AgentMemoryOptions } from '../src/index.js'
import { openLevelStore } from '../src/stores/level/level.js'

export interface FlippedBit {
  file: string
  bit: number
}

/** What the flipping process is told: the bits, and what the memory holds. */
export interface FlipOrder {
  bits: FlippedBit[]
  entries: Record<string, unknown>
}

/** What comes of one flipped bit. `unseen`: an entry was gone, or an older value stood there, and nobody was told. */
export type FlipOutcome = 'harmless' | 'refused at open' | 'refused at a read' | 'unseen'

/** A line of a process that flips: what it is about to do, or what came of it. `index` is the bit's place in its list. */
export interface FlipReport {
  index: number
  doing?: 'open' | 'verify'
  done?: { outcome: FlipOutcome; isNamed: boolean; isHidden: boolean; faults: string[] }
}

/** All files in a folder by their path in it, in its order. */
export async function filesIn(root: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) found.set(path.slice(root.length + 1), await readFile(path))
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Checkpoints run on the calling thread: a worker for each of many thousand opens would take most of the time. */
export function optionsFor(folder: string): AgentMemoryOptions {
  const open = (createIfMissing: boolean) => openLevelStore(join(folder, 'store'), { createIfMissing })
  return { segmentBytesMax: 64 * 1024, frameBytesMax: 64 * 1024, store: { kind: 'level', open } }
}

export type Entries = Record<string, unknown>

export async function scanAll(memory: AgentMemory): Promise<Entries> {
  const found: Entries = {}
  for await (const { key, value } of memory.map<unknown, string>('facts').entries()) found[key] = value
  return found
}
