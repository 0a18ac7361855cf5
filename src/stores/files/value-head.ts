/** What a file says of its value: the key, and what else a stored value is made of. docs/formats/files-store.md. */
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
  /** CRC of the stored value; `undefined` if somebody has written the file by hand. */
  crc: number | undefined
}

export function rawHead(key: EncodedKey, crc: number): ValueHead {
  return {
    key,
    codec: RAW,
    compression: COMPRESSION.none,
    schemaVersion: 0,
    expiresAt: NEVER,
    lsn: NO_LSN,
    rawBytes: 0,
    crc,
  }
}

export function isRaw(head: ValueHead): boolean {
  return head.codec === RAW
}

/** The fields of a head, in the order in which they are written. */
export function headFields(head: ValueHead): { key: object; holdfast: object } {
  const compressions = Object.keys(COMPRESSION)
  const segments = head.key === undefined ? undefined : segmentsOf(head.key)
  return {
    key: segments === undefined ? { keyHex: Buffer.from(head.key ?? '', 'latin1').toString('hex') } : { key: segments },
    holdfast: {
      format: FORMAT,
      codec: isRaw(head) ? 'raw' : (CODEC_NAMES[head.codec] ?? head.codec),
      ...(head.compression === COMPRESSION.none ? {} : { compression: compressions[head.compression] }),
      ...(head.rawBytes === 0 ? {} : { rawBytes: head.rawBytes }),
      ...(head.schemaVersion === 0 ? {} : { schemaVersion: head.schemaVersion }),
      ...(head.expiresAt === NEVER ? {} : { expiresAtMs: head.expiresAt }),
      lsn: head.lsn,
      crc: hexOf(head.crc ?? 0),
    },
  }
}

/** The head that parsed JSON says. Throws an `Error` that says what is wrong with it, or FORMAT_TOO_NEW. */
export function parseHead(said: Record<string, unknown>): ValueHead {
  const holdfast = said.holdfast ?? {}
  if (typeof holdfast !== 'object' || Array.isArray(holdfast)) throw new Error('has a "holdfast" that is no object')
  const of = holdfast as Record<string, unknown>
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
    crc: of.crc === undefined ? undefined : parseHex(of.crc),
  }
}

export function hexOf(number: number): string {
  return number.toString(16).padStart(8, '0')
}

function parseKey(said: Record<string, unknown>): EncodedKey | undefined {
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

function parseHex(said: unknown): number {
  if (typeof said === 'string' && /^[0-9a-f]{8}$/.test(said)) return Number.parseInt(said, 16)
  throw unknown('crc', said)
}

function numberIn(said: Record<string, unknown>, name: string, max: number, byDefault: number): number {
  const number = said[name] ?? byDefault
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= max) return number
  throw unknown(name, number)
}

function unknown(name: string, said: unknown): Error {
  return new Error(`says "${name}": ${JSON.stringify(said)}`)
}
