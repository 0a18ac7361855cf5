/** Reads a trace that the shim has written: prove/shim/README.md draws its records. */
import { readFileSync } from 'node:fs'

/** In the order of their numbers in control file and trace, from 1. */
export const SHIM_CALLS = [
  'open',
  'write',
  'sync',
  'dataSync',
  'truncate',
  'rename',
  'unlink',
  'makeFolder',
  'removeFolder',
  'link',
  'close',
  'read',
  'unmodelled',
] as const
export type ShimCall = (typeof SHIM_CALLS)[number]

export interface TraceCall {
  call: ShimCall
  /** Below the root, with a slash first; of a descriptor's file as it was opened. What is not modelled is named here. */
  path: string
  /** Of a rename or a link. */
  to: string
  fd: number
  /** The system's number of its error; 0 if it succeeded. */
  error: number
  /** Where a write begins; the size after a truncate; the flags of an open. */
  position: number
  /** Bytes that a write took. */
  length: number
  /** They, unless they are all zeros. */
  data: Buffer | undefined
  /** Its number among the counted calls; `undefined` if it was not counted. */
  index: number | undefined
  /** Of a sync: its number, the same at its begin and its end. */
  sync: number
  isBegin: boolean
  isFolder: boolean
  /** Of an open: the file was not there; it was emptied. */
  isCreated: boolean
  isTruncated: boolean
  /** A fault befell it: `isLied`, a sync that did nothing and said that all is well. */
  isInjected: boolean
  isLied: boolean
}

const HEADER_BYTES = 40
const NO_INDEX = 0xffff_ffff

/** The calls of a trace, in order. A record that a kill cut short ends it. */
export function* readTrace(file: string): Generator<TraceCall> {
  const trace = readFileSync(file)
  for (let at = 0; at + HEADER_BYTES <= trace.length; ) {
    const end = at + trace.readUInt32LE(at)
    if (end > trace.length) return
    yield decode(trace.subarray(at, end))
    at = end
  }
}

function decode(record: Buffer): TraceCall {
  const call = SHIM_CALLS[record[4]! - 1]
  if (call === undefined) throw new Error(`a trace holds a call number ${record[4]}`)
  const flags = record[5]!
  const index = record.readUInt32LE(32)
  const extra = record.readUInt32LE(36)
  const pathEnd = HEADER_BYTES + record.readUInt16LE(6)
  const toEnd = pathEnd + (call === 'rename' || call === 'link' ? extra : 0)
  return {
    call,
    path: record.toString('utf8', HEADER_BYTES, pathEnd),
    to: record.toString('utf8', pathEnd, toEnd),
    fd: record.readInt32LE(8),
    error: record.readInt32LE(12),
    position: Number(record.readBigUInt64LE(16)),
    length: Number(record.readBigUInt64LE(24)),
    data: (flags & 1) === 0 && toEnd < record.length ? record.subarray(toEnd) : undefined,
    index: index === NO_INDEX ? undefined : index,
    sync: extra,
    isCreated: (flags & 2) !== 0,
    isBegin: (flags & 4) !== 0,
    isInjected: (flags & 8) !== 0,
    isFolder: (flags & 16) !== 0,
    isLied: (flags & 32) !== 0,
    isTruncated: (flags & 128) !== 0,
  }
}
