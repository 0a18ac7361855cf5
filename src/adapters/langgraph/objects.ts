/**
 * The objects of one thread: its long texts, its bytes and the larger items of its lists, each kept once and referred to by
 * number. A framework gives the same message to an input, a write and a channel, and every list of messages again with each
 * state: all of these share one object.
 *
 * What is known of them is what this process has written or read. An object that is not known is written once more, which
 * costs space and nothing else.
 */
import { createHash } from 'node:crypto'
import {
  areSame,
  bytesOfTree,
  isMarker,
  isObject,
  type Marker,
  ownProperty,
  refOf,
  setProperty,
  type Tree,
  type TreeObject,
} from './tree.js'

/** Texts and bytes from this length on are objects. */
const CONTENT_BYTES_MIN = 256
/** Items of lists from this size on are objects. */
const ITEM_BYTES_MIN = 48

export class Objects {
  /** The number of the next new one. */
  next: number
  /** About what is held here, in bytes. */
  heldBytes = 0
  readonly #contents = new Map<number, Tree>()
  readonly #markers = new Map<number, Marker>()
  // By the text itself: the engine knows the hash of a string, and compares equal ones by their address.
  readonly #texts = new Map<string, number>()
  readonly #others = new Map<string, number>()
  #fresh: [number: number, content: Tree][] = []

  constructor(next: number) {
    this.next = next
  }

  /** Those that are new since the last call. */
  takeFresh(): [number: number, content: Tree][] {
    const fresh = this.#fresh
    this.#fresh = []
    return fresh
  }

  contentOf(number: number): Tree | undefined {
    return this.#contents.get(number)
  }

  has(number: number): boolean {
    return this.#contents.has(number)
  }

  /** Notes an object that was read. */
  add(number: number, stored: Tree): void {
    if (this.#contents.has(number)) return
    const content = this.canonical(stored)
    this.#hold(number, content)
    if (typeof content === 'string') this.#texts.set(content, number)
    else this.#others.set(fingerprint(content), number)
  }

  /** The same tree, in which equal references are one object, so that to compare them costs nothing. */
  canonical(tree: Tree): Tree {
    if (Array.isArray(tree)) return tree.map(each => this.canonical(each))
    if (!isObject(tree)) return tree
    const ref = refOf(tree)
    if (ref !== undefined) return this.#marker(ref)
    const made: TreeObject = {}
    for (const key of Object.keys(tree)) setProperty(made, key, this.canonical(ownProperty(tree, key)))
    return made
  }

  /** A tree with references to objects. It is `before` itself if it says the same, and shares with it what stays. */
  intern(tree: Tree, before: Tree): Tree {
    if (typeof tree === 'string') return tree.length < CONTENT_BYTES_MIN ? tree : this.#text(tree)
    if (typeof tree !== 'object' || tree === null) return tree
    if (Array.isArray(tree)) return this.#array(tree, before)
    if (!isObject(tree)) {
      const isLong = (ArrayBuffer.isView(tree) || tree instanceof ArrayBuffer) && tree.byteLength >= CONTENT_BYTES_MIN
      if (isLong) return this.#other(tree)
      return areSame(tree, before) ? before : tree
    }
    if (isMarker(tree)) return this.#internMarker(tree, before)
    const earlier = isObject(before) && !isMarker(before) ? before : undefined
    return this.#object(tree, earlier)
  }

  #object(tree: TreeObject, before: TreeObject | undefined): TreeObject {
    const keys = Object.keys(tree)
    const keysBefore = before && Object.keys(before)
    let isSame = keysBefore !== undefined && keys.length === keysBefore.length
    const made: TreeObject = {}
    for (const [at, key] of keys.entries()) {
      const earlier = before && ownProperty(before, key)
      const part = this.intern(ownProperty(tree, key), earlier)
      isSame &&= keysBefore![at] === key && Object.is(part, earlier)
      setProperty(made, key, part)
    }
    return isSame ? before! : made
  }

