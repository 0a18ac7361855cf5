/** Reads of a list: its items are found under their positions, page by page. */
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { FoundValue } from '../engine/read.js'
import { checkObject, integer } from '../option-checks.js'
import type { ListBounds, Lists } from './lists.js'
import { checkPosition, type ReadRange } from './options.js'

export interface FoundItem {
  position: number
  found: FoundValue
}

const PAGE_SIZE = 256
const PAGE_SIZE_MAX = 65_536

/** The last items, oldest first: of the last `count` positions those that have not expired. */
export async function lastItems(lists: Lists, id: EncodedKey, count: number): Promise<FoundItem[]> {
  integer(count, 'n', 0, 0)
  const { first, next } = await lists.roughBounds(id)
  return itemsAt(lists, id, positionsFrom(Math.max(first, next - count), next, 1))
}

/** The items of a range that are there when the read begins, less those that go meanwhile. */
export async function* readItems(
  lists: Lists,
  id: EncodedKey,
  options: ReadRange,
): AsyncGenerator<FoundItem, void, void> {
  const { from, to, reverse, limit, pageSize } = parseRange(options)
  const { first, end, step } = within(await lists.bounds(id), from, to, reverse)
  let left = limit
  for (let at = first; left > 0 && (end - at) * step > 0; at += pageSize * step) {
    const pageEnd = reverse ? Math.max(end, at - pageSize) : Math.min(end, at + pageSize)
    for (const item of await itemsAt(lists, id, positionsFrom(at, pageEnd, step))) {
      yield item
      left -= 1
      if (left === 0) return
    }
  }
}

/** What a follower may see from a position on: items that are on stable storage. */
export async function syncedItems(
  lists: Lists,
  id: EncodedKey,
  position: number,
  durableLsn: () => Lsn,
): Promise<{ items: FoundItem[]; position: number; isEnd: boolean }> {
  const { first, next } = await lists.roughBounds(id)
  const start = Math.max(first, position)
  const end = Math.min(next, start + PAGE_SIZE)
  const items = await itemsAt(lists, id, positionsFrom(start, end, 1))
  // I28: items are synced in their order, and what a crash may take back is shown to nobody.
  const unsynced = items.findIndex(({ found }) => found.lsn > durableLsn())
  if (unsynced === -1) return { items, position: Math.max(start, end), isEnd: end >= next }
  return { items: items.slice(0, unsynced), position: items[unsynced]!.position, isEnd: true }
}

async function itemsAt(lists: Lists, id: EncodedKey, positions: readonly number[]): Promise<FoundItem[]> {
  const values = await lists.find(id, positions)
  return values.flatMap((found, index) => (found === undefined ? [] : [{ position: positions[index]!, found }]))
}

function positionsFrom(first: number, end: number, step: 1 | -1): number[] {
  return Array.from({ length: Math.max(0, (end - first) * step) }, (_, index) => first + index * step)
}

/** The first position to read, and the one before which to stop. */
function within(
  { first, next }: ListBounds,
  from: number | undefined,
  to: number | undefined,
  reverse: boolean,
): { first: number; end: number; step: 1 | -1 } {
  if (reverse) {
    const end = to === undefined ? first - 1 : Math.max(to, first - 1)
    return { first: from === undefined ? next - 1 : Math.min(from, next - 1), end, step: -1 }
  }
  const end = to === undefined ? next : Math.min(to, next)
  return { first: from === undefined ? first : Math.max(from, first), end, step: 1 }
}

function parseRange(options: ReadRange): Required<Omit<ReadRange, 'from' | 'to'>> & Pick<ReadRange, 'from' | 'to'> {
  checkObject(options, 'read', ['from', 'to', 'reverse', 'limit', 'pageSize'])
  const { from, to, reverse = false } = options
  if (from !== undefined) checkPosition(from, 'from')
  if (to !== undefined) checkPosition(to, 'to')
  const limit = integer(options.limit, 'limit', Number.MAX_SAFE_INTEGER, 0)
  return { from, to, reverse, limit, pageSize: integer(options.pageSize, 'pageSize', PAGE_SIZE, 1, PAGE_SIZE_MAX) }
}
