/**
 * Opens the engine on what a crash has left and judges it. Then it crashes again: within the recovery, after it, and
 * after new writes. What was once served must be there ever after.
 */

import type { CrashChoice } from '../src/testing/crash-plan.js'
import { crashStates } from '../src/testing/crash-states.js'
import { type Random, seededRandom } from '../src/testing/random.js'
import type { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { expectSame, judgeAgain, judgeNewWrites } from './crash-again.js'
import type { DiskStore } from './disk-stores.js'
import { type Content, type History, judge, type Moment } from './history.js'
import { guarded, recoverOn, storedLsn } from './recovered.js'

/** A disk at one call of a workload, and what had been promised by then. */
export interface Snapshot {
  disk: SimulatedDisk
  moment: Moment
  /** Which call was to come: its number, and in words. */
  call: number
  before: string
}

export interface Failure {
  call: number
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

/** What a disk was found to hold. */
interface Served {
  content: Content
  /** How far the store alone has come. */
  stored: number
}

/** How many states are crashed again. */
const COMPOUND_SHARE = 0.12

export class CrashChecker {
  readonly counts: Counts = { states: 0, compound: 0, checks: 0 }
  readonly failures: Failure[] = []
  readonly #history: History
  readonly #store: DiskStore
  readonly #seed: number
  readonly #isPlain: boolean
  readonly #seen = new Map<string, Served>()

  /** With `isPlain`, what a crash has left is not crashed again. */
  constructor(history: History, store: DiskStore, seed: number, isPlain = false) {
    this.#history = history
    this.#store = store
    this.#seed = seed
    this.#isPlain = isPlain
  }

  /** Judges up to `count` disks that a power cut at the snapshot may leave, and the one that a kill leaves. */
  async check(snapshot: Snapshot, count: number): Promise<void> {
    // Chances depend on the moment and on nothing before it, so that one moment alone goes the same way again.
    const seed = this.#seed * 7919 + snapshot.call * 101
    let number = 0
    for (const state of crashStates(snapshot.disk, { random: seededRandom(seed), count })) {
      number += 1
      const random = seededRandom(seed + number)
      await this.#judge(snapshot, state.disk, describeChoice(state.choice), state.fingerprint, random)
    }
    // A kill leaves everything readable and nothing more durable: what recovery serves of it, a power cut must not take.
    await this.#judge(snapshot, snapshot.disk.clone(), 'killed', undefined, seededRandom(seed))
  }

  async #judge(
    snapshot: Snapshot,
    disk: SimulatedDisk,
    crash: string,
    fingerprint: string | undefined,
    random: Random,
  ): Promise<void> {
    try {
      const { content, stored } = await this.#servedFrom(snapshot, disk, fingerprint, random)
      this.counts.checks += 1
      const { broken } = judge(this.#history, snapshot.moment, content)
      if (broken !== undefined) this.#fail(snapshot, crash, broken)
      const promised = snapshot.moment.stored
      if (stored < promised)
        this.#fail(snapshot, crash, `write-through up to LSN ${promised}, and the store has ${stored}`)
    } catch (error) {
      this.#fail(snapshot, crash, `recovery refuses or fails: ${messageOf(error)}`)
    }
  }

  /** What the engine serves; a disk that was seen before need not be opened again. */
  async #servedFrom(
    snapshot: Snapshot,
    disk: SimulatedDisk,
    fingerprint: string | undefined,
    random: Random,
  ): Promise<Served> {
    const known = fingerprint === undefined ? undefined : this.#seen.get(fingerprint)
    if (known !== undefined) return known
    const isChosen = random() < (fingerprint === undefined ? 0.3 : COMPOUND_SHARE)
    const isCrashedAgain = isChosen && !this.#isPlain
    const before = isCrashedAgain ? disk.clone() : undefined
    const stored = await storedLsn(disk.clone(), this.#store)
    const { memory, content, lastLsn } = await guarded(recoverOn(disk, this.#store), 'recovery')
    this.counts.states += 1
    const served = { content, stored }
    if (fingerprint !== undefined) this.#seen.set(fingerprint, served)
    if (lastLsn < snapshot.moment.lastLsn) throw new Error(`LSN ${lastLsn + 1} would be handed out a second time`)
    if (before !== undefined) {
      const judgeUnserved = (found: Content) => {
        // What a kill has left unsynced may go in a power cut before anybody was served it; not so after a power cut.
        if (fingerprint !== undefined) expectSame(found, content, 'a power cut within its recovery')
        const { broken } = judge(this.#history, snapshot.moment, found)
        if (broken !== undefined) throw new Error(`a power cut within recovery: ${broken}`)
      }
      const again = { content, judgeUnserved, store: this.#store, random }
      const calls = disk.calls
      this.counts.compound += await judgeAgain(before, calls, again)
      this.counts.compound += await judgeNewWrites(memory, disk, again)
    }
    disk.powerOff()
    return served
  }

  #fail(snapshot: Snapshot, crash: string, broken: string): void {
    this.failures.push({ call: snapshot.call, before: snapshot.before, crash, broken })
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
