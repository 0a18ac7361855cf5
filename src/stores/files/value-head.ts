/** What a file says of its value: the key, and what else a stored value is made of. docs/formats/files-store.md. */
import { crc32 } from 'node:zlib'
import { NEVER } from '../../codec/extras.js'
import { CODEC, CODEC_MAX, COMPRESSION, SCHEMA_VERSION_MAX } from '../../codec/form.js'
import { AgentMemoryError } from '../../core/errors.js'
import { type EncodedKey, encodeSegments, KEY_BYTES_MAX } from '../../core/key.js'
import { type Lsn, NO_LSN } from '../../core/lsn.js'
import { segmentsOf } from './file-name.js'

const FORMAT = 1
const CODEC_NAMES: Record<number, string> = { [CODEC.messagePack]: 'messagepack', [CODEC.json]: 'json' }
/** The codec of bytes that are no stored value. On disk it is a word, so it takes no id. */
const RAW = -1

export interface ValueHead {
  /** `undefined` if the file does not say it. */
  key: EncodedKey | undefined
  codec: number
  compression: number
  schemaVersion: number
  expiresAt: number
  lsn: Lsn
  /** How long a compressed value was before. */
  rawBytes: number
}

/** The value of a `.json`, or the bytes behind the head of any other file. */
export type Content = { value: unknown } | { bytes: Buffer }

/** The object of a file: `key` or `keyHex`, `value` in a `.json`, `holdfast`. */
export type Fields = Record<string, unknown>

export function rawHead(key: EncodedKey): ValueHead {
  return {
    key,
    codec: RAW,
    compression: COMPRESSION.none,
    schemaVersion: 0,
    expiresAt: NEVER,
    lsn: NO_LSN,
    rawBytes: 0,
  }
}

export function isRaw(head: ValueHead): boolean {
  return head.codec === RAW
}

/** The object of a file, in the order in which it is written, with its checksum. */
export function fieldsOf(head: ValueHead, content: Content): Fields {
  const compressions = Object.keys(COMPRESSION)
  const segments = head.key === undefined ? undefined : segmentsOf(head.key)
  const holdfast = {
    format: FORMAT,
    codec: isRaw(head) ? 'raw' : (CODEC_NAMES[head.codec] ?? head.codec),
    ...(head.compression === COMPRESSION.none ? {} : { compression: compressions[head.compression] }),
    ...(head.rawBytes === 0 ? {} : { rawBytes: head.rawBytes }),
    ...(head.schemaVersion === 0 ? {} : { schemaVersion: head.schemaVersion }),
    ...(head.expiresAt === NEVER ? {} : { expiresAtMs: head.expiresAt }),
    lsn: head.lsn,
  }
  const fields = {
    ...(segments === undefined ? { keyHex: Buffer.from(head.key ?? '', 'latin1').toString('hex') } : { key: segments }),
    ...('value' in content && { value: content.value }),
    holdfast,
  }
  const crc = checksum(JSON.stringify(fields), 'bytes' in content ? content.bytes : undefined)
  return { ...fields, holdfast: { ...holdfast, crc: hexOf(crc) } }
}

/**
 * The compact text of a file's object without its checksum, if that is the checksum of it and of the bytes behind it.
 * `undefined` for a file that was changed or written by hand, or is damaged.
 */
export function wholeText(said: Fields, bytes?: Buffer): string | undefined {
  const { crc, ...holdfast } = (said.holdfast ?? {}) as Fields
  const text = JSON.stringify({ ...said, holdfast })
  return crc === hexOf(checksum(text, bytes)) ? text : undefined
}

/** Of what the file says: what a codec or the stored form makes of it may be other bytes in another version. */
function checksum(text: string, bytes: Buffer | undefined): number {
  const crc = crc32(text)
  return bytes === undefined ? crc : crc32(bytes, crc)
}

/** The head that parsed JSON says. Throws an `Error` that says what is wrong with it, or FORMAT_TOO_NEW. */
export function parseHead(said: Fields): ValueHead {
  const holdfast = said.holdfast ?? {}
  if (typeof holdfast !== 'object' || Array.isArray(holdfast)) throw new Error('has a "holdfast" that is no object')
  const of = holdfast as Fields
  const format = numberIn(of, 'format', 0xffff, FORMAT)
  if (format > FORMAT) {
    throw new AgentMemoryError('FORMAT_TOO_NEW', {
      message: `A file of the store is of format ${format}; this version reads format ${FORMAT}`,
      next: 'Open it with the version of Holdfast that wrote it, or a newer one',
    })
  }
  return {
    key: parseKey(said),
    codec: parseCodec(of.codec),
    compression: parseCompression(of.compression),
    schemaVersion: numberIn(of, 'schemaVersion', SCHEMA_VERSION_MAX, 0),
    expiresAt: numberIn(of, 'expiresAtMs', Number.MAX_SAFE_INTEGER, NEVER),
    lsn: numberIn(of, 'lsn', Number.MAX_SAFE_INTEGER, NO_LSN),
    rawBytes: numberIn(of, 'rawBytes', 0xffff_ffff, 0),
  }
}

export function hexOf(number: number): string {
  return number.toString(16).padStart(8, '0')
}

function parseKey(said: Fields): EncodedKey | undefined {
  const key = said.key
  if (key !== undefined) {
    if (!Array.isArray(key) || !key.every(segment => typeof segment === 'string' && segment.isWellFormed())) {
      throw new Error('has a "key" that is no array of strings')
    }
    return checked(encodeSegments(key as string[]))
  }
  const hex = said.keyHex
  if (hex === undefined) return undefined
  if (typeof hex !== 'string' || !/^([0-9a-f]{2})+$/.test(hex)) throw new Error('has a "keyHex" that is no hex')
  return checked(Buffer.from(hex, 'hex').toString('latin1'))
}

function checked(key: EncodedKey): EncodedKey {
  if (key !== '' && key.length <= KEY_BYTES_MAX) return key
  throw new Error(`has a key of ${key.length} bytes`)
}

function parseCodec(said: unknown): number {
  if (said === undefined) return CODEC.messagePack
  if (said === 'raw') return RAW
  if (typeof said === 'number' && Number.isInteger(said) && said >= 0 && said <= CODEC_MAX) return said
  const id = Object.keys(CODEC_NAMES).find(each => CODEC_NAMES[Number(each)] === said)
  if (id === undefined) throw unknown('codec', said)
  return Number(id)
}

function parseCompression(said: unknown): number {
  if (said === undefined) return COMPRESSION.none
  const id = typeof said === 'string' && Object.hasOwn(COMPRESSION, said) ? said : undefined
  if (id === undefined) throw unknown('compression', said)
  return COMPRESSION[id as keyof typeof COMPRESSION]
}

function numberIn(said: Fields, name: string, max: number, byDefault: number): number {
  const number = said[name] ?? byDefault
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= max) return number
  throw unknown(name, number)
}

function unknown(name: string, said: unknown): Error {
  return new Error(`says "${name}": ${JSON.stringify(said)}`)
}
