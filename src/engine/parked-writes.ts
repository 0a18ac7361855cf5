/**
 * The writes that the data store has refused, of each key the newest. What is here is in the store as a dead letter, and
 * in the tier as a parked entry, so that reads see it.
 */

import { decodeValue } from '../codec/codec.js'
import { decompress } from '../codec/compression.js'
import { CODEC, COMPRESSION, codecOf, compressionOf } from '../codec/form.js'
import { decodeJson } from '../codec/json.js'
import type { AgentMemoryError } from '../core/errors.js'
import { decodeSegments, type EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { Tier } from '../tier/tier.js'
import { type DeadLetter, type DeadWrite, letterKey, type ParkedWrite } from './dead-letter.js'
import type { Events } from './events.js'
import { storeRefusedError } from './failures.js'

/** How much may be parked: it is held in the tier. A store that refuses more is not given anything more: the log keeps it. */
export const PARKED_WRITES_MAX = 1000
export const PARKED_BYTES_MAX = 16 << 20

export class ParkedWrites {
  readonly #tier: Tier
  readonly #events: Events
  readonly #byKey = new Map<EncodedKey, ParkedWrite>()
  /**
   * Of a key the first LSN of the frame from which on every version of it was refused: a write before that has its own fate,
   * also if its key is parked now.
   */
  readonly #refusedSince = new Map<EncodedKey, Lsn>()
  #bytes = 0
  /** Whether the store has said what it keeps. */
  #isKnown: boolean
  /** A key's parked version is gone: what was read of it may be old. */
  onReleased: (key: EncodedKey) => void = () => {}

  /** `found` is what the store has refused before it was opened; `undefined` if it has not answered yet. */
  constructor(tier: Tier, events: Events, found: readonly ParkedWrite[] | undefined) {
    this.#tier = tier
    this.#events = events
    this.#isKnown = found !== undefined
    for (const write of found ?? []) this.#park(write)
  }

  /** How many dead letters there are. */
  get count(): number {
    return new Set([...this.#byKey.values()].map(({ batch }) => batch)).size
  }

  /** Each key with a parked version, and the key of its letter. */
  get keys(): [key: EncodedKey, letter: EncodedKey][] {
    return [...this.#byKey.values()].map(write => [write.key, letterKey(write)])
  }

  hasRoomFor(writes: readonly ParkedWrite[]): boolean {
    let count = this.#byKey.size
    let bytes = this.#bytes
    for (const write of writes) {
      const replaced = this.#byKey.get(write.key)
      count += replaced === undefined ? 1 : 0
      bytes += bytesOf(write) - (replaced === undefined ? 0 : bytesOf(replaced))
    }
    // One frame, however large, has room if nothing else is parked.
    const isSmall = bytes <= PARKED_BYTES_MAX || this.#byKey.size === 0
    return writes.length === 0 || (count <= PARKED_WRITES_MAX && isSmall)
  }

  /** The key of the letter of a key's parked version. */
  letterFor(key: EncodedKey): EncodedKey | undefined {
    const write = this.#byKey.get(key)
    return write && letterKey(write)
  }

  /** What the store has refused now, and keeps as dead letters; `firstLsnOf` the first LSN of the frame that an LSN is of. */
  add(writes: readonly ParkedWrite[], firstLsnOf: (lsn: Lsn) => Lsn): void {
    for (const write of writes) {
      const since = this.#refusedSince.get(write.key) ?? firstLsnOf(write.lsn)
      this.#park(write)
      this.#refusedSince.set(write.key, since)
    }
    for (const letter of lettersOf(writes)) this.#events.emit('deadLetter', letter)
  }

  /** The store has newer versions of these keys, and their letters no more. */
  superseded(keys: readonly EncodedKey[]): void {
    for (const key of keys) this.#forget(key)
  }

  /** The letters of these writes are gone: the store answers for their keys. */
  release(writes: readonly ParkedWrite[]): void {
    for (const { key, lsn } of writes) {
      if (this.#byKey.get(key)?.lsn === lsn) this.#forget(key)
      this.#tier.unpark(key, lsn)
      this.onReleased(key)
    }
  }

  /** A store that has come up says what it keeps: a call whose outcome was not known is settled by that. */
  settle(found: readonly ParkedWrite[], firstLsnOf: (lsn: Lsn) => Lsn): void {
    if (!this.#isKnown) {
      this.#isKnown = true
      for (const write of found) this.#park(write)
      return
    }
    const kept = new Map(found.map(write => [write.key, write.lsn]))
    this.release([...this.#byKey.values()].filter(({ key, lsn }) => kept.get(key) !== lsn))
    this.add(
      found.filter(({ key, lsn }) => this.#byKey.get(key)?.lsn !== lsn),
      firstLsnOf,
    )
  }

  /** Of the letter with this id, or of all of them, by id. */
  of(id?: Lsn): ParkedWrite[][] {
    return [...grouped([...this.#byKey.values()]).values()].filter(([first]) => id === undefined || first!.batch === id)
  }

  list(): DeadLetter[] {
    return lettersOf([...this.#byKey.values()])
  }

  /** Why a write of this key, accepted with this LSN, is not in the store although that has come past it. */
  refusalOf(lsn: Lsn, key: EncodedKey | undefined): AgentMemoryError | undefined {
    if (this.#byKey.size === 0) return undefined
    // A later write of the key in the same frame stands for it, and so does one that was refused behind it.
    const ofKey = key === undefined ? undefined : this.#byKey.get(key)
    const since = key === undefined ? undefined : this.#refusedSince.get(key)
    const isRefused = ofKey !== undefined && ofKey.lsn >= lsn && lsn >= (since ?? ofKey.lsn)
    const found = isRefused ? ofKey : this.#withLsn(lsn)
    return found && storeRefusedError(lsn, found)
  }

  #withLsn(lsn: Lsn): ParkedWrite | undefined {
    for (const write of this.#byKey.values()) if (write.lsn === lsn) return write
    return undefined
  }

  #park(write: ParkedWrite): void {
    const { key, lsn, form, value, expiresAt } = write
    this.#forget(key)
    this.#byKey.set(key, write)
    this.#bytes += bytesOf(write)
    this.#tier.park(key, lsn, form, value, expiresAt)
  }

  #forget(key: EncodedKey): void {
    const write = this.#byKey.get(key)
    if (write === undefined) return
    this.#byKey.delete(key)
    this.#refusedSince.delete(key)
    this.#bytes -= bytesOf(write)
  }
}

function bytesOf({ key, value }: ParkedWrite): number {
  return key.length + (value?.length ?? 0)
}

function grouped(writes: readonly ParkedWrite[]): Map<Lsn, ParkedWrite[]> {
  const groups = new Map<Lsn, ParkedWrite[]>()
  for (const write of [...writes].sort((a, b) => a.batch - b.batch || a.lsn - b.lsn)) {
    const group = groups.get(write.batch)
    if (group === undefined) groups.set(write.batch, [write])
    else group.push(write)
  }
  return groups
}

function lettersOf(writes: readonly ParkedWrite[]): DeadLetter[] {
  return [...grouped(writes)].map(([id, group]) => {
    const { reason, parkedAt } = group[0]!
    return { id, reason, parkedAt, writes: group.map(deadWrite) }
  })
}

function deadWrite({ key, lsn, form, value }: ParkedWrite): DeadWrite {
  const [map = '', ...segments] = decodeSegments(key)
  if (value === undefined) return { lsn, map, segments, isDelete: true, value: undefined, bytes: undefined }
  const bytes = Buffer.from(value, 'latin1')
  return { lsn, map, segments, isDelete: false, value: readable(form, bytes), bytes }
}

function readable(form: number, stored: Buffer): unknown {
  const codec = codecOf(form)
  if (stored.length === 0 || (codec !== CODEC.messagePack && codec !== CODEC.json)) return undefined
  try {
    const compression = compressionOf(form)
    const bytes = compression === COMPRESSION.none ? stored : decompress(compression, stored)
    return codec === CODEC.json ? decodeJson(bytes) : decodeValue(bytes, 0, bytes.length)
  } catch {
    // The bytes are there for whoever can read them.
    return undefined
  }
}
