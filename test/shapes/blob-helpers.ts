/** What blob tests share: bytes that differ everywhere, and a look at what stands in a memory beside what is visible. */
import { strict as assert } from 'node:assert'
import { createHash } from 'node:crypto'
import { afterPrefix, decodeSegments, encodeSegments } from '../../src/core/key.js'
import type { AgentMemory, AgentMemoryOptions, Blobs } from '../../src/index.js'
import { decode } from '../../src/values.js'

/** The smallest frames, and so small chunks: of 56 KiB. */
export const SMALL_CHUNKS: AgentMemoryOptions = { frameBytesMax: 64 * 1024 }
export const CHUNK = 56 * 1024

/** Bytes that are the same for one seed, and nowhere the same as those of another. */
export function bytesOf(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = seed * 2_654_435_761 + 1
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    bytes[at] = state >>> 16
  }
  return bytes
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Pieces of odd sizes. */
export function* pieces(bytes: Uint8Array, size = 10_007): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export async function read(blobs: Blobs, key: string): Promise<Uint8Array | undefined> {
  return (await blobs.get(key))?.bytes({ bytesMax: 2 ** 31 })
}

/** Bytes as short as they can be told in the message of a failure. */
export function told(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'absent' : `${bytes.length} bytes, ${sha256(bytes).slice(0, 12)}`
}

/** Chunks that no manifest names, and orphans: what must not stay. */
export async function leftBehind(memory: AgentMemory): Promise<string[]> {
  const { engine } = memory.map('any')
  const lead = encodeSegments(['', 'blobs'])
  const range = { from: lead, to: afterPrefix(lead), reverse: false }
  const chunks: string[][] = []
  const orphans: string[] = []
  const counts = new Map<string, number>()
  for await (const page of engine.scanner.pages(range, 64)) {
    for (const found of page) {
      const [, , name, kind, ...rest] = decodeSegments(found.key)
      if (name === '') orphans.push(`orphan ${kind}: ${JSON.stringify(decode(found))}`)
      else if (kind === 'chunk') chunks.push(rest)
      else {
        const { generation, size, chunkBytes } = decode(found) as {
          generation: string
          size: number
          chunkBytes: number
        }
        counts.set(generation, Math.ceil(size / chunkBytes))
      }
    }
  }
  const unnamed = chunks.filter(([generation, index]) => Number(index) >= (counts.get(generation!) ?? 0))
  return [...orphans, ...unnamed.map(([generation, index]) => `chunk ${index} of ${generation}`)]
}

/** Whatever is being removed has been removed. */
export async function nothingLeftBehind(memory: AgentMemory): Promise<void> {
  let left: string[] = []
  for (let turn = 0; turn < 500; turn++) {
    left = await leftBehind(memory)
    if (left.length === 0) return
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.deepEqual(left, [], 'left behind')
}
