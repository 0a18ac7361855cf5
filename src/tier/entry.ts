/** An entry of the tier: the newest accepted state of one key, and where else it exists. */
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'

/**
 * Where an entry exists besides the tier:
 * - `clean`: in the data store. It may be evicted.
 * - `dirty`: nowhere. It must stay.
 * - `framed`: in the frame that is being written. It must stay: the frame may fail.
 * - `pending`: in the log, not yet in the data store. Its value may go, its place in the log must stay.
 * - `parked`: in a dead letter, since the data store has refused it. It must stay: reads see it, not what the store has.
 */
export const EntryState = { clean: 0, dirty: 1, framed: 2, pending: 3, parked: 4 } as const
export type EntryState = (typeof EntryState)[keyof typeof EntryState]

/**
 * The value is held as a binary string (one char a byte): V8 keeps such strings on its own heap, at one byte a char,
 * with less overhead and at less cost than a Buffer of its own for each value. docs/decisions/0004 has the figures.
 */
export class Entry {
  readonly key: EncodedKey
  lsn: Lsn
  form: number
  /** `undefined` if the entry is a tombstone, or if only the log still has the value. */
  value: string | undefined
  isDeleted: boolean
  /** In ms since 1970; 0 for never. */
  expiresAt: number
  state: EntryState
  /** Position of the frame that holds the entry, and the record's offset in its body; set once it is framed. */
  framePosition = -1
  recordOffset = 0

  // Links of the eviction list. `visited` is SIEVE's one bit.
  newer: Entry | undefined = undefined
  older: Entry | undefined = undefined
  isListed = false
  visited = false

  constructor(
    key: EncodedKey,
    lsn: Lsn,
    form: number,
    value: string | undefined,
    expiresAt: number,
    state: EntryState,
  ) {
    this.key = key
    this.lsn = lsn
    this.form = form
    this.value = value
    this.isDeleted = value === undefined
    this.expiresAt = expiresAt
    this.state = state
  }

  /** Whether the tier alone can answer a read of this key. */
  get isHeld(): boolean {
    return this.isDeleted || this.value !== undefined
  }
}

/**
 * What an entry takes of the tier's budget, in bytes: text, object and its place in the Map, and the room that V8 takes
 * before it collects what has been evicted.
 */
export function entryCost(key: EncodedKey, value: string | undefined): number {
  return (key.length + (value === undefined ? 0 : value.length) + ENTRY_OVERHEAD_BYTES) * HEAP_PER_LIVE_BYTE
}

// Measured as heap growth per entry over a million entries, less the text: object 136, Map slot 40, string headers 32.
const ENTRY_OVERHEAD_BYTES = 208
// V8 lets its heap grow to about four times of what is live before it collects old objects: measured with a tier that
// takes and evicts a million entries, 72 MB live, 296 MB of heap. Two more are for the young ones and for what reads
// decode. A budget that left this out would be exceeded by that much.
const HEAP_PER_LIVE_BYTE = 6
