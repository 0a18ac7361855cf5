/** A codec of the caller's own: what it may give back is checked, since it becomes what the memory keeps. */
import { types } from 'node:util'
import { WrongCallError } from '../core/errors.js'
import { Refusal, refusalError, tooLargeError, undecodable } from './refusal.js'

/**
 * How values become bytes, and values again. Both functions are synchronous, and what `decode` gives for the bytes of
 * `encode` should be equal to what was encoded.
 */
export interface Codec {
  /** From 128 to 255. It is stored with each value, and tells what reads it: never change it, or use it for another. */
  readonly id: number
  /** For messages of errors. */
  readonly name: string
  /** The bytes of a value, which is never `undefined`. They are copied at once. An error refuses the value. */
  encode(value: unknown): Uint8Array
  /** The value of such bytes, fresh. They are a copy that belongs to the codec. */
  decode(bytes: Uint8Array): unknown
}

/** The bytes that the caller's codec makes of a value. VALUE_UNSUPPORTED if it throws, INVALID_OPTION if they are none. */
export function encodeByUser(codec: Codec, value: unknown, limitBytes: number): Buffer {
  if (value === undefined) throw refusalError(new Refusal('undefined', 'Use delete to remove an entry, or store null'))
  let bytes: unknown
  try {
    bytes = codec.encode(value)
  } catch (cause) {
    throw new WrongCallError('VALUE_UNSUPPORTED', {
      message: `The codec "${codec.name}" refuses the value: ${messageOf(cause)}`,
      next: 'Store what that codec keeps, or give the map another codec',
      cause,
    })
  }
  if (!types.isUint8Array(bytes)) throw wrongAnswer(codec, 'encode', bytes, 'a Uint8Array')
  if (bytes.length > limitBytes) throw tooLargeError(bytes.length, limitBytes, true)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** The value that the caller's codec makes of bytes, which it gets a copy of. STORE_CORRUPT if it cannot. */
export function decodeByUser(codec: Codec, bytes: Buffer): unknown {
  const copy = new Uint8Array(bytes)
  let value: unknown
  try {
    value = codec.decode(copy)
  } catch (cause) {
    throw undecodable(
      cause,
      `The codec "${codec.name}" cannot decode a value: ${messageOf(cause)}`,
      `Give the map the codec that wrote it under the id ${codec.id}; if this is the one, it does not take what it has made`,
    )
  }
  if (value === undefined || types.isPromise(value)) throw wrongAnswer(codec, 'decode', value, 'the value')
  return value
}

function wrongAnswer(codec: Codec, method: string, answer: unknown, wanted: string): WrongCallError {
  if (types.isPromise(answer)) answer.catch(() => {})
  const what = types.isPromise(answer) ? 'a promise' : answer === null ? 'null' : typeof answer
  return new WrongCallError('INVALID_OPTION', {
    message: `The codec "${codec.name}" has answered ${method} with ${what}`,
    next: `Its ${method} must return ${wanted}, synchronously`,
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
