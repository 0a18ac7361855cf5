/**
 * Trees: values as they are stored. A tree is made of what a map keeps, and of markers: objects whose one key is `$`.
 * No value of the caller looks like one, since an object that has such a key is itself written as a marker.
 *
 * Trees are never changed once they are made: they share parts with one another.
 */
import { isDeepStrictEqual } from 'node:util'

export type Tree = unknown
export type TreeObject = Record<string, Tree>

/** What a marker says. The letters are on disk: never change or reuse one. */
export type Marked =
  /** An object of its own, by number. */
  | number
  /** A plain object that has the key `$`: key, value, key, value … */
  | readonly ['o', readonly Tree[]]
  /** An object without a prototype, in the same way. */
  | readonly ['n', readonly Tree[]]
  /** Key, value, key, value … */
  | readonly ['m', readonly Tree[]]
  | readonly ['s', readonly Tree[]]
  /** An instance of a class that is known by name, and its fields, in the same way. */
  | readonly ['i', string, readonly Tree[]]
  /** What a serializer has made: type and bytes. */
  | readonly ['z', string, Tree]

export interface Marker {
  readonly $: Marked
}

export function isMarker(tree: Tree): tree is Marker {
  return isObject(tree) && Object.hasOwn(tree, '$')
}

/** The number of the object that a tree stands for; `undefined` if it is none. */
export function refOf(tree: Tree): number | undefined {
  return isMarker(tree) && typeof tree.$ === 'number' ? tree.$ : undefined
}

/** Neither an array nor a leaf such as a date or bytes. */
export function isObject(tree: Tree): tree is TreeObject {
  return typeof tree === 'object' && tree !== null && Object.getPrototypeOf(tree) === Object.prototype
}

/** Makes a property, also one that is called `__proto__`. */
export function setProperty(object: object, key: string, value: unknown): void {
  if (key !== '__proto__') (object as Record<string, unknown>)[key] = value
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}

/** A property of its own, and nothing that a prototype has. */
export function ownProperty(object: object, key: string): unknown {
  return Object.hasOwn(object, key) ? (object as Record<string, unknown>)[key] : undefined
}

/** Whether two trees say the same. What they share costs nothing. */
export function areSame(a: Tree, b: Tree): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((each, at) => areSame(each, b[at]))
  if (!isObject(a) || !isObject(b)) return isDeepStrictEqual(a, b)
  const keys = Object.keys(a)
  // In the same order: it is part of what the caller has given.
  return haveSameKeys(keys, Object.keys(b)) && keys.every(key => areSame(a[key], b[key]))
}

export function haveSameKeys(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, at) => key === b[at])
}

/** About how many bytes a tree takes. */
export function bytesOfTree(tree: Tree): number {
  if (typeof tree === 'string') return tree.length + 2
  if (typeof tree !== 'object' || tree === null) return 3
  if (ArrayBuffer.isView(tree) || tree instanceof ArrayBuffer) return tree.byteLength + 10
  if (Array.isArray(tree)) return tree.reduce<number>((sum, each) => sum + bytesOfTree(each), 2)
  if (!isObject(tree)) return 12
  let sum = 2
  for (const key of Object.keys(tree)) sum += key.length + 1 + bytesOfTree(tree[key])
  return sum
}

/** Calls back with the number of each object that a tree refers to. */
export function eachRef(tree: Tree, found: (number: number) => void): void {
  if (Array.isArray(tree)) {
    for (const each of tree) eachRef(each, found)
    return
  }
  if (!isObject(tree)) return
  const ref = refOf(tree)
  if (ref !== undefined) found(ref)
  else for (const key of Object.keys(tree)) eachRef(tree[key], found)
}
