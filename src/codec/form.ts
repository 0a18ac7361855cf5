/**
 * How the bytes of a value are to be read: by which codec, behind which compression, and of which schema version they
 * are. It travels with the value, so that settings may change. The tier, the log and scans carry it as one number, which
 * only the borders take apart: here, and where a record or a stored value is written and read.
 */

/** Ids of codecs, as they are on disk. From `USER_CODEC_MIN` on they are the caller's. */
export const CODEC = { messagePack: 1, json: 2 } as const
export const USER_CODEC_MIN = 128
export const CODEC_MAX = 255

/** Ids of compressions, as they are on disk. */
export const COMPRESSION = { none: 0, gzip: 1, brotli: 2, zstd: 3 } as const
export const COMPRESSION_MAX = COMPRESSION.zstd

export const SCHEMA_VERSION_MAX = 0xffff

/** Codec in bits 0 to 7, compression in 8 to 15, schema version from 16 on; negative where the highest bit is set. */
export function formOf(codec: number, compression: number, schemaVersion: number): number {
  return codec | (compression << 8) | (schemaVersion << 16)
}

/** The form of what a map without options writes. */
export const PLAIN_FORM = formOf(CODEC.messagePack, COMPRESSION.none, 0)

/**
 * The form of no value: of a delete, and, where it expires, of the knowledge that a key has no value.
 */
export const NO_VALUE = 0

export function codecOf(form: number): number {
  return form & 0xff
}

export function compressionOf(form: number): number {
  return (form >>> 8) & 0xff
}

export function schemaVersionOf(form: number): number {
  return form >>> 16
}
