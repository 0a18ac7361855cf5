/**
 * What a program was told, and the judge of what a crash has left of it.
 *
 * A history lists the accepted calls in the order of their LSNs. After a crash the whole content must be what some
 * prefix of them makes; the prefix must hold everything that was promised, and what it lacks of acknowledged write-back
 * must be within its bound.
 *
 * What a shape holds is one value of the model, under the key of the entry whose change makes it so: a list is all its
 * items under its head, a blob its bytes under its manifest. So a call on a shape is a write like any other, and what it
 * leaves in part is a value that nobody wrote.
 */
import type { MaxLoss, Milestone } from '../src/index.js'

export interface ModelWrite {
  /** The segments of the stored key, joined by slashes: of a map, its name, the scope and the key. */
  key: string
  /** Different in every write of a map; `undefined` for a delete. */
  value: string | undefined
  /** In which loss bound it counts. */
  budget: string
}

/** A write as the memory has accepted it. */
export interface Accepted {
  key: string
  lsn: number
  /** Entries that it is made of, and the bytes of their keys and encoded values: what it counts in a loss bound, at least. */
  entries: number
  bytes: number
}

/** Writes that take effect together. */
export interface Call {
  id: number
  writes: readonly ModelWrite[]
  /** The first so many of them, as they were accepted: all at once, or none. */
  accepted: Accepted[]
  /** 0 as long as the call has not been accepted. */
  lastLsn: number
  /** Which acknowledgement it was, counted over the whole history; 0 if it has not been answered. */
  ack: number
  reached: Milestone | undefined
  ackMs: number
}

export interface Version {
  value: string
  version: number
}

/** All entries of all maps. */
export type Content = Map<string, Version>

/** What had been accepted and told at one moment. */
export interface Moment {
  calls: number
  acks: number
  /** Everything up to it was promised to survive. */
  required: number
  /** Everything up to it was acknowledged as being in the data store for good. */
  stored: number
  /** The newest LSN that was handed out. */
  lastLsn: number
  ms: number
}

export type Bounds = Readonly<Record<string, MaxLoss>>

export interface Verdict {
  /** How many of the accepted calls are there. */
  kept: number
  /** What is wrong with it; `undefined` if every promise was kept. */
  broken: string | undefined
}

export class History {
  readonly calls: Call[] = []
  readonly bounds: Bounds
  base: Content = new Map()
  /** What readers of the running process must see. */
  current: Content = new Map()
  required = 0
  stored = 0
  lastLsn = 0
  acks = 0
  readonly #waiting: Call[] = []
  /** The call whose writes are being accepted. */
  #begun: Call | undefined
  #issued = 0

  constructor(bounds: Bounds, base: Content = new Map(), lastLsn = 0) {
    this.bounds = bounds
    this.base = base
    this.current = new Map(base)
    this.lastLsn = lastLsn
  }

  /** Calls that were issued and have not been accepted. */
  get waiting(): number {
    return this.#waiting.length
  }

  moment(ms = 0): Moment {
    const { calls, acks, required, stored, lastLsn } = this
    return { calls: calls.length, acks, required, stored, lastLsn, ms }
  }

  /** What a key will hold when all calls that were issued have been accepted. */
  expected(key: string): string | undefined {
    const writes = this.#waiting.flatMap(call => call.writes).filter(write => write.key === key)
    return writes.length > 0 ? writes.at(-1)!.value : this.current.get(key)?.value
  }

  /** A call is about to be issued. */
  issue(writes: readonly ModelWrite[], id = ++this.#issued): Call {
    const call: Call = { id, writes, accepted: [], lastLsn: 0, ack: 0, reached: undefined, ackMs: 0 }
    this.#waiting.push(call)
    return call
  }

  /**
   * The memory has accepted a write: of the call that has begun to be accepted, else of the first that waits and begins
   * with its key. Returns the call once all of it has been accepted.
   */
  took(accepted: Accepted): Call | undefined {
    const { key, lsn } = accepted
    this.passed(lsn)
    const call = this.#begun ?? this.#waiting.find(({ writes }) => writes[0]!.key === key)
    if (call?.writes[call.accepted.length]?.key !== key)
      throw new Error(`LSN ${lsn} is of ${key}: nobody has asked for it`)
    call.accepted.push(accepted)
    const isWhole = call.accepted.length === call.writes.length
    this.#begun = isWhole ? undefined : call
    if (!isWhole) return undefined
    this.#waiting.splice(this.#waiting.indexOf(call), 1)
    call.lastLsn = lsn
    this.calls.push(call)
    apply(this.current, call)
    return call
  }

  /** The memory has handed out an LSN. Those of entries that the model does not know are told by this alone. */
  passed(lsn: number): void {
    if (lsn <= this.lastLsn) throw new Error(`LSN ${lsn} was handed out behind ${this.lastLsn}`)
    this.lastLsn = lsn
  }

