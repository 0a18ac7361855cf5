/** Lists as the model keeps them: a text that says all of what is in one. */

/** Label and digest of an item. Of a sequence the label is the position, of a conversation the id that the caller gave. */
export type ListItem = readonly [label: string, digest: string]

export interface ListModel {
  /** Of a sequence: the position to come. */
  next: number
  items: readonly ListItem[]
}

/** An id that the caller has not given. */
export const OWN_ID = '-'

export function parseList(text: string | undefined): ListModel {
  return text === undefined ? { next: 0, items: [] } : (JSON.parse(text) as ListModel)
}

export function listText({ next, items }: ListModel): string {
  return JSON.stringify({ next, items })
}

/** A sequence behind an append. */
export function appended({ next, items }: ListModel, digests: readonly string[], keepLast: number): ListModel {
  const all = [...items, ...digests.map((digest, index): ListItem => [String(next + index), digest])]
  return { next: next + digests.length, items: all.slice(-keepLast) }
}

/** Of messages those that a conversation has not got yet. */
export function freshOf({ items }: ListModel, messages: readonly ListItem[]): ListItem[] {
  const there = new Set(items.map(([id]) => id))
  return messages.filter(([id]) => {
    const isFresh = id === OWN_ID || !there.has(id)
    there.add(id)
    return isFresh
  })
}

/** The last so many. */
export function trimmed({ next, items }: ListModel, keepLast: number): ListModel {
  return { next, items: keepLast === 0 ? [] : items.slice(-keepLast) }
}
