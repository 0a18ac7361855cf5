/**
 * Compressed values: `raw bytes (u32), stream`.
 *
 * It is synchronous, as a write is accepted before its call returns: to compress aside would change the order of writes.
 * A value is decompressed into exactly as many bytes as it says that it was: no more are ever made, and a stream that
 * ends early, or has bytes behind its end, is found out (of zlib's readers some pass over either).
 */
import * as zlib from 'node:zlib'
import { AgentMemoryError } from '../core/errors.js'
import { COMPRESSION } from './form.js'
import { undecodable } from './refusal.js'

export type CompressionName = Exclude<keyof typeof COMPRESSION, 'none'>

/** No value is larger: it has to fit a frame, which is at most so large. */
export const VALUE_BYTES_LIMIT = 512 << 20

const HEAD_BYTES = 4
/** zlib makes its output in pieces of so many bytes. One piece holds what most values are. */
const CHUNK_BYTES_MIN = 64
const CHUNK_BYTES_MAX = 1 << 20

/** What maps with compression have encoded: bytes before and after, of values that were left as they are too. */
export interface CompressionTally {
  bytesBefore: number
  bytesAfter: number
}

export interface CompressionConfig {
  algorithm: CompressionName
  /** A smaller value is left as it is. */
  thresholdBytes: number
  level: number
}

interface Algorithm {
  levels: { min: number; max: number; byDefault: number }
  compress(bytes: Buffer, level: number): Buffer
  decompress(bytes: Buffer, options: zlib.ZlibOptions): Buffer
}

/** Newer runtimes have it, and the types of older ones cannot name it. */
interface WithZstd {
  zstdCompressSync?(bytes: Buffer, options: { params: Record<number, number> }): Buffer
  zstdDecompressSync?(bytes: Buffer, options: zlib.ZlibOptions): Buffer
}
const { zstdCompressSync, zstdDecompressSync } = zlib as WithZstd
const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = zlib.constants
const ZSTD_C_COMPRESSION_LEVEL = 100

// Brotli's own default is its highest level, which takes 20 ms for 16 KiB; its 5 is smaller than gzip's best, and as fast.
const ALGORITHMS: Record<CompressionName, Algorithm | undefined> = {
  gzip: {
    levels: { min: 1, max: 9, byDefault: 6 },
    compress: (bytes, level) => zlib.gzipSync(bytes, { level, chunkSize: chunkBytes(bytes.length) }),
    decompress: (bytes, options) => zlib.gunzipSync(bytes, options),
  },
  brotli: {
    levels: { min: 0, max: 11, byDefault: 5 },
    compress: (bytes, level) =>
      zlib.brotliCompressSync(bytes, {
        params: { [BROTLI_PARAM_QUALITY]: level, [BROTLI_PARAM_SIZE_HINT]: bytes.length },
      }),
    decompress: (bytes, options) => zlib.brotliDecompressSync(bytes, options),
  },
  zstd: zstdCompressSync &&
    zstdDecompressSync && {
      levels: { min: 1, max: 22, byDefault: 3 },
      compress: (bytes, level) => zstdCompressSync(bytes, { params: { [ZSTD_C_COMPRESSION_LEVEL]: level } }),
      decompress: (bytes, options) => zstdDecompressSync(bytes, options),
    },
}

/** The levels of an algorithm; `undefined` if this runtime does not have it. */
export function levelsOf(name: CompressionName): Algorithm['levels'] | undefined {
  return ALGORITHMS[name]?.levels
}

/** A value's bytes, compressed; `undefined` where that is not asked for, or saves nothing. Counts both in the tally. */
export function compress(bytes: Buffer, config: CompressionConfig, tally: CompressionTally): Buffer | undefined {
  const stream =
    bytes.length >= config.thresholdBytes ? ALGORITHMS[config.algorithm]!.compress(bytes, config.level) : undefined
  const compressedBytes = HEAD_BYTES + (stream?.length ?? bytes.length)
  tally.bytesBefore += bytes.length
  tally.bytesAfter += Math.min(bytes.length, compressedBytes)
  if (stream === undefined || compressedBytes >= bytes.length) return undefined
  const compressed = Buffer.allocUnsafe(compressedBytes)
  compressed.writeUInt32LE(bytes.length, 0)
  stream.copy(compressed, HEAD_BYTES)
  return compressed
}

/**
 * The bytes that were compressed.
 *
 * @throws AgentMemoryError STORE_CORRUPT if they cannot be made again; CODEC_MISSING if this runtime lacks the algorithm
 */
export function decompress(id: number, bytes: Buffer): Buffer {
  const name = nameOf(id)
  const algorithm = ALGORITHMS[name]
  if (algorithm === undefined) {
    throw new AgentMemoryError('CODEC_MISSING', {
      message: `A value is compressed by ${name}, which this Node.js (${process.version}) does not have`,
      next: 'Open the memory with Node.js 22.15 or newer',
    })
  }
  try {
    const rawBytes = bytes.readUInt32LE(0)
    if (rawBytes > VALUE_BYTES_LIMIT) throw new Error(`no value has ${rawBytes} bytes`)
    const stream = bytes.subarray(HEAD_BYTES)
    const options = { maxOutputLength: rawBytes, chunkSize: chunkBytes(rawBytes), info: true }
    // With `info` it is an object, which the types do not know.
    const { buffer, engine } = algorithm.decompress(stream, options) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    if (buffer.length === rawBytes && engine.bytesWritten === stream.length) return buffer
    throw new Error(`${engine.bytesWritten} of ${stream.length} bytes give ${buffer.length}, not ${rawBytes}`)
  } catch (cause) {
    throw undecodable(cause, `A value cannot be decompressed by ${name}`)
  }
}

function nameOf(id: number): CompressionName {
  for (const name of Object.keys(ALGORITHMS) as CompressionName[]) if (COMPRESSION[name] === id) return name
  throw new AgentMemoryError('FORMAT_TOO_NEW', {
    message: `A value names the compression ${id}, which this version does not know`,
    next: 'Open the memory with the newer version of Holdfast that wrote it',
  })
}

function chunkBytes(bytes: number): number {
  return Math.min(CHUNK_BYTES_MAX, Math.max(CHUNK_BYTES_MIN, bytes))
}
