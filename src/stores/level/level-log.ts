/**
 * Checks LevelDB's own log, which LevelDB does not: a damaged record in it is dropped at the next open without a word,
 * with all that stands behind it in its block, while the store's mark, in a later record, says that everything is there.
 *
 * Its format (google/leveldb: doc/log_format.md): blocks of 32 KiB; in them records of a masked CRC-32C, a length, a
 * type and data; a batch is one record, or a first, middle ones and a last.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../../core/errors.js'

const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
const FULL = 1
const FIRST = 2
const MIDDLE = 3
const LAST = 4
const MASK_DELTA = 0xa282ead8

export interface LevelLog {
  file: string
  /** Where it is damaged, if it is. */
  damagedAt: number | undefined
  /** Its last whole batch, if it has one. */
  lastBatch: Buffer | undefined
}

export interface LevelLogDamage {
  file: string
  offset: number
}

/** The first damaged place of each of LevelDB's logs in a folder. What a crash cut short at the end is none. */
export async function findLevelLogDamage(folder: string): Promise<LevelLogDamage[]> {
  const logs = await readLevelLogs(folder)
  return logs.flatMap(({ file, damagedAt }) => (damagedAt === undefined ? [] : [{ file, offset: damagedAt }]))
}

/** LevelDB's logs in a folder, in the order in which they were written. */
export async function readLevelLogs(folder: string): Promise<LevelLog[]> {
  const files = (await namesIn(folder)).filter(name => /^\d+\.log$/.test(name))
  const logs: LevelLog[] = []
  for (const file of files.sort(byNumber)) {
    const bytes = await readFile(join(folder, file))
    const { damagedAt, starts } = walk(bytes)
    logs.push({ file, damagedAt, lastBatch: lastOf(bytes, starts) })
  }
  return logs
}

/** Names that begin with a number, in its order: LevelDB's numbers have six digits, or more. */
export function byNumber(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10)
}

/**
 * The batches of a log, in order: their bytes, as LevelDB wrote them; up to the first record that fails its check.
 * LevelDB reads no further either, and what it has not applied for that reason must not come back without what stood
 * before it.
 */
export function* batchesOf(log: Buffer): Generator<Buffer> {
  for (const start of walk(log).starts) {
    const batch = batchAt(log, start)
    if (batch !== undefined) yield batch
  }
}

function lastOf(log: Buffer, starts: readonly number[]): Buffer | undefined {
  // The last one may have been cut short, and only that one.
  const last = starts.at(-1)
  const before = starts.at(-2)
  return (
    (last === undefined ? undefined : batchAt(log, last)) ?? (before === undefined ? undefined : batchAt(log, before))
  )
}

/**
 * Where batches start, up to the first bad place; and that place, if the log is damaged there. Each batch is synced
 * before the next one is written, so only a batch that starts behind a bad place proves that the place was whole once;
 * without one it is a torn tail.
 */
function walk(log: Buffer): { damagedAt: number | undefined; starts: number[] } {
  const starts: number[] = []
  let bad: number | undefined
  for (let at = 0; at < log.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    const type = left < HEADER_BYTES ? undefined : typeAt(log, at, left)
    if (type === undefined) {
      // A block may end in up to six bytes that no record fits.
      if (left >= HEADER_BYTES) bad ??= at
      at += left
      continue
    }
    if (type === FULL || type === FIRST) {
      if (bad !== undefined) return { damagedAt: bad, starts }
      starts.push(at)
    }
    at += HEADER_BYTES + log.readUInt16LE(at + 4)
  }
  return { damagedAt: undefined, starts }
}

function batchAt(log: Buffer, start: number): Buffer | undefined {
  const parts: Buffer[] = []
  for (let at = start; at < log.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) {
      at += left
      continue
    }
    const type = typeAt(log, at, left)
    const isNext = at === start ? type === FULL || type === FIRST : type === MIDDLE || type === LAST
    if (!isNext) return undefined
    const end = at + HEADER_BYTES + log.readUInt16LE(at + 4)
    parts.push(log.subarray(at + HEADER_BYTES, end))
    if (type === FULL || type === LAST) return Buffer.concat(parts)
    at = end
  }
  return undefined
}

/** The type of the record at an offset, if it is whole and lies within its block. */
function typeAt(log: Buffer, at: number, left: number): number | undefined {
  if (at + HEADER_BYTES > log.length) return undefined
  const end = at + HEADER_BYTES + log.readUInt16LE(at + 4)
  const type = log[at + 6]!
  if (type < FULL || type > LAST || end > log.length || end - at > left) return undefined
  return masked(crc32c(log, at + 6, end)) === log.readUInt32LE(at) ? type : undefined
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc >>> 0
})

/** CRC-32C, which Node.js has no function for. */
function crc32c(bytes: Buffer, start: number, end: number): number {
  let crc = 0xffffffff
  for (let at = start; at < end; at++) crc = TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

/** No folder has no logs: that the store is missing is told elsewhere. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}
