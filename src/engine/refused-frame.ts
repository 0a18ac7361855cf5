/**
 * A frame that the data store refuses as a whole: which of its batches are to blame, and all others into the store.
 *
 * Batches of one frame write different keys, so that each can be applied apart from the others. They go in their order,
 * halves first, under the mark that the store has: a crash in between finds the frame behind the mark, and does it again,
 * to the same end. The mark moves with the dead letters.
 */
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import { type LogRecord, readRecords } from '../log/record.js'
import type { Change } from '../stores/data-store.js'
import { storedForm } from './checkpoint-run.js'
import { inOrder, letterOf, type ParkedWrite } from './dead-letter.js'
import type { ParkedWrites } from './parked-writes.js'

/** Applies changes under the mark that the store has; returns why it has refused them, if so. */
export type ApplyPart = (changes: Change[]) => Promise<string | undefined>

interface Batch {
  number: Lsn
  records: LogRecord[]
}

/** What has become of a frame: what the store does not take of it, and bytes of what it has taken. */
export interface Narrowed {
  refused: ParkedWrite[]
  bytes: number
}

/**
 * Applies what the store takes of a frame's body, and returns the rest, or more than there is room for. `reason` is why the
 * store has refused all of it.
 */
export async function narrowDown(
  body: Buffer,
  reason: string,
  parked: ParkedWrites,
  nowMs: number,
  apply: ApplyPart,
): Promise<Narrowed> {
  const refused: ParkedWrite[] = []
  let bytes = 0
  await halve(batchesOf(body), reason)
  return { refused, bytes }

  async function halve(batches: Batch[], why: string): Promise<void> {
    if (batches.length > 1) {
      const middle = batches.length >>> 1
      await take(batches.slice(0, middle))
      await take(batches.slice(middle))
      return
    }
    for (const { number, records } of batches) {
      refused.push(...records.map(record => parkedWrite(record, number, why, nowMs)))
    }
  }

  async function take(batches: Batch[]): Promise<void> {
    // The frame cannot be done with: its caller leaves it for later.
    if (!parked.hasRoomFor(refused)) return
    const keys = batches.flatMap(({ records }) => records.map(({ key }) => key))
    const changes = batches.flatMap(({ records }) =>
      records.map(record => ({ key: record.key, value: storedForm(record, nowMs) })),
    )
    const why = await apply(inOrder([...changes, ...lettersGone(keys, parked)]))
    if (why !== undefined) return halve(batches, why)
    parked.superseded(keys)
    for (const { key, value } of changes) bytes += key.length + (value?.length ?? 0)
  }
}

/** The changes that put refused writes into the store as dead letters, in place of older ones of the same keys. */
export function lettersFor(writes: readonly ParkedWrite[], parked: ParkedWrites): Change[] {
  const keys = writes.map(({ key }) => key)
  return inOrder([...lettersGone(keys, parked), ...writes.map(letterOf)])
}

function lettersGone(keys: readonly EncodedKey[], parked: ParkedWrites): Change[] {
  return keys.flatMap(key => {
    const letter = parked.letterFor(key)
    return letter === undefined ? [] : [{ key: letter, value: undefined }]
  })
}

function batchesOf(body: Buffer): Batch[] {
  const batches = new Map<Lsn, Batch>()
  for (const record of readRecords(body)) {
    const { batch: number } = record
    const batch = batches.get(number)
    if (batch === undefined) batches.set(number, { number, records: [record] })
    else batch.records.push(record)
  }
  return [...batches.values()].sort((a, b) => a.number - b.number)
}

function parkedWrite(record: LogRecord, batch: Lsn, reason: string, parkedAt: number): ParkedWrite {
  const { key, lsn, form, value, expiresAt } = record
  return { batch, key, lsn, form, value: value?.latin1Slice(), expiresAt, reason, parkedAt }
}
