/**
 * The codec is given values, which must come back as they were, and bytes: random, damaged, forged with right checksums.
 * Whatever they are, it ends soon, with a value or an error of ours, and takes no more memory than a bound.
 */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { decodeValue, encodeValue } from '../src/codec/codec.js'
import { CODEC, COMPRESSION, formOf } from '../src/codec/form.js'
import { decodeStoredValue, encodeStoredValue } from '../src/codec/stored-value.js'
import { encodeKey } from '../src/core/key.js'
import { AgentMemoryError } from '../src/index.js'
import { anyValue } from './any-value.js'

export interface CodecFuzzCounts {
  roundTrips: number
  bytes: number
  stored: number
  refused: number
}

const VALUE_BYTES_MAX = 1 << 20
const KEY = encodeKey(['profile', 'user-1'])

/** A value's first byte decides much: all of them come, and those that say a length come with large ones. */
const hostile = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 64 }),
  fc
    .tuple(
      fc.constantFrom(0xc1, 0xc4, 0xc6, 0xc9, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf),
      fc.uint8Array({ maxLength: 24 }),
    )
    .map(([first, rest]) => Uint8Array.from([first, ...rest])),
)
const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })

export async function fuzzCodec(runs: number, seed: number): Promise<CodecFuzzCounts> {
  const counts = { roundTrips: 0, bytes: 0, stored: 0, refused: 0 }
  const settings = { numRuns: runs, seed }
  fc.assert(
    fc.property(anyValue, value => {
      fc.pre(value !== undefined)
      counts.roundTrips += 1
      const encoded = Buffer.from(encodeValue(value, VALUE_BYTES_MAX))
      assert.ok(isDeepStrictEqual(decode(encoded), value), 'a value does not come back as it was')
      assert.equal(
        attempt(() => decode(Buffer.concat([encoded, Buffer.from([0])]))),
        false,
        'a byte too many is passed over',
      )
    }),
    settings,
  )
  fc.assert(
    fc.property(hostile, bytes => {
      counts.bytes += 1
      if (!attempt(() => decode(Buffer.from(bytes)))) counts.refused += 1
    }),
    settings,
  )
  fc.assert(
    fc.property(anyValue, changes, fc.nat({ max: 3 }), (value, list, cut) => {
      fc.pre(value !== undefined)
      counts.bytes += 1
      const encoded = changed(encodeValue(value, VALUE_BYTES_MAX), list)
      if (!attempt(() => decode(encoded.subarray(0, Math.max(1, encoded.length - cut))))) counts.refused += 1
    }),
    settings,
  )
  fc.assert(
    fc.property(anyValue, changes, fc.boolean(), (value, list, isForged) => {
      fc.pre(value !== undefined)
      counts.stored += 1
      const stored = encodeStoredValue({
        key: KEY,
        lsn: 7,
        form: formOf(CODEC.messagePack, COMPRESSION.none, 0),
        value: encodeValue(value, VALUE_BYTES_MAX),
      })
      assert.equal(
        attempt(() => decodeStoredValue(encodeKey(['profile', 'user-2']), stored)),
        false,
        'a value is taken for another key',
      )
      const damaged = changed(stored, list)
      if (isForged) damaged.writeUInt32LE(crc32(damaged.subarray(4), crc32(Buffer.from(KEY, 'latin1'))), 0)
      const isTaken = attempt(() => decodeStoredValue(KEY, damaged))
      if (!isTaken) counts.refused += 1
      assert.ok(!isTaken || isForged || damaged.equals(stored), 'a damaged value is taken')
    }),
    settings,
  )
  return counts
}

function decode(bytes: Buffer): unknown {
  return decodeValue(bytes, 0, bytes.length)
}

/** Whether something comes of it; `false` for an error of ours, and any other is thrown. */
function attempt(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (error instanceof AgentMemoryError) return false
    throw error
  }
}

function changed(bytes: Buffer, list: readonly [number, number][]): Buffer {
  const copy = Buffer.from(bytes)
  for (const [at, byte] of list) copy[at % copy.length] = byte
  return copy
}
