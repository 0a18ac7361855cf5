/**
 * Keys of items: the labels of the namespace, an empty segment, the item's key. Labels are never empty, so that the empty
 * segment ends the namespace: a prefix of labels is whole labels, and the items of one namespace lie together, before those
 * of the namespaces below it.
 */
import { WrongCallError } from '../../index.js'

export type ItemKey = readonly string[]

export function keyOf(namespace: readonly string[], key: unknown): ItemKey {
  if (typeof key === 'string') return [...namespace, '', key]
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `The key of an item is a ${typeof key}`,
    next: 'Give a string',
  })
}

export function partsOfKey(itemKey: ItemKey): { namespace: string[]; key: string } {
  return { namespace: itemKey.slice(0, -2), key: itemKey[itemKey.length - 1]! }
}

/** The key as one string. No label has a NUL, so the first two of them in a row end the namespace. */
export function idOf(itemKey: ItemKey): string {
  return itemKey.join('\0')
}

export function keyOfId(id: string): ItemKey {
  const end = id.indexOf('\0\0')
  return [...id.slice(0, end).split('\0'), '', id.slice(end + 2)]
}

/** What the ids of all items at and below a namespace start with. */
export function idPrefixOf(namespace: readonly string[]): string {
  return namespace.map(label => `${label}\0`).join('')
}

/** A key behind all items of a namespace, and not behind those of the namespaces below it: no label is less. */
export function behindItems(namespace: readonly string[]): ItemKey {
  return [...namespace, '\x01']
}

/** A key behind a namespace and all that is below it, and not behind the next one. */
export function behindAll(namespace: readonly string[]): ItemKey {
  return [...namespace.slice(0, -1), `${namespace[namespace.length - 1]!}\x01`]
}
