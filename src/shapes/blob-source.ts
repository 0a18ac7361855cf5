/**
 * What a blob is made from: bytes, or pieces of them that come one after another. Bytes are known by what they are, not by
 * their class: test runners and sandboxes have classes of their own.
 */
import { types } from 'node:util'
import { WrongCallError } from '../core/errors.js'

/**
 * Bytes, or what gives them in pieces: an array, a generator, a Node `Readable`, a web `ReadableStream`. An array of bytes
 * is copied first; pieces are copied as they come.
 */
export type BlobSource = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

type Pieces = Iterator<Uint8Array> | AsyncIterator<Uint8Array>

/** Starts a source. Throws INVALID_ARGUMENT for what gives no bytes. */
export function startSource(source: BlobSource): Pieces {
  if (types.isUint8Array(source)) return [new Uint8Array(source)][Symbol.iterator]()
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]()
    if (Symbol.iterator in source) return source[Symbol.iterator]()
  }
  throw notBytes('The source of a blob', source)
}

/**
 * Hands each piece of a source to `take` and waits for it. If anything fails, or the signal is aborted, the source is told
 * to stop; it is not waited for.
 */
export async function drain(
  pieces: Pieces,
  signal: AbortSignal | undefined,
  take: (piece: Uint8Array) => Promise<void>,
): Promise<void> {
  let isOpen = true
  try {
    for (;;) {
      signal?.throwIfAborted()
      const asked = await unlessAborted(pieces.next(), signal)
      if (asked.done === true) {
        isOpen = false
        return
      }
      if (!types.isUint8Array(asked.value)) throw notBytes('A piece of the source of a blob', asked.value)
      await take(asked.value)
    }
  } finally {
    if (isOpen) void stop(pieces)
  }
}

/** A source that hangs must not keep an abort from taking effect. */
function unlessAborted<T>(work: T | PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(work)
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort))
  })
}

async function stop(pieces: Pieces): Promise<void> {
  try {
    await pieces.return?.()
  } catch {
    // Why the put has failed is told already.
  }
}

function notBytes(what: string, found: unknown): WrongCallError {
  const is = found === null ? 'null' : Array.isArray(found) ? 'an array' : `of type ${typeof found}`
  return new WrongCallError('INVALID_ARGUMENT', {
    message: `${what} is ${is}`,
    next: 'Give a Uint8Array, or an iterable or stream of them; encode text first, and leave a stream without an encoding',
  })
}
