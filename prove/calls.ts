/** The calls of a workload: what is asked of the memory, and what becomes of it, noted in a history. */
import { type AgentMemory, AgentMemoryError, type Durability, VersionConflictError } from '../src/index.js'
import { listen } from './acceptance.js'
import type { Accepted, Call, History, ModelWrite } from './history.js'
import { durabilityOf } from './shape.js'

export interface CallHooks {
  nowMs(): number
  /** The store may refuse rows for good: they are kept all the same, as dead letters. */
  storeRefuses?: boolean
  /** A call is about to be issued; what it writes is known. */
  onIssue?(call: Call): void
  /** A write has got its LSN; nothing of it is on a disk yet. */
  onAccepted?(accepted: Accepted): void
  onRefused?(call: Call): void
  onAcknowledged?(call: Call): void
  onPromised?(lsn: number): void
}

export interface Result {
  lsn: number
  reached: 'tier' | 'log' | 'store'
  durable(): Promise<void>
}

const RANK = { tier: 0, log: 1, store: 2 }
const ASKED = { 'write-back': 0, 'write-ahead': 1, 'write-through': 2 }

export class Calls {
  readonly history: History
  readonly #hooks: CallHooks
  readonly #flying = new Set<Promise<void>>()
  /** Something that must not be, found while it ran. */
  fault: unknown
  /** What was done so far, in words. */
  readonly story: string[] = []

  constructor(history: History, hooks: CallHooks) {
    this.history = history
    this.#hooks = hooks
  }

  /** A memory has been opened. */
  attach(memory: AgentMemory): void {
    this.history.opened(memory.status().lsn.accepted)
    listen(memory, {
      took: accepted =>
        this.#noting(() => {
          this.history.took(accepted)
          this.#hooks.onAccepted?.(accepted)
        }),
      passed: lsn => this.#noting(() => this.history.passed(lsn)),
    })
  }

  /** Resolves when every call has been answered. */
  async settle(pass: () => Promise<unknown>): Promise<void> {
    while (this.#flying.size > 0) await Promise.race([Promise.all(this.#flying), pass()])
  }

  /** Waits until it is known whether the call is accepted: behind one that may overtake others nothing is issued. */
  async issueAlone(
    writes: readonly ModelWrite[],
    durability: Durability | undefined,
    run: () => Promise<Result>,
  ): Promise<void> {
    const { call, answered } = this.issue(writes, durability, run)
    if (call.lastLsn === 0) await answered
  }

  issue(
    writes: readonly ModelWrite[],
    durability: Durability | undefined,
    run: () => Promise<Result>,
  ): { call: Call; answered: Promise<void> } {
    const { calls, answered } = this.issueMany([writes], durability, run)
    return { call: calls[0]!, answered }
  }

  /** One call of the program whose writes take effect in several steps, of which each is whole. */
  issueMany(
    steps: readonly (readonly ModelWrite[])[],
    durability: Durability | undefined,
    run: () => Promise<Result>,
  ): { calls: Call[]; answered: Promise<void> } {
    this.story.push(`${steps.map(describeWrites).join(', then ')}, ${durability ?? 'as it is by default'}`)
    const calls = steps.map(writes => this.history.issue(writes))
    for (const call of calls) this.#hooks.onIssue?.(call)
    const answered = this.track(
      run().then(
        result => this.#answered(calls, result, durability),
        (error: unknown) => this.#rejected(calls, error, durability),
      ),
    )
    return { calls, answered }
  }

  /** A call whose answer says nothing of what it has written, or whether it has. Waited for. */
  async issueUnanswered(writes: readonly ModelWrite[], run: () => Promise<void>): Promise<void> {
    this.story.push(describeWrites(writes))
    const call = this.history.issue(writes)
    this.#hooks.onIssue?.(call)
    await run().catch(ignoreClosing)
    this.history.refused(call)
    if (call.lastLsn === 0) this.#hooks.onRefused?.(call)
  }

  /** A call that writes nothing: its answer promises what it has found. */
  ask(what: string, ask: () => Promise<number>): Promise<void> {
    this.story.push(what)
    return this.promise(ask())
  }

  /** Everything up to an LSN is told to be durable; 0 for nothing. */
  promise(promised: Promise<number>): Promise<void> {
    return this.track(
      promised.then(
        lsn => this.promised(lsn),
        (error: unknown) => ignoreClosing(error),
      ),
    )
  }

  promised(lsn: number): void {
    this.history.promised(lsn)
    this.#hooks.onPromised?.(lsn)
  }

  track(task: Promise<void>): Promise<void> {
    const tracked: Promise<void> = task
      .catch((error: unknown) => {
        this.fault ??= error
      })
      .finally(() => this.#flying.delete(tracked))
    this.#flying.add(tracked)
    return tracked
  }

  /** What the memory shows is what it should. */
  expect(found: unknown, expected: unknown, what: string): void {
    if (found !== expected) this.fault ??= new Error(`${what}: ${brief(found)}, not ${brief(expected)}`)
  }

  #answered(calls: readonly Call[], result: Result, durability: Durability | undefined): void {
    for (const call of calls) {
      const isLast = call === calls.at(-1)
      this.history.acknowledged(call, result.reached, isLast ? result.lsn : call.lastLsn, this.#hooks.nowMs())
      this.#hooks.onAcknowledged?.(call)
    }
    this.checkReached(result, durability)
    // Now and then it is asked for to be durable after all.
    if (result.reached === 'tier' && result.lsn % 10 === 0) {
      void this.promise(result.durable().then(() => result.lsn))
    }
  }

  checkReached({ reached }: Result, durability: Durability | undefined): void {
    if (durability === undefined || RANK[reached] >= ASKED[durability]) return
    this.fault ??= new Error(`${durability} was acknowledged when it had reached ${reached}`)
  }

  #rejected(calls: readonly Call[], error: unknown, durability: Durability | undefined): void {
    for (const call of calls) {
      this.history.refused(call)
      if (call.lastLsn === 0) this.#hooks.onRefused?.(call)
    }
    if (error instanceof VersionConflictError) {
      // What a refusal has seen is as durable as was asked, by the call or by its map.
      const asked = durability ?? durabilityOf(calls[0]!.writes[0]!)
      if (error.actual !== null && asked !== 'write-back') this.promised(error.actual)
      return
    }
    if (this.#hooks.storeRefuses && isOfStore(error)) {
      const [refused] = calls.filter(({ lastLsn }) => lastLsn > 0).slice(-1)
      if (refused !== undefined) this.promised(refused.lastLsn)
      return
    }
    ignoreClosing(error)
  }

  /** It is the memory that calls: what goes wrong here is no failure of its own. */
  #noting(note: () => void): void {
    try {
      note()
    } catch (error) {
      this.fault ??= error
    }
  }
}

/** What the store objects to was in the log before, and is kept. Of many writes those behind it were not made. */
function isOfStore(error: unknown): boolean {
  const cause = error instanceof AgentMemoryError && error.code === 'BATCH_INCOMPLETE' ? error.cause : error
  return cause instanceof AgentMemoryError && cause.code === 'STORE_REFUSED'
}

export function ignoreClosing(error: unknown): void {
  if (!(error instanceof AgentMemoryError && error.code === 'CLOSED')) throw error
}

function describeWrites(writes: readonly ModelWrite[]): string {
  return writes
    .map(({ key, value }) => (value === undefined ? `delete ${key}` : `set ${key} (${value.length} bytes)`))
    .join(' + ')
}

function brief(value: unknown): string {
  return String(value).slice(0, 200)
}
