/**
 * Listens at the one place through which every write of a memory goes, at the moment that it gets its LSN: nothing of it
 * can be on a disk before, or known to anybody.
 */
import { decodeSegments, type EncodedKey } from '../src/core/key.js'
import type { Engine } from '../src/engine/engine.js'
import type { AgentMemory } from '../src/index.js'
import type { Accepted } from './history.js'
import { placesOf } from './shape.js'

export interface AcceptanceListener {
  /** A write that the model knows. */
  took(accepted: Accepted): void
  /** Any other: of a part of a shape, which shows in what the shape holds. */
  passed(lsn: number): void
}

export function listen(memory: AgentMemory, listener: AcceptanceListener): void {
  const { flusher } = placesOf(memory)[0]!.map.engine as Engine
  const accept = flusher.accept.bind(flusher)
  // The head of a list is written behind its items, in the same batch.
  let items = { entries: 0, bytes: 0 }
  flusher.accept = (encoded, content) => {
    const lsn = accept(encoded, content)
    const segments = decodeSegments(encoded)
    const bytes = encoded.length + (content.value?.length ?? 0)
    const part = partOf(segments)
    if (part === undefined) {
      listener.took({ key: nameOf(encoded), lsn, entries: items.entries + 1, bytes: items.bytes + bytes })
      items = { entries: 0, bytes: 0 }
    } else {
      if (part === 'list') items = { entries: items.entries + 1, bytes: items.bytes + bytes }
      listener.passed(lsn)
    }
    return lsn
  }
}

/** A stored key as the model calls it. */
export function nameOf(encoded: EncodedKey): string {
  return decodeSegments(encoded).join('/')
}

/** Of which kind of shape a stored key is a mere part; `undefined` for what the model knows. */
export function partOf([first, kind, ...rest]: readonly string[]): 'list' | 'blob' | undefined {
  if (first !== '') return undefined
  if (kind === 'sequence') return rest[1] === 'heads' ? undefined : 'list'
  if (kind === 'conversations') return rest[0] === 'heads' ? undefined : 'list'
  if (kind === 'blobs') return rest[0] !== '' && rest[1] === 'blob' ? undefined : 'blob'
  return undefined
}
