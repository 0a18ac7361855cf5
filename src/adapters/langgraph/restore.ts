/** From trees back to values: fresh ones each time, which the caller may change. */
import { AgentMemoryError } from '../../index.js'
import { instanceOf } from './classes.js'
import { isMarker, isObject, ownProperty, setProperty, type Tree } from './tree.js'

/** What the trees of one thread refer to. */
export type ObjectOf = (number: number) => Tree

/** But for what a serializer has made: the caller undoes that. @throws ClassNotLoaded */
export function restore(tree: Tree, objectOf: ObjectOf): unknown {
  const inner = (each: Tree): unknown => {
    if (typeof each !== 'object' || each === null) return each
    if (Array.isArray(each)) return each.map(inner)
    if (!isObject(each)) return leafCopy(each)
    if (isMarker(each)) return restoreMarker(each.$)
    const object = {}
    for (const key of Object.keys(each)) setProperty(object, key, inner(ownProperty(each, key)))
    return object
  }
  const fields = (pairs: Tree, to: object): object => {
    const parts = (pairs as Tree[]).map(inner)
    for (let at = 0; at < parts.length; at += 2) setProperty(to, parts[at] as string, parts[at + 1])
    return to
  }
  const restoreMarker = (marked: unknown): unknown => {
    if (typeof marked === 'number') return inner(objectOf(marked))
    const [kind, first, second] = marked as readonly [string, Tree, Tree]
    switch (kind) {
      case 'o':
        return fields(first, {})
      case 'n':
        return fields(first, Object.create(null) as object)
      case 'm': {
        const parts = (first as Tree[]).map(inner)
        const map = new Map<unknown, unknown>()
        for (let at = 0; at < parts.length; at += 2) map.set(parts[at], parts[at + 1])
        return map
      }
      case 's':
        return new Set((first as Tree[]).map(inner))
      case 'i':
        return instanceOf(first as string, fields(second, {}) as Record<string, unknown>)
      default:
        throw new AgentMemoryError('FORMAT_TOO_NEW', {
          message: `A saved state has a part of the kind ${JSON.stringify(kind)}, which this version does not know`,
          next: 'Read it with the newer version of Holdfast that wrote it',
        })
    }
  }
  return inner(tree)
}

function leafCopy(leaf: object): unknown {
  if (leaf instanceof Date) return new Date(leaf.getTime())
  if (leaf instanceof RegExp) {
    const copy = new RegExp(leaf)
    copy.lastIndex = leaf.lastIndex
    return copy
  }
  if (Buffer.isBuffer(leaf)) return Buffer.from(leaf)
  return structuredClone(leaf)
}
