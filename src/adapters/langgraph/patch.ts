/** What changes from one tree to the next, so that what stays costs nothing: by keys of objects, by the ends of arrays. */
import {
  areSame,
  haveSameKeys,
  isMarker,
  isObject,
  ownProperty,
  setProperty,
  type Tree,
  type TreeObject,
} from './tree.js'

/** The numbers are on disk: never change or reuse one. */
const REPLACE = 0
const KEYS = 1
const SPLICE = 2

export type Patch =
  | readonly [typeof REPLACE, Tree]
  /** Patches by key, and keys that go. New keys are behind the old ones. */
  | readonly [tag: typeof KEYS, changed: Record<string, Patch>, removed?: readonly string[]]
  /** How many items stay at the start, how many at the end, and what is between them. */
  | readonly [typeof SPLICE, number, number, readonly Tree[]]

/**
 * What makes `after` of `before`; `undefined` if they say the same. For as many levels as `unordered` says, the order of
 * the keys of objects means nothing.
 */
export function diff(before: Tree, after: Tree, unordered = 0): Patch | undefined {
  if (Object.is(before, after)) return undefined
  if (Array.isArray(before) && Array.isArray(after)) return diffArrays(before, after)
  const areBoth = isObject(before) && isObject(after) && !isMarker(before) && !isMarker(after)
  if (areBoth) return diffObjects(before, after, unordered)
  return areSame(before, after) ? undefined : [REPLACE, after]
}

export function apply(before: Tree, patch: Patch | undefined): Tree {
  if (patch === undefined) return before
  if (patch[0] === REPLACE) return patch[1]
  if (patch[0] === SPLICE) {
    const [, start, end, items] = patch
    const array = before as Tree[]
    return [...array.slice(0, start), ...items, ...array.slice(array.length - end)]
  }
  const [, changed, removed = []] = patch
  const after: TreeObject = {}
  for (const key of Object.keys(before as TreeObject)) {
    if (!removed.includes(key)) setProperty(after, key, ownProperty(before as TreeObject, key))
  }
  for (const key of Object.keys(changed)) {
    setProperty(after, key, apply(ownProperty(after, key), ownProperty(changed, key) as Patch))
  }
  return after
}

/** The parts of a patch that are trees, each replaced by what the function makes of it. */
export function mapTrees(patch: Patch, made: (tree: Tree) => Tree): Patch {
  if (patch[0] === REPLACE) return [REPLACE, made(patch[1])]
  if (patch[0] === SPLICE) return [SPLICE, patch[1], patch[2], patch[3].map(made)]
  const changed: Record<string, Patch> = {}
  for (const key of Object.keys(patch[1]))
    setProperty(changed, key, mapTrees(ownProperty(patch[1], key) as Patch, made))
  return patch[2] === undefined ? [KEYS, changed] : [KEYS, changed, patch[2]]
}

function diffObjects(before: TreeObject, after: TreeObject, unordered: number): Patch | undefined {
  const keysBefore = Object.keys(before)
  const keysAfter = Object.keys(after)
  const removed = keysBefore.filter(key => !Object.hasOwn(after, key))
  if (unordered === 0) {
    const staying = removed.length === 0 ? keysBefore : keysBefore.filter(key => Object.hasOwn(after, key))
    const added = keysAfter.filter(key => !Object.hasOwn(before, key))
    if (!haveSameKeys([...staying, ...added], keysAfter)) return [REPLACE, after]
  }
  const changed: Record<string, Patch> = {}
  let count = 0
  for (const key of keysAfter) {
    const value = ownProperty(after, key)
    const isNew = !Object.hasOwn(before, key)
    const patch = isNew
      ? ([REPLACE, value] as const)
      : diff(ownProperty(before, key), value, Math.max(0, unordered - 1))
    if (patch === undefined) continue
    setProperty(changed, key, patch)
    count += 1
  }
  if (removed.length > 0) return [KEYS, changed, removed]
  return count === 0 ? undefined : [KEYS, changed]
}

function diffArrays(before: readonly Tree[], after: readonly Tree[]): Patch | undefined {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && areSame(before[start], after[start])) start += 1
  if (start === before.length && start === after.length) return undefined
  let end = 0
  while (end < shorter - start && areSame(before[before.length - 1 - end], after[after.length - 1 - end])) end += 1
  return [SPLICE, start, end, after.slice(start, after.length - end)]
}
