/** Puts a blob of so many MiB into a new memory, at default options, and reads it back; says what it has found. */
import { createHash, randomBytes } from 'node:crypto'
import { AgentMemory } from '../../src/index.js'
import { reportLine } from '../../src/io/report-line.js'

export interface MemoryReport {
  put: { size: number; checksum: string; ms: number }
  read: { size: number; checksum: string; ms: number }
  expected: string
}

const PIECE_BYTES = 1 << 18
const [folder, mib] = process.argv.slice(2)

const memory = await AgentMemory.open(folder!)
const blobs = memory.blobs('files')
const given = createHash('sha256')
const bytes = randomBytes(PIECE_BYTES)
async function* source(): AsyncGenerator<Uint8Array> {
  for (let left = Number(mib) << 20, index = 0; left > 0; left -= PIECE_BYTES) {
    const piece = Uint8Array.from(bytes)
    new DataView(piece.buffer).setUint32(0, index++)
    given.update(piece)
    yield piece
  }
}

let started = performance.now()
const { size, checksum } = await blobs.put('large', source())
const put = { size, checksum, ms: performance.now() - started }
started = performance.now()
const taken = createHash('sha256')
let count = 0
for await (const piece of (await blobs.get('large'))!.stream()) {
  taken.update(piece)
  count += piece.length
}
const read = { size: count, checksum: taken.digest('hex'), ms: performance.now() - started }
reportLine({ put, read, expected: given.digest('hex') } satisfies MemoryReport)
await memory.close()
