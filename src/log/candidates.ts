/**
 * The files of a log as they are found, damaged ones included: what `verify` and `repair` start from. Where recovery
 * stops at the first thing that is wrong, this notes it and goes on. It changes nothing.
 */
import { AgentMemoryError, type ErrorCode, systemCode } from '../core/errors.js'
import { type File, readFully } from '../io/file-system.js'
import type { FoundSegment, LogFolder } from './folder.js'
import {
  BLOCK_BYTES,
  decodeFrameHeader,
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from './format.js'
import { openFrame } from './frame.js'
import type { SegmentRef } from './reader.js'

const WINDOW_BYTES = 1 << 20
const COPY_BYTES = 2048

/** What is wrong with something, before it is known which writes that concerns. */
export interface Fault {
  code: ErrorCode
  message: string
}

export interface Candidate extends FoundSegment {
  bytes: number
  /** `undefined` if both copies are damaged. */
  header: SegmentHeader | undefined
  /** What it takes to read the frames: from the header, else from the first frame that is found. */
  ref: SegmentRef | undefined
  /** What is wrong with the header page. */
  fault: Fault | undefined
}

/** All segments of a log, in order of their numbers. One that vanishes meanwhile was released, and is left out. */
export async function findCandidates(folder: LogFolder): Promise<Candidate[]> {
  const candidates: Candidate[] = []
  for (const found of await folder.segments()) {
    const candidate = { ...found, bytes: 0, header: undefined, ref: undefined, fault: undefined }
    try {
      const file = await folder.fs.open(found.path, 'read')
      try {
        candidates.push(await examine(folder, file, candidate))
      } finally {
        await file.close()
      }
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') candidates.push({ ...candidate, fault: faultOf(error) })
    }
  }
  return candidates
}

/** An error of ours, or of the system, as a fault. */
export function faultOf(error: unknown): Fault {
  if (error instanceof AgentMemoryError) {
    // The reader's last clause is about one segment; which writes are concerned is said for the whole log here.
    const message = withoutNext(error).replace(/; all writes up to LSN \d+ of this segment are intact$/, '')
    return { code: error.code, message }
  }
  const code = systemCode(error)
  if (code === undefined) throw error
  return { code: 'IO_ERROR', message: `The system cannot read it (${code})` }
}

/** The message alone: an error's text ends in its next step. */
export function withoutNext(error: AgentMemoryError): string {
  const end = `. ${error.next}`
  return error.message.endsWith(end) ? error.message.slice(0, -end.length) : error.message
}

/**
 * The position of the first whole frame of a segment from `offset` on and before `end`, both in bytes of the file. Its
 * place and its content have to be right; its chain cannot be checked, since what stands before it is damaged.
 */
export async function findFrame(file: File, ref: SegmentRef, offset: number, end: number): Promise<number | undefined> {
  const limit = Math.min(end, ref.fileBytes)
  const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  for (let at = offset; at < limit; at += WINDOW_BYTES) {
    const bytes = window.subarray(0, await readSome(file, window, at))
    for (let block = 0; block < bytes.length && at + block < limit; block += BLOCK_BYTES) {
      const header = headerAt(bytes, block)
      const position = at + block - SEGMENT_HEADER_BYTES + ref.base
      if (header === undefined || header.salt !== ref.salt || header.position !== position) continue
      const whole = Buffer.allocUnsafeSlow(header.bodyBytes + SEGMENT_HEADER_BYTES)
      const count = await readSome(file, whole, at + block)
      const fits = count >= header.bodyBytes + 100
      if (fits && openFrame(whole, header) !== undefined) return position
    }
  }
  return undefined
}

async function examine(folder: LogFolder, file: File, candidate: Candidate): Promise<Candidate> {
  const { name, path } = candidate
  const bytes = await file.size()
  try {
    const header = await folder.readHeader(file, name)
    const { base, salt, fileBytes } = header
    const ref = { path, name, base, salt, fileBytes }
    return { ...candidate, bytes, header, ref, fault: await halfDamaged(file, name) }
  } catch (error) {
    const fault = faultOf(error)
    // The frames of a newer format are none of ours to guess at.
    const ref = fault.code === 'FORMAT_TOO_NEW' ? undefined : await guessRef(file, candidate, bytes)
    return { ...candidate, bytes, fault, ref }
  }
}

/** A header page of which one copy is damaged is still readable; the damage is told all the same. */
async function halfDamaged(file: File, name: string): Promise<Fault | undefined> {
  const page = Buffer.alloc(SEGMENT_HEADER_BYTES)
  await readFully(file, page, 0)
  for (const start of [0, COPY_BYTES]) {
    if (decodeSegmentHeader(page.subarray(start, start + COPY_BYTES), name) !== undefined) continue
    const message = `Of the header of log segment ${name}, the copy at byte ${start} is damaged; the other one is whole`
    return { code: 'LOG_CORRUPT', message }
  }
  return undefined
}

/** Each frame says where it stands and the salt of its segment, so the first one can stand in for a lost header. */
async function guessRef(file: File, { name, path }: FoundSegment, bytes: number): Promise<SegmentRef | undefined> {
  const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  for (let at = SEGMENT_HEADER_BYTES; at < bytes; at += WINDOW_BYTES) {
    const count = await readSome(file, window, at)
    for (let block = 0; block < count; block += BLOCK_BYTES) {
      const header = headerAt(window.subarray(0, count), block)
      if (header === undefined) continue
      const base = header.position - (at + block - SEGMENT_HEADER_BYTES)
      return { path, name, base, salt: header.salt, fileBytes: bytes }
    }
  }
  return undefined
}

function headerAt(bytes: Buffer, offset: number): ReturnType<typeof decodeFrameHeader> {
  try {
    return decodeFrameHeader(bytes, offset)
  } catch {
    // A frame of a type that this version does not know: not one that can be gone on from.
    return undefined
  }
}

/** Reads what can be read: a disk that fails at one place may answer at the next. */
async function readSome(file: File, buffer: Buffer, offset: number): Promise<number> {
  try {
    return await readFully(file, buffer, offset)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return 0
  }
}
