/**
 * What calls on a list write. Plans are made when it is a call's turn (`engine/turns.ts`), of what the list holds then.
 *
 * I26: a head goes forward in the very batch of the items that it counts, and never back: a position is given once.
 */
import { NEVER } from '../codec/extras.js'
import { type EncodedKey, encodeSegment } from '../core/key.js'
import { DELETED, type EncodedWrite } from '../engine/flush.js'
import type { FoundValue } from '../engine/read.js'
import type { Planned, View } from '../engine/turns.js'
import type { Write } from '../engine/write.js'
import { decode, encode } from '../values.js'
import { type Head, headText, parseHead, positionSegment, positionText } from './head.js'
import { type Home, leadOf, writeOf } from './home.js'
import type { ListConfig, TrimTarget } from './options.js'

/** What is appended, encoded. */
export interface NewItem {
  content: EncodedWrite
  /** An item with a name is appended once; `mayBeThere` says whether it has to be looked for. */
  name?: { text: string; mayBeThere: boolean }
}

/** Where an item of an append is, and whether it is there through this call. */
export interface Placed {
  position: number
  isNew: boolean
}

export interface ListKind {
  /**
   * Whether an emptied list keeps its head, so that its positions go on where they were. If not, nothing is left of it,
   * and a list begins at a position that no earlier one of its id can have reached: the LSN of its first write; or, where
   * LSNs do not order all writes, the end of the one before, which a small entry keeps.
   */
  isKept: boolean
  /** The name of an item. */
  nameOf?(found: FoundValue): string
}

/** What a step of a trim has removed: it is done, or goes on until the position that it has fixed. */
export interface Trimmed {
  until: number
  removed: number
  isDone: boolean
}

/** Items that one batch lets go of, beside those that it replaces. */
const TRIM_STEP = 256
// Appends look for expired items each time that so many positions have been given.
const LOOK_EVERY = 64

export class ListPlans {
  readonly #home: Home<ListConfig>
  readonly #kind: ListKind
  readonly #heads: EncodedKey
  readonly #items: EncodedKey
  readonly #names: EncodedKey
  readonly #ends: EncodedKey

  constructor(home: Home<ListConfig>, kind: ListKind) {
    this.#home = home
    this.#kind = kind
    this.#heads = leadOf(home, 'heads')
    this.#items = leadOf(home, 'items')
    this.#names = leadOf(home, 'names')
    this.#ends = leadOf(home, 'ends')
  }

  headKey(id: EncodedKey): EncodedKey {
    return this.#heads + id
  }

  itemKey(id: EncodedKey, position: number): EncodedKey {
    return this.#items + id + positionSegment(position)
  }

  nameKey(id: EncodedKey, name: string): EncodedKey {
    return this.#names + id + encodeSegment(name)
  }

  /** The head that was found; of a list that is not there, a new one. */
  headIn(found: FoundValue | undefined, end?: () => number): Head {
    if (found !== undefined) return parseHead(decode(found))
    // Each item takes an LSN of its own, so no list is ever ahead of the LSNs.
    const next = this.#hasEnds ? (end?.() ?? 0) : this.#kind.isKept ? 0 : this.#home.core.engine.lastLsn + 1
    return { first: next, next, expires: false }
  }

  /** The first position that `keepLast` lets a list show. */
  keptFrom({ next }: Pick<Head, 'next'>): number {
    return next - this.#home.core.config.keepLast
  }