  /** It was not accepted, and will not be. */
  refused(call: Call): void {
    const index = this.#waiting.indexOf(call)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  /** The process is gone: what it had not accepted is nowhere. */
  died(): void {
    this.#waiting.length = 0
    this.#begun = undefined
  }

  acknowledged(call: Call, reached: Milestone, lsn: number, ms = 0): void {
    if (call.lastLsn !== lsn) throw new Error(`a call was told LSN ${lsn}, but it was accepted as ${call.lastLsn}`)
    call.ack = ++this.acks
    call.reached = reached
    call.ackMs = ms
    if (reached !== 'tier') this.promised(lsn)
    if (reached === 'store') this.stored = Math.max(this.stored, lsn)
  }

  promised(lsn: number): void {
    this.required = Math.max(this.required, lsn)
  }

  /** A new process has opened the memory and starts above `lsn`. */
  opened(lsn: number): void {
    if (lsn < this.lastLsn) throw new Error(`LSNs start at ${lsn + 1}, but ${this.lastLsn} was handed out before`)
    this.lastLsn = lsn
  }

  /** Goes on from what a crash has left: the first `kept` calls. */
  rebase(kept: number): void {
    for (const call of this.calls.slice(0, kept)) apply(this.base, call)
    this.calls.length = 0
    this.died()
    this.current = new Map(this.base)
  }
}

/** Whether what a crash at a moment has left keeps every promise made until then. */
export function judge(history: History, moment: Moment, content: Content): Verdict {
  const calls = history.calls.slice(0, moment.calls)
  const kept = longestPrefix(history.base, calls, content)
  if (kept === undefined) return { kept: 0, broken: describeMismatch(history.base, calls, content, moment) }
  const missing = calls.slice(kept)
  const promised = missing.find(call => call.lastLsn <= moment.required)
  if (promised !== undefined) {
    return { kept, broken: `acknowledged, and gone: ${describeCall(promised)}; promised up to ${moment.required}` }
  }
  return { kept, broken: overBound(history.bounds, missing, moment) }
}

function overBound(bounds: Bounds, missing: readonly Call[], moment: Moment): string | undefined {
  const lost = new Map<string, { writes: number; bytes: number }>()
  for (const call of missing) {
    if (call.ack === 0 || call.ack > moment.acks) continue
    for (const [index, { budget }] of call.writes.entries()) {
      const sum = lost.get(budget) ?? { writes: 0, bytes: 0 }
      sum.writes += call.accepted[index]!.entries
      sum.bytes += call.accepted[index]!.bytes
      lost.set(budget, sum)
      const age = moment.ms - call.ackMs
      if (age > bounds[budget]!.ms) return `write-back of ${age} ms ago is gone, more than ${budget} may lose`
    }
  }
  for (const [budget, { writes, bytes }] of lost) {
    const bound = bounds[budget]!
    if (writes > bound.writes || bytes > bound.bytes) {
      return `${writes} writes of ${bytes} bytes of write-back are gone, more than ${budget} may lose`
    }
  }
  return undefined
}

/** How many calls make the content; the most that do. `undefined` if no number of them does. */
function longestPrefix(base: Content, calls: readonly Call[], content: Content): number | undefined {
  const state = new Map(base)
  const different = new Set<string>()
  const compare = (key: string) => {
    const expected = state.get(key)
    const found = content.get(key)
    const isEqual = expected?.version === found?.version && expected?.value === found?.value
    if (isEqual) different.delete(key)
    else different.add(key)
  }
  for (const key of new Set([...base.keys(), ...content.keys()])) compare(key)
  let longest = different.size === 0 ? 0 : undefined
  for (const [index, call] of calls.entries()) {
    apply(state, call)
    for (const { key } of call.writes) compare(key)
    if (different.size === 0) longest = index + 1
  }
  return longest
}

function apply(state: Content, { writes, accepted }: Call): void {
  for (const [index, { key, value }] of writes.entries()) {
    if (value === undefined) state.delete(key)
    else state.set(key, { value, version: accepted[index]!.lsn })
  }
}

function describeMismatch(base: Content, calls: readonly Call[], content: Content, moment: Moment): string {
  // Compared with what the newest version in it says: usually that is the prefix it should have been.
  const newest = Math.max(0, ...[...content.values()].map(each => each.version))
  const state = new Map(base)
  for (const call of calls) if (call.lastLsn <= Math.max(newest, moment.required)) apply(state, call)
  const wrong = [...new Set([...state.keys(), ...content.keys()])]
    .filter(key => state.get(key)?.version !== content.get(key)?.version)
    .map(key => `${key} is at ${content.get(key)?.version ?? 'none'} instead of ${state.get(key)?.version ?? 'none'}`)
  return `no prefix of what was accepted: with LSN ${newest} and what was promised (${moment.required}), ${wrong.slice(0, 4).join('; ') || 'a value differs'}`
}

export function describeCall({ writes, lastLsn, reached }: Call): string {
  const keys = writes.map(({ key, value }) => `${value === undefined ? 'delete' : 'set'} ${key}`).join(', ')
  return `LSN ${lastLsn} (${keys}; reached ${reached ?? 'nothing'})`
}
