/**
 * The form in which a store keeps a value: what it takes to read it, and the checksum that it is at rest under.
 *
 * The checksum covers the key too, so that a value which a store returns for another key is found out.
 * docs/formats/stored-value.md draws the bytes.
 */
import { crc32 } from 'node:zlib'
import { invariant } from '../core/assert.js'
import { AgentMemoryError } from '../core/errors.js'
import { decodeSegments, type EncodedKey, KEY_BYTES_MAX } from '../core/key.js'
import { type Lsn, readUint64, writeUint64 } from '../core/lsn.js'
import { extrasBytes, NEVER, readExtras, writeExtras } from './extras.js'
import { COMPRESSION_MAX, codecOf, compressionOf, formOf, schemaVersionOf } from './form.js'

/** The format that is written. */
export const STORED_VALUE_FORMAT = 1

/** Bytes before the extras. */
export const STORED_VALUE_HEADER_BYTES = 22

/** Required flags that this version knows: none. */
const KNOWN_FLAGS = 0

const keyBytes = Buffer.allocUnsafeSlow(KEY_BYTES_MAX)

/** How a value is written, and which write it is of. */
export interface StoredValueHead {
  readonly lsn: Lsn
  /** How the value is to be read: form.ts. */
  readonly form: number
  /** In ms since 1970; 0: never. */
  readonly expiresAt: number
}

export interface StoredValueInput extends Omit<StoredValueHead, 'expiresAt'> {
  readonly expiresAt?: number
  readonly key: EncodedKey
  /** The buffer with the encoded value; `valueStart` to `valueEnd` of it, or all of it. */
  readonly value: Buffer
  readonly valueStart?: number
  readonly valueEnd?: number
}

export interface StoredValue extends StoredValueHead {
  /** A view of the bytes that were given: the encoded value. */
  readonly value: Buffer
}

/** The bytes that a store keeps under `key`, in memory from `allocate`: by default a fresh buffer. */
export function encodeStoredValue(
  input: StoredValueInput,
  allocate: (bytes: number) => Buffer = Buffer.allocUnsafe,
): Buffer {
  const { key, form, value, expiresAt = NEVER, valueStart = 0, valueEnd = value.length } = input
  const ofExtras = extrasBytes(expiresAt)
  const bytes = allocate(STORED_VALUE_HEADER_BYTES + ofExtras + valueEnd - valueStart)
  bytes[4] = STORED_VALUE_FORMAT
  bytes[5] = codecOf(form)
  bytes[6] = compressionOf(form)
  // No key encrypts it in this version.
  bytes[7] = 0
  bytes.writeUInt16LE(schemaVersionOf(form), 8)
  bytes.writeUInt16LE(KNOWN_FLAGS, 10)
  writeUint64(bytes, input.lsn, 12)
  bytes.writeUInt16LE(ofExtras, 20)
  const valueAt = writeExtras(bytes, STORED_VALUE_HEADER_BYTES, expiresAt)
  value.copy(bytes, valueAt, valueStart, valueEnd)
  bytes.writeUInt32LE(checksum(key, bytes), 0)
  return bytes
}

/**
 * What a store keeps under `key`, checked.
 *
 * @throws AgentMemoryError STORE_CORRUPT for damaged bytes, FORMAT_TOO_NEW for those of a newer version
 */
export function decodeStoredValue(key: EncodedKey, bytes: Buffer): StoredValue {
  if (bytes.length < STORED_VALUE_HEADER_BYTES) throw corrupt(key, `is cut short, to ${bytes.length} bytes`)
  // The checksum comes before all else: its place and what it covers are the same in every format, so a damaged
  // version byte is told from a newer format.
  const expected = bytes.readUInt32LE(0)
  const actual = checksum(key, bytes)
  if (actual !== expected) throw corrupt(key, `fails its checksum (${hex(actual)}, it says ${hex(expected)})`)

  const format = bytes.readUInt8(4)
  if (format > STORED_VALUE_FORMAT) throw tooNew(key, `is of format ${format}`)
  if (format < STORED_VALUE_FORMAT) throw corrupt(key, `is of format ${format}, which there never was`)
  const flags = bytes.readUInt16LE(10)
  if ((flags & ~KNOWN_FLAGS) !== 0) throw tooNew(key, `requires the features ${hex(flags)}`)
  const compression = bytes.readUInt8(6)
  if (compression > COMPRESSION_MAX) throw tooNew(key, `requires the compression ${compression}`)
  if (bytes[7] !== 0) throw tooNew(key, `requires the encryption key ${bytes[7]}`)
  const lsn = readUint64(bytes, 12)
  if (!Number.isSafeInteger(lsn)) throw corrupt(key, 'has an LSN above 2^53 - 1')
  const valueStart = STORED_VALUE_HEADER_BYTES + bytes.readUInt16LE(20)
  if (valueStart > bytes.length) throw corrupt(key, 'has extras that run past its end')
  const expiresAt = readExtras(bytes, STORED_VALUE_HEADER_BYTES, valueStart, {
    malformed: what => corrupt(key, `has ${what}`),
    unknown: what => tooNew(key, `requires the ${what}`),
  })
  return {
    lsn,
    form: formOf(bytes.readUInt8(5), compression, bytes.readUInt16LE(8)),
    expiresAt,
    value: bytes.subarray(valueStart),
  }
}

function checksum(key: EncodedKey, bytes: Buffer): number {
  invariant(key.length <= KEY_BYTES_MAX, 'a key is not longer than its limit')
  keyBytes.latin1Write(key, 0)
  return crc32(bytes.subarray(4), crc32(keyBytes.subarray(0, key.length)))
}

function corrupt(key: EncodedKey, what: string): AgentMemoryError {
  return new AgentMemoryError('STORE_CORRUPT', {
    message: `The value that the store keeps under ${named(key)} ${what}`,
    next: 'Run "npx holdfast verify" to learn what else is damaged, and restore the value from a backup',
  })
}

function tooNew(key: EncodedKey, what: string): AgentMemoryError {
  return new AgentMemoryError('FORMAT_TOO_NEW', {
    message: `The value that the store keeps under ${named(key)} ${what}, which this version does not know`,
    next: 'Open the memory with the version of Holdfast that wrote it, or a newer one',
  })
}

function named(key: EncodedKey): string {
  return JSON.stringify(decodeSegments(key))
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}
