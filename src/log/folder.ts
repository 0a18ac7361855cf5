/** The log's folder: names of segments, their creation, and the order of calls that makes a file and its name durable. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { AgentMemoryError, systemCode } from '../core/errors.js'
import { type File, type FileSystem, readFully, writeFully } from '../io/file-system.js'
import { decodeSegmentHeader, encodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from './format.js'

const SEGMENT_NAME = /^([0-9a-f]{16})\.log$/
const TEMPORARY = /^(spare|[0-9a-f]{16}\.tmp)$/
const SPARE = 'spare'
const ZEROS = Buffer.alloc(1 << 20)

export interface FoundSegment {
  name: string
  path: string
  sequence: number
}

/** A file of zeros, synced, that waits to become a segment. */
export interface Blank {
  file: File
  path: string
  bytes: number
}

export class LogFolder {
  readonly fs: FileSystem
  readonly path: string

  constructor(fs: FileSystem, path: string) {
    this.fs = fs
    this.path = path
  }

  /** The segments, in order of their numbers. No folder counts as none. */
  async segments(): Promise<FoundSegment[]> {
    const names = await this.#names()
    const found: FoundSegment[] = []
    for (const name of names) {
      const match = SEGMENT_NAME.exec(name)
      if (match) found.push({ name, path: join(this.path, name), sequence: Number.parseInt(match[1]!, 16) })
    }
    return found.sort((a, b) => a.sequence - b.sequence)
  }

  /** Removes what an interrupted creation has left: it never held anything that was acknowledged. */
  async removeTemporary(): Promise<void> {
    for (const name of await this.#names()) {
      if (TEMPORARY.test(name)) await this.fs.unlink(join(this.path, name))
    }
  }

  async readHeader(file: File, name: string): Promise<SegmentHeader> {
    const page = Buffer.alloc(SEGMENT_HEADER_BYTES)
    const count = await readFully(file, page, 0)
    const header = decodeSegmentHeader(page.subarray(0, count), name)
    if (header !== undefined && segmentName(header.sequence) === name) return header
    throw new AgentMemoryError('LOG_CORRUPT', {
      message:
        header === undefined
          ? `Both copies of the header of log segment ${name} are damaged`
          : `Log segment ${name} says that it is ${segmentName(header.sequence)}`,
      next: 'Restore the folder from a backup, or run "npx holdfast repair" to save what is intact into a copy',
    })
  }

  /** Makes a file of zeros under a temporary name and syncs it. */
  async makeBlank(bytes: number, name: string = SPARE): Promise<Blank> {
    const path = join(this.path, name)
    const file = await this.#create(path)
    try {
      for (let at = 0; at < bytes; at += ZEROS.length) {
        await writeFully(file, ZEROS.subarray(0, Math.min(ZEROS.length, bytes - at)), at)
      }
      await file.sync()
    } catch (error) {
      await this.#discard(file, path)
      throw error
    }
    return { file, path, bytes }
  }

  /** Turns a blank into the segment of its header: content first, then the name. Durable when it returns. */
  async becomeSegment(
    blank: Blank,
    header: SegmentHeader,
    firstFrame?: Buffer,
  ): Promise<{ name: string; path: string }> {
    const name = segmentName(header.sequence)
    const path = join(this.path, name)
    await writeFully(blank.file, encodeSegmentHeader(header), 0)
    if (firstFrame !== undefined) await writeFully(blank.file, firstFrame, SEGMENT_HEADER_BYTES)
    await blank.file.sync()
    await this.fs.rename(blank.path, path)
    await this.fs.syncFolder(this.path)
    return { name, path }
  }

  /** Removes a segment. Its name is durably gone when it returns, so that no later one can go before it. */
  async remove(path: string): Promise<void> {
    await this.fs.unlink(path)
    await this.fs.syncFolder(this.path)
  }

  async #create(path: string): Promise<File> {
    try {
      return await this.fs.open(path, 'create')
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
      // Left by an attempt that could not even remove it.
      await this.fs.unlink(path)
      return this.fs.open(path, 'create')
    }
  }

  async #names(): Promise<string[]> {
    try {
      return await this.fs.list(this.path)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return []
      throw error
    }
  }

  async #discard(file: File, path: string): Promise<void> {
    // The caller is told of the error that came first; a leftover of this name is removed at the next open.
    await Promise.allSettled([file.close(), this.fs.unlink(path)])
  }
}

export function segmentName(sequence: number): string {
  return `${sequence.toString(16).padStart(16, '0')}.log`
}

export function temporaryName(sequence: number): string {
  return `${sequence.toString(16).padStart(16, '0')}.tmp`
}

export function randomSalt(): number {
  return randomBytes(4).readUInt32LE()
}
