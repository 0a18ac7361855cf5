/** Options for the four layers that agents' memories are commonly made of. docs/durability.md has them as a table. */
import type { Durability } from './policy/durability.js'

const DAY_MS = 86_400_000

/** Options of a map that holds a layer. Spread one to change what it says: `{ ...memoryLayers.episodic, ttlMs }`. */
export interface MemoryLayer {
  readonly durability: Durability
  readonly ttlMs?: number
}

/**
 * Each layer as durable as what it holds is hard to come by again, and kept as long as it is of use.
 *
 * - `working`: what the task at hand needs now. write-back, for a day.
 * - `episodic`: what has happened. write-ahead, for 90 days.
 * - `semantic`: what is known: facts, preferences. write-through, for ever.
 * - `procedural`: how things are done: skills, instructions. write-through, for ever.
 */
export const memoryLayers: Readonly<Record<'working' | 'episodic' | 'semantic' | 'procedural', MemoryLayer>> =
  Object.freeze({
    working: Object.freeze({ durability: 'write-back', ttlMs: DAY_MS }),
    episodic: Object.freeze({ durability: 'write-ahead', ttlMs: 90 * DAY_MS }),
    semantic: Object.freeze({ durability: 'write-through' }),
    procedural: Object.freeze({ durability: 'write-through' }),
  })
