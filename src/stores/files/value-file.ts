/**
 * A stored value as a file that people can read, and back, byte for byte. docs/formats/files-store.md draws them.
 *
 * Always true: what `encodeValueFile` returns has been read back, so a form that would change a value is never written.
 */
import { decodeValue, encodeValue } from '../../codec/codec.js'
import { VALUE_BYTES_LIMIT } from '../../codec/compression.js'
import { CODEC, COMPRESSION, codecOf, compressionOf, formOf, schemaVersionOf } from '../../codec/form.js'
import { decodeJson, encodeJson } from '../../codec/json.js'
import { decodeStoredValue, encodeStoredValue, type StoredValue } from '../../codec/stored-value.js'
import { AgentMemoryError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import { type Fields, fieldsOf, isRaw, parseHead, rawHead, type ValueHead, wholeText } from './value-head.js'

export const ENDINGS = ['json', 'gz', 'zst', 'bin'] as const
export type Ending = (typeof ENDINGS)[number]

export interface ValueFile {
  ending: Ending
  content: Buffer
}

export interface ReadFile {
  key: EncodedKey
  /** The stored value. */
  value: Buffer
  /** Its checksum is right. If not, somebody has changed the file, or it is damaged. */
  isWhole: boolean
}

const RAW_BYTES = 4

/** A larger value is nothing to read, and its text might be longer than a string can be. */
const JSON_BYTES_MAX = 16 << 20
/** A text of more is on one line: every level of a value indents all that is in it. */
const INDENTED_BYTES_MAX = 64 * 1024
const INDENTED_CHARS_MAX = 1 << 20
const NEWLINE = 0x0a

/** An empty gzip member with a comment (RFC 1952): before the comment, and behind it. */
const GZIP_START = Buffer.from('1f8b08100000000000ff', 'hex')
const GZIP_END = Buffer.from('0003000000000000000000', 'hex')
/** A skippable frame of zstd (RFC 8878); its length, a u32, and its content follow. */
const ZSTD_START = Buffer.from('502a4d18', 'hex')
const ZSTD_START_BYTES = 8

/** The file of a value under a key: in the most readable form in which it comes back byte for byte. */
export function encodeValueFile(key: EncodedKey, value: Buffer): ValueFile {
  const file = readableFile(key, value)
  if (file !== undefined && comesBack(key, value, file)) return file
  return { ending: 'bin', content: withLine(rawHead(key), value) }
}

/**
 * What a file holds. `named` is the key that its name says, if it says one.
 *
 * `lsn` replaces what the file says, for one that was changed by hand.
 *
 * @throws Error that says what is wrong, as the end of a sentence about the file; AgentMemoryError FORMAT_TOO_NEW
 */
export function decodeValueFile(
  ending: Ending,
  content: Buffer,
  named: EncodedKey | undefined,
  lsn?: number,
): ReadFile {
  const { head, payload, isWhole } = ending === 'json' ? readJson(content) : readBytes(ending, content)
  const key = head.key ?? named
  if (key === undefined) throw new Error('does not say its key')
  if (named !== undefined && key !== named) throw new Error('says another key than its name')
  if (isRaw(head)) return { key, value: payload, isWhole }
  const form = formOf(head.codec, head.compression, head.schemaVersion)
  const value = encodeStoredValue({ key, form, lsn: lsn ?? head.lsn, expiresAt: head.expiresAt, value: payload })
  return { key, value, isWhole }
}

function readableFile(key: EncodedKey, value: Buffer): ValueFile | undefined {
  const stored = storedIn(key, value)
  if (stored === undefined) return undefined
  const compression = compressionOf(stored.form)
  const head: ValueHead = {
    key,
    codec: codecOf(stored.form),
    compression,
    schemaVersion: schemaVersionOf(stored.form),
    expiresAt: stored.expiresAt,
    lsn: stored.lsn,
    rawBytes: 0,
  }
  if (compression === COMPRESSION.none) {
    const json = jsonOf(head.codec, stored.value)
    if (json !== undefined) return { ending: 'json', content: jsonFile(head, json) }
  }
  const isStream = compression === COMPRESSION.gzip || compression === COMPRESSION.zstd
  if (!isStream || stored.value.length < RAW_BYTES) return { ending: 'bin', content: withLine(head, stored.value) }
  const stream = stored.value.subarray(RAW_BYTES)
  const text = asciiHead({ ...head, rawBytes: stored.value.readUInt32LE(0) }, stream)
  return compression === COMPRESSION.gzip
    ? { ending: 'gz', content: Buffer.concat([GZIP_START, text, GZIP_END, stream]) }
    : { ending: 'zst', content: Buffer.concat([ZSTD_START, withLength(text), stream]) }
}

/** `undefined` for bytes that are no stored value, which only this store's own tests put here. */
function storedIn(key: EncodedKey, value: Buffer): StoredValue | undefined {
  try {
    return decodeStoredValue(key, value)
  } catch (error) {
    if (error instanceof AgentMemoryError) return undefined
    throw error
  }
}

function comesBack(key: EncodedKey, value: Buffer, file: ValueFile): boolean {
  const read = decodeValueFile(file.ending, file.content, key)
  return read.isWhole && read.value.equals(value)
}

/** The JSON text of a value, indented unless that makes too much of it, if JSON says all of it. */
function jsonOf(codec: number, bytes: Buffer): string | undefined {
  if ((codec !== CODEC.messagePack && codec !== CODEC.json) || bytes.length > JSON_BYTES_MAX) return undefined
  try {
    const value = codec === CODEC.json ? decodeJson(bytes) : decodeValue(bytes, 0, bytes.length)
    const json = JSON.stringify(value)
    if (typeof json !== 'string' || !encodeBy(codec, JSON.parse(json)).equals(bytes)) return undefined
    const indented = bytes.length > INDENTED_BYTES_MAX ? json : JSON.stringify(value, undefined, 2)
    return indented.length > INDENTED_CHARS_MAX ? json : indented
  } catch {
    // A BigInt, half of a surrogate pair, bytes of no codec …: whatever it is, JSON does not say it.
    return undefined
  }
}

function encodeBy(codec: number, value: unknown): Buffer {
  if (codec === CODEC.json) return encodeJson(value, VALUE_BYTES_LIMIT)
  // A copy: the codec uses its buffer again.
  return Buffer.from(encodeValue(value, VALUE_BYTES_LIMIT))
}

function jsonFile(head: ValueHead, json: string): Buffer {
  const { value: _, holdfast, ...key } = fieldsOf(head, { value: JSON.parse(json) })
  const [[name, said]] = Object.entries(key) as [[string, unknown]]
  const indented = json.replaceAll('\n', '\n  ')
  const text = `{\n  "${name}": ${JSON.stringify(said)},\n  "value": ${indented},\n  "holdfast": ${JSON.stringify(holdfast)}\n}\n`
  return Buffer.from(text, 'utf8')
}

interface ReadParts {
  head: ValueHead
  /** What a stored value keeps of the value. */
  payload: Buffer
  isWhole: boolean
}

function readJson(content: Buffer): ReadParts {
  const said = objectIn(content)
  const head = parseHead(said)
  if (!('value' in said)) throw new Error('has no "value"')
  if (head.codec !== CODEC.messagePack && head.codec !== CODEC.json) throw new Error('says a codec that is not JSON’s')
  if (head.compression !== COMPRESSION.none) throw new Error('says a compression')
  const payload = encodeBy(head.codec, said.value)
  const text = wholeText(said)
  // `-0` and `1e400` are `0` and `null` in that text: a file that says them is another one than was written.
  const isWhole = text !== undefined && encodeBy(head.codec, (JSON.parse(text) as Fields).value).equals(payload)
  return { head, payload, isWhole }
}

function readBytes(ending: Exclude<Ending, 'json'>, content: Buffer): ReadParts {
  const { start, end, next } = partsOf(ending, content)
  const said = objectIn(content.subarray(start, end))
  const head = parseHead(said)
  const bytes = content.subarray(next)
  const isWhole = wholeText(said, bytes) !== undefined
  if (ending === 'bin') return { head, payload: bytes, isWhole }
  const payload = Buffer.allocUnsafe(RAW_BYTES + bytes.length)
  payload.writeUInt32LE(head.rawBytes, 0)
  bytes.copy(payload, RAW_BYTES)
  return { head, payload, isWhole }
}

/** Where the head stands in a file, and where its bytes start. */
function partsOf(ending: Exclude<Ending, 'json'>, content: Buffer): { start: number; end: number; next: number } {
  if (ending === 'zst') {
    if (!content.subarray(0, 4).equals(ZSTD_START) || content.length < ZSTD_START_BYTES) throw new Error('has no head')
    const end = ZSTD_START_BYTES + content.readUInt32LE(4)
    if (end > content.length) throw new Error('is cut short')
    return { start: ZSTD_START_BYTES, end, next: end }
  }
  const start = ending === 'gz' ? GZIP_START.length : 0
  const end = content.indexOf(ending === 'gz' ? 0 : NEWLINE, start)
  const next = end + (ending === 'gz' ? GZIP_END.length : 1)
  if (end === -1 || next > content.length) throw new Error('has no head')
  // These bytes are under no checksum of ours, and zcat reads them.
  const isWhole = content.subarray(0, start).equals(GZIP_START) && content.subarray(end, next).equals(GZIP_END)
  if (ending === 'gz' && !isWhole) throw new Error('has no head')
  return { start, end, next }
}

function objectIn(bytes: Buffer): Fields {
  let said: unknown
  try {
    said = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new Error(`is no JSON (${(error as Error).message})`)
  }
  if (typeof said === 'object' && said !== null && !Array.isArray(said)) return said as Fields
  throw new Error('holds no object')
}

function withLine(head: ValueHead, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(fieldsOf(head, { bytes }))}\n`, 'utf8'), bytes])
}

/** A comment of gzip is Latin-1, without NUL. */
function asciiHead(head: ValueHead, bytes: Buffer): Buffer {
  const escaped = JSON.stringify(fieldsOf(head, { bytes })).replace(
    /[^\x20-\x7e]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return Buffer.from(escaped, 'latin1')
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32LE(bytes.length, 0)
  return Buffer.concat([length, bytes])
}
