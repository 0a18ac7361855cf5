/**
 * Keys of a Level database are bytes in byte order, those of a map are text in the order of its UTF-8. Each byte becomes
 * the code point of its value, U+0000 to U+00FF: UTF-8 keeps the order of code points, so the order of the bytes is kept.
 */

export function textOf(bytes: Buffer): string {
  return bytes.latin1Slice()
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
