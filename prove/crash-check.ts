/**
 * Opens the engine on what a crash has left and judges it. Then it crashes again: within the recovery, after it, and
 * after new writes. What was once served must be there ever after.
 */

import type { CrashChoice } from '../src/testing/crash-plan.js'
import { crashStates } from '../src/testing/crash-states.js'
import type { Random } from '../src/testing/random.js'
import type { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { expectSame, judgeAgain, judgeNewWrites } from './crash-again.js'
import { type Content, type History, judge, type Moment } from './history.js'
import { guarded, recoverOn } from './recovered.js'

/** A disk at one call of a workload, and what had been promised by then. */
export interface Snapshot {
  disk: SimulatedDisk
  moment: Moment
  /** Which call was to come, for the message of a failure. */
  before: string
}

export interface Failure {
  before: string
  crash: string
  broken: string
}

export interface Counts {
  /** Different disks on which the engine was opened and judged. */
  states: number
  /** Of them, those that a second or third crash has left. */
  compound: number
  /** Judgements, of disks seen before under other promises as well. */
  checks: number
}

/** How many states are crashed again. */
const COMPOUND_SHARE = 0.12

export class CrashChecker {
  readonly counts: Counts = { states: 0, compound: 0, checks: 0 }
  readonly failures: Failure[] = []
  readonly #history: History
  readonly #durableCommit: boolean
  readonly #random: Random
  readonly #seen = new Map<string, Content>()

  constructor(history: History, durableCommit: boolean, random: Random) {
    this.#history = history
    this.#durableCommit = durableCommit
    this.#random = random
  }

  /** Judges up to `count` disks that a power cut at the snapshot may leave, and the one that a kill leaves. */
  async check(snapshot: Snapshot, count: number): Promise<void> {
    for (const state of crashStates(snapshot.disk, { random: this.#random, count })) {
      await this.#judge(snapshot, state.disk, describeChoice(state.choice), state.fingerprint)
    }
    // A kill leaves everything readable and nothing more durable: what recovery serves of it, a power cut must not take.
    await this.#judge(snapshot, snapshot.disk.clone(), 'killed', undefined)
  }

  async #judge(snapshot: Snapshot, disk: SimulatedDisk, crash: string, fingerprint: string | undefined) {
    try {
      const content = await this.#contentOf(snapshot, disk, fingerprint)
      this.counts.checks += 1
      const { broken } = judge(this.#history, snapshot.moment, content)
      if (broken !== undefined) this.#fail(snapshot, crash, broken)
    } catch (error) {
      this.#fail(snapshot, crash, `recovery refuses or fails: ${messageOf(error)}`)
    }
  }

  /** What the engine serves; a disk that was seen before need not be opened again. */
  async #contentOf(snapshot: Snapshot, disk: SimulatedDisk, fingerprint: string | undefined): Promise<Content> {
    const known = fingerprint === undefined ? undefined : this.#seen.get(fingerprint)
    if (known !== undefined) return known
    const isCrashedAgain = fingerprint === undefined ? this.#random() < 0.3 : this.#random() < COMPOUND_SHARE
    const before = isCrashedAgain ? disk.clone() : undefined
    const { memory, content, lastLsn } = await guarded(recoverOn(disk, this.#durableCommit), 'recovery')
    this.counts.states += 1
    if (fingerprint !== undefined) this.#seen.set(fingerprint, content)
    if (lastLsn < snapshot.moment.lastLsn) throw new Error(`LSN ${lastLsn + 1} would be handed out a second time`)
    if (before !== undefined) {
      const judgeUnserved = (found: Content) => {
        // What a kill has left unsynced may go in a power cut before anybody was served it; not so after a power cut.
        if (fingerprint !== undefined) expectSame(found, content, 'a power cut within its recovery')
        const { broken } = judge(this.#history, snapshot.moment, found)
        if (broken !== undefined) throw new Error(`a power cut within recovery: ${broken}`)
      }
      const again = { content, judgeUnserved, durableCommit: this.#durableCommit, random: this.#random }
      const calls = disk.calls
      this.counts.compound += await judgeAgain(before, calls, again)
      this.counts.compound += await judgeNewWrites(memory, disk, again)
    }
    disk.powerOff()
    return content
  }

  #fail(snapshot: Snapshot, crash: string, broken: string): void {
    this.failures.push({ before: snapshot.before, crash, broken })
  }
}

export function describeChoice(choice: CrashChoice): string {
  return JSON.stringify(choice).replaceAll('"', '')
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? `${String(error.code)}: ` : ''
  return code + error.message
}
