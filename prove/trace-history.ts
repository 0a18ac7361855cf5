/** What one process of a trace has stated, as the history that a crash at any of its calls is judged by. */
import { type Content, History, type Moment } from './history.js'
import { type FoundReport, ReportedHistory, type WriteReport } from './reported-history.js'
import { BOUNDS } from './shape.js'
import type { TraceCall } from './trace.js'

/** What the process writes into the file of statements: what it does, and at last that it ends by itself. */
export type Statement = FoundReport | WriteReport | { ended: true }

/** What had been promised at one call. */
export interface Standing {
  history: History
  moment: Moment
}

interface Stated {
  /** Number of the call from which on it holds. */
  from: number
  moment: Moment
}

/** The file of statements, below the root. */
export const STATEMENTS = '/ACK'

export function nothingPromised(): Standing {
  const history = new History(BOUNDS)
  return { history, moment: history.moment() }
}

export class TraceHistory {
  /** What it has served when it was open; `undefined` if it died before. */
  readonly found: Content | undefined
  /** The call from which on `found` was there to be relied on. */
  readonly foundAt: number
  readonly hasEnded: boolean
  readonly #before: Standing
  readonly #history = new History(BOUNDS)
  readonly #stated: Stated[] = []

  /** `before` is what was promised by the processes that came before. */
  constructor(calls: readonly TraceCall[], before: Standing) {
    this.#before = before
    const reported = new ReportedHistory(this.#history)
    let found: Content | undefined
    let foundAt = Number.POSITIVE_INFINITY
    let hasEnded = false
    for (const [from, statement] of statementsOf(calls)) {
      if ('ended' in statement) hasEnded = true
      else if ('found' in statement) {
        found = this.#start(statement)
        foundAt = from
      } else reported.take(statement)
      this.#stated.push({ from, moment: this.#history.moment() })
    }
    this.found = found
    this.foundAt = foundAt
    this.hasEnded = hasEnded
  }

  /** The newest LSN that it has handed out. */
  get lastLsn(): number {
    return this.#history.lastLsn
  }

  get calls(): number {
    return this.#history.calls.length
  }

  get acknowledged(): number {
    return this.#history.acks
  }

  /** What had been promised when the call of this number was to come. */
  at(call: number): Standing {
    if (call < this.foundAt) return this.#before
    const moment = this.#stated.findLast(({ from }) => from <= call)?.moment ?? this.#history.moment()
    return { history: this.#history, moment }
  }

  #start({ found, lastLsn }: FoundReport): Content {
    const content: Content = new Map(found.map(([key, value, version]) => [key, { value, version }]))
    this.#history.base = content
    this.#history.current = new Map(content)
    this.#history.opened(lastLsn)
    return content
  }
}

function* statementsOf(calls: readonly TraceCall[]): Generator<[from: number, statement: Statement]> {
  for (const [index, { call, path, data }] of calls.entries()) {
    if (call === 'write' && path === STATEMENTS) yield [index + 1, JSON.parse(data!.toString()) as Statement]
  }
}
