/**
 * Calls whose writes follow from what a key holds, such as the head of a sequence.
 *
 * I27: those of one key take turns, in the order in which they were called: each begins once the one before it was
 * accepted or refused. So nobody else changes what a call has looked at, and a call that finds everything in the tier, and
 * nobody before it, is accepted before it returns, as any write is.
 *
 * Only such calls may write to these keys, and to what belongs to them. Where other nodes may, too, the keys are written on
 * the condition that they are what was seen; a call that comes too late is planned anew.
 */
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { Durability } from '../policy/durability.js'
import type { ReadPath, WritePath } from './paths.js'
import type { FoundValue } from './read.js'
import type { Write, WriteResult } from './write.js'

type TurnReader = Pick<ReadPath, 'held' | 'getMany'>
type TurnWriter = Pick<WritePath, 'answer' | 'write' | 'hold' | 'release'>

/** What a call has decided. */
export interface Planned<T> {
  /** They take effect together; none is fine. */
  writes: readonly Write[]
  /** LSN of the newest that it has looked at: an answer without writes is as durable as that. */
  seen: Lsn
  value: T
}

/** What a key holds, and the LSN that made it so. */
export interface Seen {
  found: FoundValue | undefined
  lsn: Lsn
}

export interface TurnRequest<T> {
  /** The calls of each of these take turns. */
  keys: readonly EncodedKey[]
  /** What it holds in memory while it waits for its turn. */
  bytes: number
  durability: Durability
  /** Synchronous, without effect; called again when something was not in the tier, which it was told is absent. */
  plan(view: View): Planned<T>
  /** Called when what was planned is accepted. */
  onAccepted?: (() => void) | undefined
}

interface Call {
  keys: readonly EncodedKey[]
  /** Keys at which others are before it. */
  waitsFor: number
  heldBytes: number
  isOver: boolean
  run(): void
}

// Never told to a caller.
const CAME_TOO_LATE = new Error('another node has written the key')

const ABSENT: Seen = { found: undefined, lsn: 0 }

/** What a plan looks at: what the tier does not hold is noted as missing, shown as absent, and read for the next try. */
export class View {
  readonly #reader: TurnReader
  readonly #read = new Map<EncodedKey, Seen>()
  #missing: EncodedKey[] = []

  constructor(reader: TurnReader) {
    this.#reader = reader
  }

  get isComplete(): boolean {
    return this.#missing.length === 0
  }

  see(key: EncodedKey): Seen {
    const seen = this.#reader.held(key) ?? this.#read.get(key)
    if (seen !== undefined) return seen
    this.#missing.push(key)
    return ABSENT
  }

  /** Reads what was missing. It stays as it is while the call has its turn. */
  async load(): Promise<void> {
    const keys = this.#missing
    this.#missing = []
    const values = await this.#reader.getMany(keys)
    for (const [index, found] of values.entries()) this.#read.set(keys[index]!, { found, lsn: found?.lsn ?? 0 })
  }
}

export class Turns {
  readonly #reader: TurnReader
  readonly #writer: TurnWriter
  readonly #onWritten: (key: EncodedKey) => void
  readonly #areShared: boolean
  /** The calls of a key: the first has its turn. */
  readonly #calls = new Map<EncodedKey, Call[]>()

  constructor(
    reader: TurnReader,
    writer: TurnWriter,
    onWritten: (key: EncodedKey) => void,
    { areShared = false } = {},
  ) {
    this.#reader = reader
    this.#writer = writer
    this.#onWritten = onWritten
    this.#areShared = areShared
  }

  /** Plans in its turn and writes what was planned, all or nothing. Rejects as `Writer.write` does. */
  take<T>({
    keys,
    bytes,
    durability,
    plan,
    onAccepted: then,
  }: TurnRequest<T>): Promise<{ result: WriteResult; value: T }> {
    return new Promise((resolve, reject) => {
      let view = new View(this.#reader)
      const call: Call = { keys, waitsFor: 0, heldBytes: 0, isOver: false, run: () => attempt() }
      const fail = (error: unknown) => {
        this.#end(call)
        reject(error)
      }
      const attempt = () => {
        let planned: Planned<T>
        try {
          planned = plan(view)
        } catch (error) {
          fail(error)
          return
        }
        if (!view.isComplete) {
          view.load().then(attempt, fail)
          return
        }
        const { writes, seen, value } = planned
        const answered = (result: WriteResult) => resolve({ result, value })
        if (writes.length === 0) {
          then?.()
          this.#end(call)
          this.#writer.answer(seen, durability).then(answered, reject)
          return
        }
        const onAccepted = () => {
          for (const key of keys) this.#onWritten(key)
          then?.()
          this.#end(call)
        }
        if (!this.#areShared) {
          this.#writer.write(writes, durability, onAccepted).then(answered, fail)
          return
        }
        this.#writer.write(guarded(writes, keys, view), durability, onAccepted).then(answered, (error: unknown) => {
          if (error !== CAME_TOO_LATE) return fail(error)
          view = new View(this.#reader)
          attempt()
        })
      }
      this.#enter(call, bytes)
    })
  }

  /** Resolves once the calls of a key that are waiting now have been accepted or refused; `undefined` if none waits. */
  before(key: EncodedKey): Promise<unknown> | undefined {
    if (!this.#calls.has(key)) return undefined
    return new Promise<void>(resolve => {
      const run = () => {
        this.#end(call)
        resolve()
      }
      const call: Call = { keys: [key], waitsFor: 0, heldBytes: 0, isOver: false, run }
      this.#enter(call, 0)
    })
  }

  /** OVERLOADED if it would have to wait and too much waits already. */
  #enter(call: Call, bytes: number): void {
    call.waitsFor = call.keys.filter(key => this.#calls.has(key)).length
    if (call.waitsFor > 0) {
      this.#writer.hold(bytes)
      call.heldBytes = bytes
    }
    for (const key of call.keys) {
      const calls = this.#calls.get(key)
      if (calls === undefined) this.#calls.set(key, [call])
      else calls.push(call)
    }
    if (call.waitsFor === 0) this.#begin(call)
  }

  /** Ends the turn of a call. The next ones begin theirs once this one has been told of its own. */
  #end(call: Call): void {
    if (call.isOver) return
    call.isOver = true
    for (const key of call.keys) {
      const calls = this.#calls.get(key)!
      calls.shift()
      const next = calls[0]
      if (next === undefined) this.#calls.delete(key)
      else if (--next.waitsFor === 0) queueMicrotask(() => this.#begin(next))
    }
  }

  #begin(call: Call): void {
    this.#writer.release(call.heldBytes)
    call.run()
  }
}

/** The same writes, on the condition that the keys of the call are what it has seen. */
function guarded(writes: readonly Write[], keys: readonly EncodedKey[], view: View): Write[] {
  return writes.map(write => {
    if (!keys.includes(write.key)) return write
    return { ...write, expected: view.see(write.key).found?.lsn ?? null, refusal: CAME_TOO_LATE }
  })
}
