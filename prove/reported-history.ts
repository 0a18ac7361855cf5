/** What processes have reported of their writes, and what the next ones have found, as one history. */
import type { AgentMemory } from '../src/index.js'
import { type Accepted, type Call, type Content, History, judge } from './history.js'
import { BOUNDS } from './shape.js'

/** What a process tells of its writes: an intent before it is issued, an answer before anything depends on it. */
export type WriteReport =
  | { intent: Call['writes']; id: number }
  | { accepted: Accepted }
  /** The intent of this id will not be accepted. */
  | { refused: number }
  | { acknowledged: number; reached: 'tier' | 'log' | 'store' }
  | { promised: number }
  | { reopened: number }

/** What is there when a memory is opened, and where LSNs go on. */
export interface FoundReport {
  found: [key: string, value: string, version: number][]
  lastLsn: number
}

export interface FoundVerdict {
  broken: string | undefined
  accepted: number
  unanswered: number
  unansweredKept: number
  /** Acknowledged as write-back, and lost within the bound. */
  lostWriteBack: number
}

export function foundIn(memory: AgentMemory, content: Content): FoundReport {
  const found = [...content].map(([key, { value, version }]): FoundReport['found'][number] => [key, value, version])
  return { found, lastLsn: memory.status().lsn.accepted }
}

export class ReportedHistory {
  readonly #history: History
  /** Calls since the last look, by their id, and by their last LSN once they have been accepted. */
  readonly #issued = new Map<number, Call>()
  readonly #calls = new Map<number, Call>()

  constructor(history = new History(BOUNDS)) {
    this.#history = history
  }

  get hasUnanswered(): boolean {
    return this.#history.calls.some(call => call.ack === 0)
  }

  take(report: WriteReport): void {
    const history = this.#history
    if ('intent' in report) this.#issued.set(report.id, history.issue(report.intent, report.id))
    else if ('accepted' in report) {
      const call = history.took(report.accepted)
      if (call !== undefined) this.#calls.set(call.lastLsn, call)
    } else if ('refused' in report) history.refused(this.#issued.get(report.refused)!)
    else if ('reopened' in report) history.opened(report.reopened)
    else if ('promised' in report) history.promised(report.promised)
    else {
      const call = this.#calls.get(report.acknowledged)
      if (call === undefined) throw new Error(`LSN ${report.acknowledged} was acknowledged and never issued`)
      history.acknowledged(call, report.reached, report.acknowledged)
    }
  }

  /** The process is gone. It has reported all that it had accepted. */
  died(): void {
    this.#history.died()
  }

  /** Judges what is there, and goes on from it: who has seen it may rely on it ever after. */
  found({ found, lastLsn }: FoundReport): FoundVerdict {
    const history = this.#history
    const content: Content = new Map(found.map(([key, value, version]) => [key, { value, version }]))
    const { kept, broken } = judge(history, history.moment(), content)
    const { calls } = history
    const verdict: FoundVerdict = {
      broken,
      accepted: calls.length,
      unanswered: calls.filter(call => call.ack === 0).length,
      unansweredKept: calls.slice(0, kept).filter(call => call.ack === 0).length,
      lostWriteBack: calls.slice(kept).filter(call => call.ack > 0).length,
    }
    history.rebase(kept)
    this.#issued.clear()
    this.#calls.clear()
    try {
      history.opened(lastLsn)
    } catch (error) {
      verdict.broken ??= String(error)
    }
    return verdict
  }
}
