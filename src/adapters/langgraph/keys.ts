/** Where things are in the map: docs/formats/langgraph.md draws it. */
import { createHash } from 'node:crypto'

/** A key of the map. The first segment is a letter, or a generation. */
export type MapKey = readonly string[]

/** Longest name, in bytes of UTF-8, that stands in a key as it is. */
const PLAIN_BYTES_MAX = 120
/** Begins the segment of a name that does not stand there as it is. */
const HASHED = '\x01'

/** What stands in a key for a name. Two names never have the same, and those that are plain keep their order. */
export function segmentOf(name: string): string {
  const isPlain = !name.startsWith(HASHED) && name.isWellFormed() && Buffer.byteLength(name) <= PLAIN_BYTES_MAX
  if (isPlain) return name
  return HASHED + createHash('sha256').update(name, 'utf16le').digest('base64url')
}

export function isHashed(segment: string): boolean {
  return segment.startsWith(HASHED)
}

/** A whole number from 0 on, as text whose order is that of the numbers. */
export function numberText(number: number): string {
  const digits = number.toString(36)
  return String.fromCharCode(0x60 + digits.length) + digits
}

export const HEADS: MapKey = ['t']
export const DOOMED: MapKey = ['x']
export const EXPIRING: MapKey = ['r']

export function headKey(threadId: string): MapKey {
  return ['t', segmentOf(threadId)]
}

export function doomedKey(generation: string): MapKey {
  return ['x', generation]
}

export function expiringKey(generation: string): MapKey {
  return ['r', generation]
}

export function objectKey(generation: string, number: number): MapKey {
  return [generation, 'o', numberText(number)]
}

export function checkpointKey(generation: string, namespace: string, id: string): MapKey {
  return [generation, 'c', segmentOf(namespace), segmentOf(id)]
}

/** Of a checkpoint that was put again: as it was before. */
export function revisionKey(generation: string, namespace: string, id: string, revision: number): MapKey {
  return [generation, 'v', segmentOf(namespace), segmentOf(id), numberText(revision)]
}

export function writesKey(generation: string, namespace: string, id: string, taskId: string): MapKey {
  return [generation, 'w', segmentOf(namespace), segmentOf(id), segmentOf(taskId)]
}
