/**
 * The names of files: a key as a name that means the same on every file system, and back. docs/formats/files-store.md.
 *
 * Always true: two keys never share a name, also where case or the form of Unicode does not count; and a name has no
 * dot, slash or NUL, so that it stays in its folder whatever the key is.
 */
import { createHash } from 'node:crypto'
import { decodeSegments, type EncodedKey, encodeSegments } from '../../core/key.js'

/** What is longer is cut, so that the name fits 255 bytes with its ending and that of a temporary file. */
const NAME_CHARS_MAX = 160
const HASH_HEX_DIGITS = 40
const HASHED = new RegExp(`\\+[0-9a-f]{${HASH_HEX_DIGITS}}$`)

const LITERAL = /^[a-z0-9_-]$/
const TOKEN = /%([0-9a-f]{2})|\^([a-z])|([a-z0-9_-])/y
/** Windows takes these for devices, with any ending. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/

/** What stands for each byte. */
const BYTES = Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte)
  if (LITERAL.test(char)) return char
  return /[A-Z]/.test(char) ? `^${char.toLowerCase()}` : `%${byte.toString(16).padStart(2, '0')}`
})

/** A key's SHA-256. Its first byte says the folder. */
export function keyHash(key: EncodedKey): Buffer {
  return createHash('sha256').update(Buffer.from(key, 'latin1')).digest()
}

/** The folder that a key's file is in: two hex digits. */
export function folderOf(key: EncodedKey): string {
  return keyHash(key).toString('hex', 0, 1)
}

/** The name of a key's file, without its ending. */
export function nameOf(key: EncodedKey): string {
  const name = nameOfSegments(key) ?? `=${Buffer.from(key, 'latin1').toString('hex')}`
  if (name.length <= NAME_CHARS_MAX) return name
  return `${name.slice(0, NAME_CHARS_MAX)}+${keyHash(key).toString('hex').slice(0, HASH_HEX_DIGITS)}`
}

/** The key that a name is of; `hashed` if only the file says it; `undefined` if the name is none of ours. */
export function keyOfName(name: string): EncodedKey | 'hashed' | undefined {
  if (HASHED.test(name)) return 'hashed'
  const key = name.startsWith('=') ? Buffer.from(name.slice(1), 'hex').toString('latin1') : keyOfSegments(name)
  // Only one name of a key is the right one: another that reads the same would be a second file of it.
  return key !== undefined && key !== '' && nameOf(key) === name ? key : undefined
}

/** The segments of a key; `undefined` if it is no run of segments. */
export function segmentsOf(key: EncodedKey): string[] | undefined {
  const segments = decodeSegments(key)
  return segments.length > 0 && encodeSegments(segments) === key ? segments : undefined
}

function nameOfSegments(key: EncodedKey): string | undefined {
  const segments = segmentsOf(key)
  if (segments === undefined) return undefined
  const name = segments.map(nameOfSegment).join(',')
  return DEVICE.test(name) ? `%${name.charCodeAt(0).toString(16)}${name.slice(1)}` : name
}

function nameOfSegment(segment: string): string {
  if (segment === '') return '~'
  let name = ''
  for (const byte of Buffer.from(segment, 'utf8')) name += BYTES[byte]
  return name
}

function keyOfSegments(name: string): EncodedKey | undefined {
  const segments: string[] = []
  for (const part of name.split(',')) {
    const bytes = part === '~' ? [] : bytesOf(part)
    if (bytes === undefined) return undefined
    segments.push(Buffer.from(bytes).toString('utf8'))
  }
  return encodeSegments(segments)
}

function bytesOf(part: string): number[] | undefined {
  const bytes: number[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < part.length) {
    const [, hex, upper, literal] = TOKEN.exec(part) ?? []
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16))
    else if (upper !== undefined) bytes.push(upper.toUpperCase().charCodeAt(0))
    else if (literal !== undefined) bytes.push(literal.charCodeAt(0))
    else return undefined
  }
  return bytes
}