  #internMarker(tree: Marker, before: Tree): Tree {
    const marked = tree.$
    if (typeof marked === 'number') return this.#marker(marked)
    const earlier = isMarker(before) && Array.isArray(before.$) ? (before.$ as readonly Tree[]) : undefined
    // Fields are no items: what is in them is one with its object.
    const hasItems = marked[0] === 'm' || marked[0] === 's'
    const parts = this.#each(marked, earlier, (part, at) => {
      if (hasItems || !Array.isArray(part)) return this.intern(part, at)
      return this.#each(part, Array.isArray(at) ? at : undefined, (field, was) => this.intern(field, was))
    })
    return Object.is(parts, earlier) ? before : { $: parts }
  }

  /** What is made of each part; `before` itself if it is made of the same. */
  #each(
    parts: readonly Tree[],
    before: readonly Tree[] | undefined,
    make: (part: Tree, before: Tree) => Tree,
  ): readonly Tree[] {
    let isSame = before?.length === parts.length
    const made = parts.map((part, at) => {
      const one = make(part, before?.[at])
      isSame &&= Object.is(one, before![at])
      return one
    })
    return isSame ? before! : made
  }

  #array(tree: readonly Tree[], before: Tree): Tree {
    const earlier = Array.isArray(before) ? (before as readonly Tree[]) : undefined
    return this.#each(tree, earlier, (item, at) => this.#item(item, at))
  }

  #item(item: Tree, before: Tree): Tree {
    const ref = refOf(before)
    const content = ref === undefined ? before : this.#contents.get(ref)
    const part = this.intern(item, content)
    if (typeof part !== 'object' || part === null) return part
    if (Object.is(part, content)) return before
    if (refOf(part) !== undefined || bytesOfTree(part) < ITEM_BYTES_MIN) return part
    return this.#other(part)
  }

  #text(text: string): Marker {
    const known = this.#texts.get(text)
    if (known !== undefined) return this.#marker(known)
    const number = this.#make(text)
    this.#texts.set(text, number)
    return this.#marker(number)
  }

  #other(content: Tree): Marker {
    const print = fingerprint(content)
    const known = this.#others.get(print)
    if (known !== undefined) return this.#marker(known)
    const number = this.#make(content)
    this.#others.set(print, number)
    return this.#marker(number)
  }

  #make(content: Tree): number {
    const number = this.next
    this.next += 1
    this.#fresh.push([number, content])
    this.#hold(number, content)
    return number
  }

  #hold(number: number, content: Tree): void {
    this.#contents.set(number, content)
    this.heldBytes += 2 * bytesOfTree(content) + 200
  }

  #marker(number: number): Marker {
    const known = this.#markers.get(number)
    if (known !== undefined) return known
    const marker = { $: number }
    this.#markers.set(number, marker)
    return marker
  }
}

/** A text that two trees have in common if they say the same, and else never. */
function fingerprint(tree: Tree): string {
  if (typeof tree === 'string') return `s${tree.length}:${tree}`
  if (typeof tree !== 'object' || tree === null)
    return `${(typeof tree)[0]}${Object.is(tree, -0) ? '-0' : String(tree)};`
  if (Array.isArray(tree)) return `[${tree.map(fingerprint).join('')}]`
  if (isObject(tree))
    return `{${Object.keys(tree)
      .map(key => `${key.length}:${key}${fingerprint(ownProperty(tree, key))}`)
      .join('')}}`
  if (tree instanceof Date) return `D${tree.getTime()};`
  if (tree instanceof RegExp) return `R${fingerprint(tree.source)}${tree.flags},${tree.lastIndex};`
  const bytes = ArrayBuffer.isView(tree)
    ? new Uint8Array(tree.buffer, tree.byteOffset, tree.byteLength)
    : new Uint8Array(tree as ArrayBuffer)
  return `${Object.prototype.toString.call(tree)}${Buffer.isBuffer(tree) ? 'B' : ''}${createHash('sha256').update(bytes).digest('base64')};`
}
