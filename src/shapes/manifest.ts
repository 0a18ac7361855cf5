/** What is kept of a blob beside its chunks: its manifest, which is all that makes it visible. */

import { AgentMemoryError } from '../core/errors.js'
import type { FoundValue } from '../engine/read.js'
import { decode } from '../values.js'

export interface Manifest {
  format: 1
  /** Bytes of the blob. */
  size: number
  /** Bytes of every chunk but the last, which has the rest. */
  chunkBytes: number
  /** What its chunks are found under. Each put has one of its own. */
  generation: string
  /** SHA-256 of the whole blob, in hexadecimal. */
  checksum: string
}

export function chunkCount({ size, chunkBytes }: Manifest): number {
  return Math.ceil(size / chunkBytes)
}

/** A manifest as it was found. FORMAT_TOO_NEW if a newer version wrote it. */
export function readManifest(found: Pick<FoundValue, 'form' | 'value'>): Manifest {
  return checkManifest(decode(found) as Manifest)
}

export function checkManifest(manifest: Manifest): Manifest {
  if (manifest.format === 1) return manifest
  throw new AgentMemoryError('FORMAT_TOO_NEW', {
    message: `A blob is of format ${String(manifest.format)}, which this version does not know`,
    next: 'Open the memory with the version of Holdfast that wrote it, or a newer one',
  })
}
