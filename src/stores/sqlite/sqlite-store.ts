/**
 * The store over its connections.
 *
 * Always true here:
 * - changes and mark are one transaction, committed with `synchronous = FULL`: durable when `apply` returns;
 * - one write runs at a time, in the order of the calls;
 * - every read is one statement, on a connection that sees nothing of a transaction before its commit;
 * - after a write that failed, this handle writes nothing more; one that SQLite refuses for what is in it is rolled back.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AgentMemoryError } from '../../core/errors.js'
import { decodeSegments, type EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Change, DataStore, Mark, Page, StoreCapabilities, StoredEntry, StoreIdentity } from '../data-store.js'
import type { SqliteDatabase } from './driver.js'
import { Metadata, rollBack } from './schema.js'
import { isRefusal, sqliteError } from './sqlite-errors.js'

// About 5 microseconds a change. Between slices others get their turn.
const SLICE_CHANGES = 1024
const SLICE_BYTES = 1024 * 1024

export interface Connections {
  /** The same as the writer, if it is the caller's own: reads and transactions then take no turns. */
  reader: SqliteDatabase
  writer: SqliteDatabase
  close(): Promise<void>
}

export class SqliteStore implements DataStore {
  readonly capabilities: StoreCapabilities = { kind: 'sqlite', durableCommit: true, persistent: true }

  readonly #place: string
  readonly #connections: Connections
  readonly #metadata: Metadata
  readonly #get
  readonly #page
  readonly #pageReversed
  #lastWrite: Promise<unknown> = Promise.resolve()
  #failure: unknown
  #runningCalls = 0
  #onIdle: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(place: string, connections: Connections) {
    const { reader } = connections
    const range = 'SELECT key, value FROM holdfast_entries WHERE key >= ? AND key < ? ORDER BY key'
    this.#place = place
    this.#connections = connections
    this.#metadata = new Metadata(reader)
    this.#get = reader.prepare('SELECT value FROM holdfast_entries WHERE key = ?')
    this.#page = reader.prepare(`${range} LIMIT ?`)
    this.#pageReversed = reader.prepare(`${range} DESC LIMIT ?`)
    // A mark or an identity that is damaged is told now.
    this.#metadata.mark()
    this.#metadata.identity()
  }

  identity(): Promise<StoreIdentity | undefined> {
    return this.#call(async () => this.#metadata.identity())
  }

  setIdentity(identity: StoreIdentity): Promise<void> {
    return this.#call(() => this.#inTurn(() => this.#commit(metadata => [metadata.write('identity', identity)])))
  }

  mark(): Promise<Mark> {
    return this.#call(async () => this.#metadata.mark())
  }

  get(key: EncodedKey): Promise<Buffer | undefined> {
    return this.#call(async () => this.#valueOf(key))
  }

  getMany(keys: EncodedKey[]): Promise<(Buffer | undefined)[]> {
    return this.#call(async () => keys.map(key => this.#valueOf(key)))
  }

  page({ from, to, reverse, limit }: Page): Promise<StoredEntry[]> {
    return this.#call(async () => {
      const statement = reverse ? this.#pageReversed : this.#page
      // An empty lower end is before every key, as a key of no bytes would be: drivers bind empty bytes as NULL.
      const rows = statement.all(from === '' ? '' : bytesOf(from), bytesOf(to), limit) as Entry[]
      return rows.map(({ key, value }) => ({ key: bufferOf(key).latin1Slice(), value: bufferOf(value) }))
    })
  }

  apply(changes: Change[], mark: Mark): Promise<void> {
    return this.#call(() => this.#inTurn(() => this.#commit(metadata => this.#write(changes, mark, metadata))))
  }

  /** What can be read has been committed, and so synced, by whichever handle. */
  flushedLsn(): Promise<Lsn> {
    return this.#call(async () => this.#metadata.mark().appliedLsn)
  }

  flush(): Promise<void> {
    return this.#call(async () => {})
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeOnce()
    return this.#closing
  }

  async #closeOnce(): Promise<void> {
    if (this.#runningCalls > 0) await new Promise<void>(resolve => (this.#onIdle = resolve))
    await this.#connections.close()
  }

  #valueOf(key: EncodedKey): Buffer | undefined {
    const row = this.#get.get(bytesOf(key)) as Entry | undefined
    return row ? bufferOf(row.value) : undefined
  }

  /** In slices: it yields behind each. */
  *#write(changes: Change[], mark: Mark, metadata: Metadata): Generator<void> {
    const { writer } = this.#connections
    const upsert = writer.prepare(
      'INSERT INTO holdfast_entries VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    )
    const remove = writer.prepare('DELETE FROM holdfast_entries WHERE key = ?')
    let sliceBytes = 0
    let sliceChanges = 0
    for (const { key, value } of changes) {
      if (value === undefined) remove.run(bytesOf(key))
      else {
        const [map = '', ...segments] = decodeSegments(key)
        upsert.run(bytesOf(key), map, JSON.stringify(segments), value)
      }
      sliceBytes += value === undefined ? 0 : value.length
      if (++sliceChanges < SLICE_CHANGES && sliceBytes < SLICE_BYTES) continue
      sliceBytes = sliceChanges = 0
      yield
    }
    metadata.write('mark', mark)
  }

  /** One transaction, in slices. After one that failed nothing is written through this handle, unless it was refused. */
  async #commit(write: (metadata: Metadata) => Iterable<void>): Promise<void> {
    if (this.#failure !== undefined) throw stoppedError(this.#place, this.#failure)
    const { reader, writer } = this.#connections
    try {
      writer.exec('BEGIN IMMEDIATE')
      try {
        for (const _slice of write(new Metadata(writer))) {
          // On a connection that is not ours alone, whatever is awaited lets others into this transaction.
          if (reader !== writer) await nextTurn()
        }
        writer.exec('COMMIT')
      } catch (error) {
        rollBack(writer)
        throw error
      }
    } catch (error) {
      if (!isRefusal(error)) this.#failure = error
      throw error
    }
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw closedError(this.#place)
    this.#runningCalls += 1
    try {
      return await call()
    } catch (error) {
      throw sqliteError(`The store in ${this.#place} failed`, error)
    } finally {
      this.#runningCalls -= 1
      if (this.#runningCalls === 0) this.#onIdle?.()
    }
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const turn = this.#lastWrite.then(write)
    // Its caller gets the error; the next in line looks at `#failure` instead.
    this.#lastWrite = turn.catch(() => undefined)
    return turn
  }
}

interface Entry {
  key: Uint8Array
  value: Uint8Array
}

function bytesOf(key: EncodedKey): Buffer {
  return Buffer.from(key, 'latin1')
}

/** The bytes as a Buffer over the same memory, which the driver has made for this row. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function closedError(place: string): AgentMemoryError {
  return new AgentMemoryError('CLOSED', { message: `The store in ${place} is closed`, next: 'Open it again' })
}

function stoppedError(place: string, cause: unknown): AgentMemoryError {
  return new AgentMemoryError('STORE_DOWN', {
    message: `The store in ${place} takes no more writes, because an earlier one failed`,
    next: 'Close it in every thread and open it again',
    cause,
  })
}