  /** Items behind the last one, and what `keepLast` lets go of for them. */
  append(view: View, id: EncodedKey, items: readonly NewItem[]): Planned<readonly Placed[]> {
    const { found, lsn } = view.see(this.headKey(id))
    const head = this.headIn(found, () => this.#endOf(view, id))
    const { placed, seen } = this.#place(view, id, items, head.next)
    const fresh = placed.filter(({ isNew }) => isNew).length
    if (fresh === 0) return { writes: [], seen: items.length === 0 ? lsn : seen, value: placed }

    const next = head.next + fresh
    const from = this.#passExpired(view, id, head, fresh)
    const keptFrom = Math.max(from, this.keptFrom({ next }))
    // A list that was longer than this before (`keepLast` was lowered) gets there over some appends.
    const first = Math.min(keptFrom, from + fresh + TRIM_STEP)
    // A later item never expires before an earlier one of the same call.
    const { expiresAt } = items.at(-1)!.content
    const writes = this.#deletes(view, id, from, Math.min(first, head.next))
    for (const [index, { position, isNew }] of placed.entries()) {
      if (isNew && position >= keptFrom) this.#pushItem(writes, id, position, items[index]!)
    }
    const until = found === undefined ? expiresAt : later(found.expiresAt, expiresAt)
    writes.push(this.#writeHead(id, { first, next, expires: head.expires || expiresAt !== NEVER }, until))
    if (until !== NEVER) this.#pushEnd(writes, id, next)
    return { writes, seen: 0, value: placed }
  }

  /** A step towards letting go of the oldest. */
  trim(view: View, id: EncodedKey, target: TrimTarget | number): Planned<Trimmed> {
    const { found, lsn } = view.see(this.headKey(id))
    if (found === undefined) return { writes: [], seen: lsn, value: { until: 0, removed: 0, isDone: true } }
    const head = this.headIn(found)
    const until = Math.min(head.next, untilOf(target, head))
    const to = Math.max(head.first, Math.min(until, head.first + TRIM_STEP))
    const value = { until, removed: to - head.first, isDone: to >= until }
    if (to === head.first) return { writes: [], seen: lsn, value }
    const isGone = to === head.next && !this.#kind.isKept
    const headWrite = isGone
      ? writeOf(this.#home, this.headKey(id), DELETED)
      : this.#writeHead(id, { ...head, first: to }, found.expiresAt)
    const writes = [...this.#deletes(view, id, head.first, to), headWrite]
    if (isGone) this.#pushEnd(writes, id, head.next)
    return { writes, seen: 0, value }
  }

  /** Where each item is, or goes. `seen` is the LSN of the newest that is there already. */
  #place(view: View, id: EncodedKey, items: readonly NewItem[], next: number): { placed: Placed[]; seen: number } {
    const within = new Map<string, number>()
    let position = next
    let seen = 0
    const placed = items.map(({ name }): Placed => {
      if (name?.mayBeThere === true) {
        const twin = within.get(name.text)
        if (twin !== undefined) return { position: twin, isNew: false }
        const { found, lsn } = view.see(this.nameKey(id, name.text))
        seen = Math.max(seen, lsn)
        if (found !== undefined) return { position: Number(decode(found)), isNew: false }
        within.set(name.text, position)
      }
      return { position: position++, isNew: true }
    })
    return { placed, seen }
  }

  #writeHead(id: EncodedKey, head: Head, expiresAt: number): Write {
    const { valueBytesMax } = this.#home.core
    const content = encode(headText(head), valueBytesMax, this.#kind.isKept ? NEVER : expiresAt)
    return writeOf(this.#home, this.headKey(id), content)
  }

  get #hasEnds(): boolean {
    return !this.#kind.isKept && !this.#home.core.engine.hasOneOrder
  }

  /** Where the last list of this id ended. */
  #endOf(view: View, id: EncodedKey): number {
    const { found } = view.see(this.#ends + id)
    return found === undefined ? 0 : Number(decode(found))
  }

  /** Beside a head that goes, or may expire. */
  #pushEnd(writes: Write[], id: EncodedKey, next: number): void {
    if (!this.#hasEnds) return
    writes.push(writeOf(this.#home, this.#ends + id, encode(positionText(next), this.#home.core.valueBytesMax)))
  }

  #pushItem(writes: Write[], id: EncodedKey, position: number, { content, name }: NewItem): void {
    writes.push(writeOf(this.#home, this.itemKey(id, position), content))
    if (name === undefined) return
    const place = encode(positionText(position), this.#home.core.valueBytesMax, content.expiresAt)
    writes.push(writeOf(this.#home, this.nameKey(id, name.text), place))
  }

  #deletes(view: View, id: EncodedKey, from: number, to: number): Write[] {
    const deletes: Write[] = []
    for (let position = from; position < to; position++) {
      const key = this.itemKey(id, position)
      deletes.push(writeOf(this.#home, key, DELETED))
      const item = this.#kind.nameOf && view.see(key).found
      if (item !== undefined) deletes.push(writeOf(this.#home, this.nameKey(id, this.#kind.nameOf!(item)), DELETED))
    }
    return deletes
  }

  /**
   * Where a list begins of which the oldest items may have expired. An append looks once in a while, and further than
   * appends go meanwhile: so the head keeps up, at little cost.
   */
  #passExpired(view: View, id: EncodedKey, { first, next, expires }: Head, fresh: number): number {
    const isTime = Math.floor(next / LOOK_EVERY) !== Math.floor((next + fresh) / LOOK_EVERY)
    if (!expires || !isTime) return first
    const isThere = (position: number) => view.see(this.itemKey(id, position)).found !== undefined
    if (isThere(first) || !view.isComplete) return first
    const end = Math.min(next, first + fresh + 2 * LOOK_EVERY)
    // All are looked at, so that all that is missing is read at once.
    const there = Array.from({ length: end - first }, (_, index) => isThere(first + index))
    return there.includes(true) ? first + there.indexOf(true) : end
  }
}

function untilOf(target: TrimTarget | number, { next }: Head): number {
  if (typeof target === 'number') return target
  return 'before' in target ? target.before : next - target.keepLast
}

/** The later of two expiries, of which one may be never. */
function later(a: number, b: number): number {
  return a === NEVER || b === NEVER ? NEVER : Math.max(a, b)
}
