/**
 * What the processes that are killed write, so that whoever finds it later can tell what it must be: writes are
 * numbered without a gap over all lives, and key and content follow from the number and the life. A write that a kill
 * has lost gives its number to the next life, with another content.
 */
import type { AgentMemory, AgentMemoryOptions, Durability, MaxLoss, Milestone } from '../../index.js'

export const KEYS = 61

/** Small, so that the lives come up against it. */
export const BOUND: MaxLoss = { ms: 200, writes: 500, bytes: 256 * 1024 }

/** Small segments and frequent checkpoints, so that the kills meet those as well. */
export const OPTIONS: AgentMemoryOptions = { maxLoss: BOUND, segmentBytesMax: 256 * 1024, checkpointMs: 50 }

export interface Value {
  serial: number
  life: number
  text: string
}

/** An entry as a life has found it. */
export interface FoundEntry {
  key: string
  serial: number
  life: number
  /** Whether its content is what that life wrote under that number. */
  isIntact: boolean
}

/** What a life writes: with all durabilities, or write-back alone, which nothing else then brings to the disk early. */
export type Mix = 'all' | 'write-back'

/** What a life says: what it has found, once; then each write that was acknowledged. */
export type Report = { found: FoundEntry[] } | { serial: number; durability: Durability; reached: Milestone }

export function keyOf(serial: number): string {
  return `key-${serial % KEYS}`
}

export function valueFor(serial: number, life: number): Value {
  return { serial, life, text: `${life}/${serial} `.repeat(textRepeats(serial)) }
}

/** Bytes of a value's text: no more than what its record takes. */
export function textBytes(serial: number, life: number): number {
  return `${life}/${serial} `.length * textRepeats(serial)
}

export async function contentOf(memory: AgentMemory): Promise<FoundEntry[]> {
  const found: FoundEntry[] = []
  for await (const { key, value } of memory.map<Value, string>('writes').entries()) {
    const { serial, life, text } = value
    const isIntact = key === keyOf(serial) && text === valueFor(serial, life).text
    found.push({ key, serial, life, isIntact })
  }
  return found
}

function textRepeats(serial: number): number {
  return 1 + ((serial * 37) % 90)
}
