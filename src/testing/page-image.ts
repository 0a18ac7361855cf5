/**
 * The content of a simulated file: 4 KiB pages that are shared between copies until one of them is written.
 *
 * Always true: a page object never changes once it is made; a page of zeros is absent, so that files of zeros cost
 * nothing and equal contents have equal pages; bytes beyond the size are zeros.
 */
import { hash } from 'node:crypto'

export const PAGE_BYTES = 4096
export const SECTOR_BYTES = 512

const ZEROS = Buffer.alloc(16 * PAGE_BYTES)

/** One page that is not all zeros, with its hash once somebody asked for it. */
class Page {
  readonly bytes: Buffer
  #hash: readonly [number, number] | undefined

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get hash(): readonly [number, number] {
    if (this.#hash === undefined) {
      const digest = hash('sha1', this.bytes, 'buffer')
      this.#hash = [digest.readUInt32LE(0), digest.readUInt32LE(4)]
    }
    return this.#hash
  }
}

/** The bytes of one write, copied. Zeros are not kept, and pages that it covers are made once for all copies. */
export class Chunk {
  readonly position: number
  readonly length: number
  readonly #bytes: Buffer | undefined
  readonly #pages = new Map<number, Page | undefined>()

  constructor(bytes: Buffer, position: number) {
    this.position = position
    this.length = bytes.length
    this.#bytes = isZeros(bytes) ? undefined : Buffer.from(bytes)
  }

  get end(): number {
    return this.position + this.length
  }

  get isZeros(): boolean {
    return this.#bytes === undefined
  }

  /** Copies the part from `start` to `end`, which are places in the file, to `offset` in a page. */
  copyTo(page: Buffer, offset: number, start: number, end: number): void {
    if (this.#bytes === undefined) page.fill(0, offset, offset + end - start)
    else this.#bytes.copy(page, offset, start - this.position, end - this.position)
  }

  /** The page number `index` of the file, which the chunk covers; `undefined` if it is zeros. */
  page(index: number): Page | undefined {
    if (this.#bytes === undefined) return undefined
    if (!this.#pages.has(index)) {
      const start = index * PAGE_BYTES - this.position
      this.#pages.set(index, pageOf(this.#bytes.subarray(start, start + PAGE_BYTES)))
    }
    return this.#pages.get(index)
  }
}

export class PageImage {
  #size = 0
  #pages = new Map<number, Page>()
  /** The map of pages belongs to another image as well: it is copied before it is changed. */
  #isShared = false
  #fingerprint: string | undefined

  get size(): number {
    return this.#size
  }

  /** A copy, made in no time. */
  share(): PageImage {
    const copy = new PageImage()
    copy.#size = this.#size
    copy.#pages = this.#pages
    copy.#fingerprint = this.#fingerprint
    copy.#isShared = this.#isShared = true
    return copy
  }

  /** Fills the buffer from `position` on; returns how many bytes there were. */
  read(buffer: Buffer, position: number): number {
    const end = Math.min(position + buffer.length, this.#size)
    for (let at = position; at < end; ) {
      const index = Math.floor(at / PAGE_BYTES)
      const stop = Math.min(end, (index + 1) * PAGE_BYTES)
      const page = this.#pages.get(index)
      if (page === undefined) buffer.fill(0, at - position, stop - position)
      else page.bytes.copy(buffer, at - position, at - index * PAGE_BYTES, stop - index * PAGE_BYTES)
      at = stop
    }
    return Math.max(0, end - position)
  }

  /** Writes a chunk, or the part of it from `start` to `end`, which are places in the file. */
  write(chunk: Chunk, start = chunk.position, end = chunk.end): void {
    if (start >= end) return
    this.#change()
    this.#size = Math.max(this.#size, end)
    for (const index of this.#pagesWithin(start, end, chunk)) {
      const pageStart = index * PAGE_BYTES
      const from = Math.max(start, pageStart)
      const to = Math.min(end, pageStart + PAGE_BYTES)
      if (to - from === PAGE_BYTES) {
        this.#put(index, chunk.page(index))
        continue
      }
      const bytes = this.#copyOf(index)
      chunk.copyTo(bytes, from - pageStart, from, to)
      this.#put(index, pageOf(bytes))
    }
  }

  /** Makes the file longer, with zeros, if it is shorter. */
  grow(size: number): void {
    if (size > this.#size) this.truncate(size)
  }

  truncate(size: number): void {
    this.#change()
    if (size < this.#size) {
      const last = Math.floor(size / PAGE_BYTES)
      for (const index of [...this.#pages.keys()]) if (index > last) this.#pages.delete(index)
      if (this.#pages.has(last)) this.#put(last, pageOf(this.#copyOf(last).fill(0, size - last * PAGE_BYTES)))
    }
    this.#size = size
  }

  /** The same for equal contents, different for different ones but for one chance in 2^64. */
  fingerprint(): string {
    if (this.#fingerprint === undefined) {
      // A sum does not depend on the order of the map.
      let low = 0
      let high = 0
      for (const [index, { hash }] of this.#pages) {
        low = (low + mix(hash[0], index)) >>> 0
        high = (high + mix(hash[1], index)) >>> 0
      }
      this.#fingerprint = `${this.#size}.${low.toString(36)}.${high.toString(36)}`
    }
    return this.#fingerprint
  }

  #change(): void {
    this.#fingerprint = undefined
    if (!this.#isShared) return
    this.#pages = new Map(this.#pages)
    this.#isShared = false
  }

  /** The pages that a write may change. Zeros change no absent page, so a large write of them looks at few. */
  #pagesWithin(start: number, end: number, chunk: Chunk): number[] {
    const first = Math.floor(start / PAGE_BYTES)
    const last = Math.floor((end - 1) / PAGE_BYTES)
    if (chunk.isZeros) return [...this.#pages.keys()].filter(index => index >= first && index <= last)
    return Array.from({ length: last - first + 1 }, (_, n) => first + n)
  }

  #copyOf(index: number): Buffer {
    const page = this.#pages.get(index)
    return page === undefined ? Buffer.alloc(PAGE_BYTES) : Buffer.from(page.bytes)
  }

  #put(index: number, page: Page | undefined): void {
    if (page === undefined) this.#pages.delete(index)
    else this.#pages.set(index, page)
  }
}

function pageOf(bytes: Buffer): Page | undefined {
  return isZeros(bytes) ? undefined : new Page(bytes)
}

function isZeros(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length)
    if (!part.equals(ZEROS.subarray(0, part.length))) return false
  }
  return true
}

function mix(value: number, index: number): number {
  let x = Math.imul(value ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}
