/**
 * Where the parts of a blob stand. All keys are led by an empty segment, which no map's are: a map's name is never empty.
 *
 *     '' blobs <name> blob  <scope…> <key…>        the manifest: what the blob is, and which generation its chunks are of
 *     '' blobs <name> chunk <generation> <number>  one chunk; chunks are written once and never changed
 *     '' blobs ''     <id>                         an orphan: a generation that no manifest names (orphans.ts)
 */
import { type EncodedKey, encodeSegment, encodeSegments } from '../core/key.js'

const BLOBS = encodeSegments(['', 'blobs'])
const MANIFEST = encodeSegment('blob')
const CHUNK = encodeSegment('chunk')

/** What leads every orphan's key. The name of blobs is never empty either. */
export const ORPHANS = BLOBS + encodeSegment('')

// Numbers of one length sort as they count: 100 million chunks are 6 TiB.
const NUMBER_DIGITS = 8

/** What leads the manifests of blobs of this name, in front of the scope. */
export function manifestsOf(name: string): EncodedKey {
  return BLOBS + encodeSegment(name) + MANIFEST
}

export function chunkKey(name: string, generation: string, index: number): EncodedKey {
  const number = String(index).padStart(NUMBER_DIGITS, '0')
  return BLOBS + encodeSegment(name) + CHUNK + encodeSegment(generation) + encodeSegment(number)
}

export function orphanKey(id: string): EncodedKey {
  return ORPHANS + encodeSegment(id)
}
