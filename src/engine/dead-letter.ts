/**
 * A parked write: one that the data store has refused, as the store keeps it all the same, under a key of ours.
 *
 *     '' dead-letters <batch> <lsn>     both numbers in 16 decimal digits, so that they sort as they count
 *
 * It is an entry like any other, and so it is put there, and goes, in the transaction of the mark. The value is JSON,
 * for people who look into the store with its own tools. docs/formats/dead-letters.md draws it.
 */
import { isExpired } from '../codec/extras.js'
import { CODEC, COMPRESSION, formOf } from '../codec/form.js'
import { decodeStoredValue, encodeStoredValue } from '../codec/stored-value.js'
import { AgentMemoryError } from '../core/errors.js'
import { afterPrefix, decodeSegments, type EncodedKey, encodeSegments } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { Change, DataStore, StoredEntry } from '../stores/data-store.js'

const PREFIX = ['', 'dead-letters']
const FROM = encodeSegments(PREFIX)
const NUMBER_DIGITS = 16
const JSON_FORM = formOf(CODEC.json, COMPRESSION.none, 0)
const PAGE_ENTRIES = 64

export interface ParkedWrite {
  /** LSN of the first write of its batch. */
  batch: Lsn
  key: EncodedKey
  lsn: Lsn
  form: number
  /** As a binary string; `undefined` for a delete. */
  value: string | undefined
  /** In ms since 1970; 0 for never. */
  expiresAt: number
  /** Why the store has refused the batch, in its words. */
  reason: string
  /** When, in ms since 1970. */
  parkedAt: number
}

/** A batch of writes, or a write by itself, that the data store has refused. */
export interface DeadLetter {
  /** LSN of the batch's first write. */
  id: Lsn
  /** Why the store has refused it, in its words. */
  reason: string
  /** When, in ms since 1970. */
  parkedAt: number
  /** Those of its writes that nothing newer has superseded. */
  writes: DeadWrite[]
}

export interface DeadWrite {
  lsn: Lsn
  /** The map's name; empty for an entry of a shape: docs/formats/shapes.md. */
  map: string
  /** Segments of the scope, and then of the key. */
  segments: string[]
  isDelete: boolean
  /** The value, as far as it can be read without the map: `undefined` if a codec of the caller's own has written it. */
  value: unknown
  /** The value's bytes as they were written, compression and all; `undefined` for a delete. */
  bytes: Uint8Array | undefined
}

interface Letter extends Omit<ParkedWrite, 'key' | 'value'> {
  /** The key's segments, of which the first is the map, for people; the encoded key is what counts. */
  segments: string[]
  key: string
  value: string | null
}

/** The key under which the store keeps it. */
export function letterKey({ batch, lsn }: Pick<ParkedWrite, 'batch' | 'lsn'>): EncodedKey {
  return encodeSegments([...PREFIX, digits(batch), digits(lsn)])
}

/** The change that puts it into the store. */
export function letterOf(write: ParkedWrite): Change {
  const letter: Letter = {
    ...write,
    segments: decodeSegments(write.key),
    key: Buffer.from(write.key, 'latin1').toString('base64'),
    value: write.value === undefined ? null : Buffer.from(write.value, 'latin1').toString('base64'),
  }
  const key = letterKey(write)
  const value = Buffer.from(JSON.stringify(letter), 'utf8')
  return { key, value: encodeStoredValue({ key, lsn: write.lsn, form: JSON_FORM, value }) }
}

/** The change that the write itself makes, for a store that takes it at last. What has expired is a delete. */
export function changeOf({ key, lsn, form, value, expiresAt }: ParkedWrite, nowMs: number): Change {
  if (value === undefined || isExpired(expiresAt, nowMs)) return { key, value: undefined }
  return { key, value: encodeStoredValue({ key, lsn, form, value: Buffer.from(value, 'latin1'), expiresAt }) }
}

/** All that a store keeps. STORE_CORRUPT if one is damaged: what it says must not be taken for absent. */
export async function parkedIn(store: DataStore): Promise<ParkedWrite[]> {
  const found: ParkedWrite[] = []
  const range = { from: FROM, to: afterPrefix(FROM), reverse: false }
  for (;;) {
    const page = await store.page({ ...range, limit: PAGE_ENTRIES })
    found.push(...page.map(parkedWrite))
    if (page.length < PAGE_ENTRIES) return found
    range.from = `${page.at(-1)!.key}\0`
  }
}

function parkedWrite({ key, value }: StoredEntry): ParkedWrite {
  const { value: json } = decodeStoredValue(key, value)
  try {
    const letter = JSON.parse(json.toString('utf8')) as Letter
    const { batch, lsn, form, expiresAt, reason, parkedAt } = letter
    return {
      ...{ batch, lsn, form, expiresAt, reason, parkedAt },
      key: Buffer.from(letter.key, 'base64').latin1Slice(),
      value: letter.value === null ? undefined : Buffer.from(letter.value, 'base64').latin1Slice(),
    }
  } catch (cause) {
    throw new AgentMemoryError('STORE_CORRUPT', {
      message: `The dead letter under ${JSON.stringify(decodeSegments(key))} cannot be read`,
      next: 'Run "npx holdfast verify", and restore the memory from a backup',
      cause,
    })
  }
}

/** Changes in the order in which a store takes them. */
export function inOrder(changes: Change[]): Change[] {
  return changes.sort((a, b) => (a.key < b.key ? -1 : 1))
}

function digits(number: number): string {
  return String(number).padStart(NUMBER_DIGITS, '0')
}
