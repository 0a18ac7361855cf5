/** What is to go wrong on a simulated disk, and at which of its calls. */

export type CallKind =
  | 'close'
  | 'dataSync'
  | 'kindOf'
  | 'list'
  | 'lock'
  | 'makeFolder'
  | 'open'
  | 'read'
  | 'rename'
  | 'size'
  | 'sync'
  | 'syncFolder'
  | 'truncate'
  | 'unlink'
  | 'write'

/** A call of the disk or of one of its files. `writeNow` is a `write`, `dataSyncNow` a `dataSync`. */
export interface DiskCall {
  /** The first call has 0. */
  index: number
  kind: CallKind
  /** The path that the file has now, also if it was opened under another. */
  path: string
  /** Bytes asked to be read or written; 0 for other kinds. */
  bytes: number
}

/** A call by its index, or the n-th one (from 1, the default) of some kinds, counted from when the fault is added. */
export type FaultPlace = number | { kind: CallKind | readonly CallKind[]; path?: RegExp; nth?: number }

export interface Fault {
  at: FaultPlace
  /**
   * - `EIO`, `ENOSPC`: the call fails. A write may have taken `partial` bytes before. A sync that fails marks what was
   *   pending as clean and makes none of it durable, but for its first `partial` bytes: a later sync succeeds, readers
   *   see the data, a power cut takes it.
   * - `short`: a read or write takes `partial` bytes (half of them unless it is given) and says so.
   * - `hang`: the call waits for `releaseHangs()`, and then does its work.
   * - `lie`: a sync reports success and makes nothing durable. A later, honest one does.
   */
  error: 'EIO' | 'ENOSPC' | 'short' | 'hang' | 'lie'
  /** All later calls that match fail as well: of the kind and path, or, for a place that is an index, all of them. */
  sticky?: boolean
  partial?: number
}

export class Faults {
  #waiting: { fault: Fault; seen: number }[] = []

  add(fault: Fault): void {
    this.#waiting.push({ fault, seen: 0 })
  }

  clear(): void {
    this.#waiting = []
  }

  /** The fault that hits a call, if one does. Each fault counts each call once. */
  hit(call: DiskCall): Fault | undefined {
    let hit: Fault | undefined
    for (const waiting of [...this.#waiting]) {
      const { fault } = waiting
      if (!matches(fault.at, call)) continue
      waiting.seen += 1
      const nth = typeof fault.at === 'number' ? 1 : (fault.at.nth ?? 1)
      if (hit !== undefined || waiting.seen < nth) continue
      hit = fault
      if (fault.sticky !== true) this.#waiting = this.#waiting.filter(other => other !== waiting)
    }
    return hit
  }
}

function matches(at: FaultPlace, call: DiskCall): boolean {
  // A fault that is not sticky is gone after its first hit, so a later index needs no upper end.
  if (typeof at === 'number') return call.index >= at
  const kinds = typeof at.kind === 'string' ? [at.kind] : at.kind
  return kinds.includes(call.kind) && (at.path === undefined || at.path.test(call.path))
}
