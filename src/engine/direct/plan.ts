/** A call whose writes depend on what keys hold, and what is to be sent of it. */
import { encodeStoredValue } from '../../codec/stored-value.js'
import type { EncodedKey } from '../../core/key.js'
import type { DirectUnit, DirectWrite } from '../../stores/direct-store.js'
import type { EncodedWrite } from '../flush.js'
import type { KeyState } from '../read.js'
import { asksForState, bytesOf, holds, resolveContents, type Write, type WriteResult } from '../write.js'

export interface Call {
  writes: readonly Write[]
  onAccepted: (() => void) | undefined
  resolve(result: WriteResult): void
  reject(error: unknown): void
  /** Whether it was answered: what becomes of it is told to `onSettled`. */
  isOver: boolean
  onSettled: ((fate: 'kept' | 'lost') => void) | undefined
  /** Whether it has been sent, and what came of that is not known. */
  isSent: boolean
  /** What is known of the keys that it asks about; `undefined`: it has to be read. */
  states: ReadonlyMap<EncodedKey, KeyState> | undefined
  /** Whether that is to be asked of the store, and was. */
  isFresh: boolean
}

/** A call, planned: of each key only the last write. */
export interface PlannedCall {
  call: Call
  contents: ReadonlyMap<EncodedKey, EncodedWrite>
  unit: DirectUnit
  bytes: number
}

/** The keys that a call has to know of. */
export function askedKeys(writes: readonly Write[]): EncodedKey[] {
  return [...new Set(writes.filter(asksForState).map(({ key }) => key))]
}

/** The first write whose condition does not hold. */
export function conflictIn(writes: readonly Write[], states: ReadonlyMap<EncodedKey, KeyState>): Write | undefined {
  return writes.find(write => !holds(write, states.get(write.key)))
}

/** Calls the caller's functions. */
export function planCall(call: Call, states: ReadonlyMap<EncodedKey, KeyState>): PlannedCall {
  const resolved = resolveContents(call.writes, states)
  const contents = new Map<EncodedKey, EncodedWrite>()
  for (const [index, content] of resolved.entries()) contents.set(call.writes[index]!.key, content)
  const unit: DirectWrite[] = []
  let bytes = 0
  for (const [key, content] of contents) {
    // What has expired is absent to the caller, and has a version in the store.
    const expected = states.has(key) ? states.get(key)!.lsn || null : undefined
    unit.push(directWrite(key, content, expected))
    bytes += bytesOf(key, content)
  }
  return { call, contents, unit, bytes }
}

export function directWrite(
  key: EncodedKey,
  { form, value, expiresAt }: EncodedWrite,
  expected: number | null | undefined,
): DirectWrite {
  if (value === undefined) return { key, expected, value: undefined }
  const encode = (lsn: number) => encodeStoredValue({ key, lsn, form, expiresAt, value: Buffer.from(value, 'latin1') })
  return { key, expected, value: encode }
}
