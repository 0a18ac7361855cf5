/** What may befall the files of a log, as fast-check makes it up and makes it small; and doing it. */
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { segmentName } from '../src/log/folder.js'
import { decodeFrameHeader, FRAME_HEADER_BYTES } from '../src/log/format.js'

/** Numbers are taken modulo what there is: files, bytes, blocks. */
export type Damage =
  | { kind: 'flip'; file: number; bit: number }
  | { kind: 'overwrite'; file: number; at: number; bytes: Uint8Array }
  | { kind: 'zeros'; file: number; sector: number; sectors: number }
  /** Blocks of 4 KiB, from a file of this log or of its fork, over those of a file. */
  | { kind: 'blocks'; file: number; block: number; from: number; fromBlock: number; blocks: number; isForked: boolean }
  | { kind: 'swap'; file: number; block: number; otherBlock: number }
  | { kind: 'truncate'; file: number; at: number }
  | { kind: 'extend'; file: number; bytes: Uint8Array }
  | { kind: 'remove'; file: number }
  | { kind: 'copy as next'; file: number }

const number = fc.nat({ max: 1_000_000 })
const file = fc.nat({ max: 9 })
const few = fc.integer({ min: 1, max: 9 })
const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 })
const small = fc.nat({ max: 7 })

export const damages = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), file, bit: number }),
    fc.record({ kind: fc.constant('overwrite' as const), file, at: number, bytes }),
    fc.record({ kind: fc.constant('zeros' as const), file, sector: number, sectors: few }),
    fc.record({
      kind: fc.constant('blocks' as const),
      file,
      block: small,
      from: file,
      fromBlock: small,
      blocks: fc.integer({ min: 1, max: 3 }),
      isForked: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('swap' as const), file, block: small, otherBlock: small }),
    fc.record({ kind: fc.constant('truncate' as const), file, at: number }),
    fc.record({ kind: fc.constant('extend' as const), file, bytes }),
    fc.record({ kind: fc.constant('remove' as const), file }),
    fc.record({ kind: fc.constant('copy as next' as const), file }),
  ),
  { minLength: 1, maxLength: 3 },
)

const BLOCK = 4096
const SECTOR = 512

/** Does it to the files, and to no buffer that they share with others. */
export function apply(damage: Damage, files: Map<string, Buffer>, fork: ReadonlyMap<string, Buffer>): void {
  const names = [...files.keys()].sort()
  if (names.length === 0) return
  const name = names[damage.file % names.length]!
  const old = files.get(name)!
  const changed = Buffer.from(old)
  files.set(name, changed)
  switch (damage.kind) {
    case 'flip': {
      const bit = damage.bit % (changed.length * 8 || 1)
      if (changed.length > 0) changed[bit >>> 3]! ^= 1 << (bit & 7)
      return
    }
    case 'overwrite':
      Buffer.from(damage.bytes).copy(changed, damage.at % (changed.length || 1))
      return
    case 'zeros': {
      const at = (damage.sector % (changed.length / SECTOR || 1)) * SECTOR
      changed.fill(0, at, Math.min(changed.length, at + damage.sectors * SECTOR))
      return
    }
    case 'blocks': {
      const source = damage.isForked ? fork : files
      const sources = [...source.keys()].sort()
      const from = source.get(sources[damage.from % sources.length]!)!
      copyBlocks(from, damage.fromBlock, changed, damage.block, damage.blocks)
      return
    }
    case 'swap':
      copyBlocks(old, damage.otherBlock, changed, damage.block, 1)
      copyBlocks(old, damage.block, changed, damage.otherBlock, 1)
      return
    case 'truncate':
      files.set(name, changed.subarray(0, damage.at % (changed.length + 1)))
      return
    case 'extend':
      files.set(name, Buffer.concat([changed, damage.bytes]))
      return
    case 'remove':
      files.delete(name)
      return
    case 'copy as next':
      files.set(segmentName(Number.parseInt(name, 16) + 1), changed)
  }
}

function copyBlocks(from: Buffer, block: number, to: Buffer, toBlock: number, count: number): void {
  const start = Math.min(block * BLOCK, from.length)
  from.copy(to, Math.min(toBlock * BLOCK, to.length), start, Math.min(from.length, start + count * BLOCK))
}

/** A change of a frame after which its checksums are right again: what only a wrong writer, or an attacker, can make. */
export interface Forgery {
  frame: number
  /** A number of the header: its place, its bytes, and what it says from now on. */
  field: { at: number; bytes: 1 | 2 | 4 | 6 }
  value: number
  /** Changes of the body. */
  body: { at: number; byte: number }[]
}

const FIELDS: Record<string, Forgery['field']> = {
  type: { at: 4, bytes: 1 },
  headerBytes: { at: 6, bytes: 2 },
  bodyBytes: { at: 8, bytes: 4 },
  records: { at: 12, bytes: 4 },
  position: { at: 16, bytes: 6 },
  firstLsn: { at: 24, bytes: 6 },
  lastLsn: { at: 32, bytes: 6 },
  ceiling: { at: 40, bytes: 6 },
  chain: { at: 72, bytes: 4 },
  mask: { at: 76, bytes: 4 },
  salt: { at: 88, bytes: 4 },
}

/** Fields that say where a frame belongs: it must not be taken anywhere else, whatever its checksums say. */
export const PLACE_FIELDS = new Set([FIELDS.position, FIELDS.chain, FIELDS.salt])

export const forgeries: fc.Arbitrary<Forgery> = fc.record({
  frame: fc.nat({ max: 20 }),
  field: fc.constantFrom(...Object.values(FIELDS)),
  value: fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 0xffff_ffff)),
  body: fc.array(fc.record({ at: number, byte: fc.nat({ max: 255 }) }), { maxLength: 3 }),
})

/** Forges the frame at an offset. `false` if nothing but what was there came of it. */
export function forge(bytes: Buffer, offset: number, { field, value, body }: Forgery): boolean {
  const before = Buffer.from(bytes)
  const header = decodeFrameHeader(bytes, offset)!
  const ofBody = bytes.subarray(offset + FRAME_HEADER_BYTES, offset + FRAME_HEADER_BYTES + header.bodyBytes)
  for (const { at, byte } of body) if (ofBody.length > 0) ofBody[at % ofBody.length] = byte
  bytes.writeUIntLE(value % 2 ** (8 * field.bytes), offset + field.at, field.bytes)
  const crc = crc32(bytes.subarray(offset, offset + FRAME_HEADER_BYTES - 4))
  bytes.writeUInt32LE(crc, offset + FRAME_HEADER_BYTES - 4)
  const end = offset + FRAME_HEADER_BYTES + bytes.readUInt32LE(offset + 8)
  if (end + 4 <= bytes.length) bytes.writeUInt32LE(crc32(bytes.subarray(offset + FRAME_HEADER_BYTES, end), crc), end)
  return !bytes.equals(before)
}
