/**
 * What a simulated disk has been told and has not made durable, and what a power cut may keep of it.
 *
 * Data and size belong to an inode, names to a folder. Operations carry numbers in the order in which they were made.
 */
import { type Chunk, type PageImage, SECTOR_BYTES } from './page-image.js'

export type Ino = number

interface Op {
  /** Rises with every operation on the disk. */
  seq: number
  /** The file whose data, or the folder whose names it changes. */
  owner: Ino
}

export interface WriteOp extends Op {
  kind: 'write'
  chunk: Chunk
}

export interface TruncateOp extends Op {
  kind: 'truncate'
  size: number
}

export interface LinkOp extends Op {
  kind: 'link'
  name: string
  ino: Ino
}

export interface UnlinkOp extends Op {
  kind: 'unlink'
  name: string
  ino: Ino
}

export interface RenameOp extends Op {
  kind: 'rename'
  from: string
  to: string
  ino: Ino
  /** What had the new name before. */
  replaced: Ino | undefined
}

export type DataOp = WriteOp | TruncateOp
export type NameOp = LinkOp | UnlinkOp | RenameOp
export type PendingOp = DataOp | NameOp

/** Sectors from `from` up to, not including, `to`, counted from the first sector that the write touches. */
export interface SectorRun {
  from: number
  to: number
}

/**
 * What a power cut keeps of an operation. `size` and runs of sectors are for writes: `size` makes the file longer and
 * keeps no data, runs keep whole sectors of 512 bytes and make the file as long as they reach.
 */
export type Kept = 'all' | 'none' | 'size' | readonly SectorRun[]

export function isDataOp(op: PendingOp): op is DataOp {
  return op.kind === 'write' || op.kind === 'truncate'
}

/** How many sectors an operation touches: 0 unless it is a write. */
export function sectorsOf(op: PendingOp): number {
  if (op.kind !== 'write') return 0
  return Math.ceil(op.chunk.end / SECTOR_BYTES) - Math.floor(op.chunk.position / SECTOR_BYTES)
}

export function applyDataOp(image: PageImage, op: DataOp, kept: Kept = 'all'): void {
  if (kept === 'none') return
  if (op.kind === 'truncate') image.truncate(op.size)
  else if (kept === 'all') image.write(op.chunk)
  else if (kept === 'size') image.grow(op.chunk.end)
  else for (const run of kept) applySectors(image, op.chunk, run)
}

function applySectors(image: PageImage, chunk: Chunk, { from, to }: SectorRun): void {
  const firstSector = Math.floor(chunk.position / SECTOR_BYTES)
  const start = Math.max(chunk.position, (firstSector + from) * SECTOR_BYTES)
  const end = Math.min(chunk.end, (firstSector + to) * SECTOR_BYTES)
  image.write(chunk, start, end)
}

/**
 * Applies an operation to a folder's names, unless it cannot have happened without one that was left out. So any subset
 * of the operations leaves names that a power cut may leave: no file has two, and none is lost to an unrelated one.
 */
export function applyNameOp(names: Map<string, Ino>, op: NameOp): void {
  if (op.kind === 'unlink') {
    if (names.get(op.name) === op.ino) names.delete(op.name)
    return
  }
  const target = op.kind === 'link' ? op.name : op.to
  const taken = names.get(target)
  // Some other file still has the name, since what took the name from it was left out.
  if (taken !== undefined && !(op.kind === 'rename' && taken === op.replaced)) return
  // A rename is one step: wherever the file was in this folder, it is there no more. A link leaves its other names.
  if (op.kind === 'rename') for (const [name, ino] of names) if (ino === op.ino) names.delete(name)
  names.set(target, op.ino)
}
