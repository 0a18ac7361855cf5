/**
 * Strings of ASCII, which by themselves are values that many programs keep. Their MessagePack is the string behind a
 * head that says its length, and a binary string of it is that string: so neither way needs the packer.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: every char of ASCII is meant.
const NOT_ASCII = /[^\x00-\x7f]/

const FIX_STR = 0xa0
const STR_8 = 0xd9
const STR_16 = 0xda
const STR_32 = 0xdb
const FIX_STR_LENGTH_MAX = 31

/** The MessagePack of a string as a binary string; `undefined` if it is not all ASCII. */
export function encodeText(text: string): string | undefined {
  return NOT_ASCII.test(text) ? undefined : headOf(text.length) + text
}

/** The string that a MessagePack holds; `undefined` if it is anything else, or not all ASCII. */
export function decodeText(bytes: string): string | undefined {
  const head = headBytes(bytes.charCodeAt(0))
  if (head === 0) return undefined
  const text = bytes.slice(head)
  // The length is checked with it: a head that says another is damage, which is for the packer to tell.
  return NOT_ASCII.test(text) || !bytes.startsWith(headOf(text.length)) ? undefined : text
}

function headOf(length: number): string {
  if (length <= FIX_STR_LENGTH_MAX) return String.fromCharCode(FIX_STR + length)
  if (length <= 0xff) return String.fromCharCode(STR_8, length)
  if (length <= 0xffff) return String.fromCharCode(STR_16, length >> 8, length & 0xff)
  return String.fromCharCode(STR_32, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff)
}

/** Bytes of the head that starts with this byte; 0 if it is no string's. */
function headBytes(first: number): number {
  if (first >= FIX_STR && first <= FIX_STR + FIX_STR_LENGTH_MAX) return 1
  if (first === STR_8) return 2
  if (first === STR_16) return 3
  return first === STR_32 ? 5 : 0
}
