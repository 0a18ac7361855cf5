/**
 * One life of a program whose file calls fail. It opens the memory, writes in every durability, deletes, lets segments
 * fill up and go, checkpoints, flushes and closes. After an error it goes on, as a program does that must not end, and
 * it reopens the memory whenever its log has failed. Once the fault is over everything has to work again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  AgentMemory,
  AgentMemoryError,
  type AgentMemoryOptions,
  type Durability,
  UnsettledWriteError,
} from '../src/index.js'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import type { ModelWrite } from './history.js'
import { type FoundReport, foundIn, type WriteReport } from './reported-history.js'
import { contentOf, MAX_LOSS, modelWrite, type Place, placesOf } from './shape.js'

/** `mend`: a fault that stays is lifted before the close, and all has to work again; `close`: it stays until then. */
export type FaultEnding = 'mend' | 'close'

export interface LifeCommand {
  location: string
  seed: number
  /** Numbers of values start above it. */
  serial: number
  steps: number
  ending: FaultEnding
}

export type FaultReport =
  | FoundReport
  | WriteReport
  /** The code of an error that a caller got: one of ours, which is documented. */
  | { error: string }
  | { broken: string }
  /** The fault was lifted; this is the call that it befell last. */
  | { lifted: string }
  | { done: true }

/** The fault as the process sees it that it befalls. */
export interface PresentFault {
  readonly hasBefallen: boolean
  lift(): void
}

export interface LifeParts {
  fault: PresentFault
  report(report: FaultReport): void
  /** The codes that docs/errors.md knows. */
  documented: ReadonlySet<string>
}

export const OPTIONS: AgentMemoryOptions = {
  maxLoss: MAX_LOSS,
  segmentBytesMax: 64 * 1024,
  frameBytesMax: 64 * 1024,
  pendingEntriesMax: 200,
}
/** Two of them do not fit into one segment. */
const LARGE = 'x'.repeat(36_000)
/** Longer than any wait of the engine before it tries again. */
const MENDED_WITHIN_MS = 20_000
/** Longer than a life takes that does not wait for room. */
const ROOM_AFTER_MS = 5000
const RANK = { tier: 0, log: 1, store: 2 }
const ASKED = { 'write-back': 0, 'write-ahead': 1, 'write-through': 2 }

export class Life {
  readonly #command: LifeCommand
  readonly #parts: LifeParts
  readonly #random: Random
  #memory!: AgentMemory
  #places: Place[] = []
  #serial: number
  #isMended = false
  /** Resolves once the store has gone down: a write-through need not be waited for then. */
  #storeDown = Promise.resolve()
  /** Answers that come when they come; all of them have come when the life is over. */
  readonly #answers: Promise<void>[] = []
  /** By their place in the model: what the newest accepted writes say. `null`: deleted. */
  readonly #accepted = new Map<string, string | null>()

  constructor(command: LifeCommand, parts: LifeParts) {
    this.#command = command
    this.#parts = parts
    this.#random = seededRandom(command.seed)
    this.#serial = command.serial
  }

  async run(): Promise<void> {
    const { fault, report } = this.#parts
    let memory = await this.#attempt('open', () => this.#open())
    if (memory === undefined) {
      fault.lift()
      memory = await this.#must('open', () => this.#open())
      if (memory === undefined) return
    }
    this.#memory = memory
    this.#places = placesOf(memory)
    this.#storeDown = new Promise(resolve => memory.on('storeDown', () => resolve()))
    // What was accepted before the disk was known to be full waits for room: somebody has to make some.
    memory.on('diskFull', () => setTimeout(() => fault.lift(), ROOM_AFTER_MS).unref())
    const content = await this.#attempt('a scan', () => contentOf(memory))
    report(content === undefined ? { reopened: memory.status().lsn.accepted } : foundIn(memory, content))

    for (let step = 0; step < this.#command.steps; step++) {
      await this.#write(step)
      if (step === 1) await this.#promise('checkpoint', () => memory.checkpoint())
      await this.#read()
      if (memory.status().state === 'failed') await this.#attempt('reopen', () => this.#reopen())
    }
    await this.#promise('flush', () => memory.flush())
    if (fault.hasBefallen && this.#command.ending === 'mend') await this.#mend()
    await this.#close()
  }

  async #open(): Promise<AgentMemory> {
    return AgentMemory.open(this.#command.location, OPTIONS)
  }

  async #reopen(): Promise<number> {
    await this.#memory.reopen()
    const { durable } = this.#memory.status().lsn
    this.#parts.report({ promised: durable })
    return durable
  }

  /** The fault is over: the memory goes on as if nothing had been. */
  async #mend(): Promise<void> {
    const memory = this.#memory
    this.#parts.fault.lift()
    if (!(await this.#recover())) return
    // What the fault befell may have been in the background, and is told only now.
    await this.#promise('checkpoint', () => memory.checkpoint())
    if (!(await this.#recover())) return
    this.#isMended = true
    await this.#write(2)
    if (memory.status().state !== 'open') return
    await this.#answered()
    await this.#promise('checkpoint', () => memory.checkpoint())
    await this.#read()
  }

  /** Reopens the memory if its log has failed, and waits for what it does by itself. */
  async #recover(): Promise<boolean> {
    const memory = this.#memory
    for (const started = performance.now(); ; await delay(5)) {
      const { state, log, store } = memory.status()
      if (state === 'failed' && (await this.#must('reopen', () => this.#reopen())) === undefined) return false
      if (state === 'open' && !log.diskFull && store.state === 'up') return true
      if (performance.now() - started < MENDED_WITHIN_MS) continue
      this.#parts.report({ broken: `not well after the fault: ${JSON.stringify({ state, log, store })}` })
      return false
    }
  }

  async #close(): Promise<void> {
    const memory = this.#memory
    const closed = await this.#attempt('close', () => memory.close({ deadlineMs: 5000 }))
    await this.#answered()
    if (closed === undefined) return
    const { lost, inDoubt } = closed
    if (lost + inDoubt === 0) this.#parts.report({ promised: memory.status().lsn.accepted })
    else if (this.#isMended) this.#parts.report({ broken: `a close behind the fault: ${JSON.stringify(closed)}` })
  }

  /** All answers have come, those included that others have brought along. */
  async #answered(): Promise<void> {
    for (const answer of this.#answers) await answer
    this.#answers.length = 0
  }

  /** One write of each durability, a delete and a batch, all in flight at once. */
  async #write(step: number): Promise<void> {
    const [back, ahead, through, other] = [0, 1, 2, 3].map(each => this.#places[(step + each) % this.#places.length]!)
    const key = `k${randomBelow(this.#random, 3)}`
    const large = step < 2 ? LARGE : ''
    const value = () => `${++this.#serial}:`
    const slow = this.#set(through!, key, value(), 'write-through')
    const answers = [
      this.#set(back!, key, value(), 'write-back'),
      this.#set(ahead!, key, value() + large, 'write-ahead'),
      this.#issue('delete', [modelWrite(other!, key, undefined)], 'write-ahead', () =>
        other!.map.delete(key, { durability: 'write-ahead' }),
      ),
    ]
    const [a, b] = [value(), value()]
    const writes = [modelWrite(back!, 'both', a), modelWrite(other!, 'both', b), modelWrite(ahead!, 'k9', undefined)]
    answers.push(
      this.#issue('batch', writes, 'write-ahead', () =>
        this.#memory.batch(
          batch => {
            batch.set(back!.map, 'both', a).set(other!.map, 'both', b).delete(ahead!.map, 'k9')
          },
          { durability: 'write-ahead' },
        ),
      ),
    )
    this.#answers.push(slow)
    await Promise.all([...answers, Promise.race([slow, this.#storeDown])])
  }

  #set(place: Place, key: string, value: string, durability: Durability): Promise<void> {
    const write = modelWrite(place, key, value)
    return this.#issue(`a set as ${durability}`, [write], durability, () => place.map.set(key, value, { durability }))
  }

  #issue(
    what: string,
    writes: readonly ModelWrite[],
    durability: Durability,
    run: () => Promise<{ lsn: number; reached: 'tier' | 'log' | 'store' }>,
  ): Promise<void> {
    const { report } = this.#parts
    report({ intent: writes })
    const before = this.#memory.status().lsn.accepted
    const answer = run()
    const { accepted } = this.#memory.status().lsn
    const isAccepted = accepted > before
    if (isAccepted) {
      report({ lsn: accepted })
      for (const { key, value } of writes) this.#accepted.set(key, value ?? null)
    }
    return answer.then(
      ({ lsn, reached }) => {
        report({ acknowledged: lsn, reached })
        if (RANK[reached] >= ASKED[durability]) return
        report({ broken: `${what} was acknowledged when it had reached ${reached}` })
      },
      (error: unknown) => {
        if (!isAccepted && error instanceof UnsettledWriteError) report({ lsn: error.lsn })
        else if (!isAccepted) report({ refused: true })
        this.#told(what, error)
      },
    )
  }

  /** A read serves the newest accepted value, or says why it cannot. */
  async #read(): Promise<void> {
    for (const place of this.#places) {
      for (const key of ['k0', 'k1', 'k2', 'both']) {
        const expected = this.#accepted.get(place.prefix + key)
        if (expected === undefined) continue
        const read = await this.#attempt('get', async () => ({ value: await place.map.get(key) }))
        if (read === undefined || read.value === (expected ?? undefined)) continue
        const found = read.value?.slice(0, 12)
        this.#parts.report({ broken: `get ${place.prefix}${key} is ${found}, not ${expected?.slice(0, 12)}` })
      }
    }
  }

  /** A call that promises everything up to the LSN that it returns. */
  async #promise(what: string, run: () => Promise<number>): Promise<number | undefined> {
    const lsn = await this.#attempt(what, run)
    if (lsn !== undefined) this.#parts.report({ promised: lsn })
    return lsn
  }

  async #must<T>(what: string, run: () => Promise<T>): Promise<T | undefined> {
    this.#isMended = true
    const result = await this.#attempt(what, run)
    this.#isMended = false
    return result
  }

  /** `undefined` if it fails, which it may only while there is a fault, and only with an error of ours. */
  async #attempt<T>(what: string, run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run()
    } catch (error) {
      this.#told(what, error)
      return undefined
    }
  }

  #told(what: string, error: unknown): void {
    const { documented, fault, report } = this.#parts
    if (!(error instanceof AgentMemoryError) || !documented.has(error.code) || !error.next) {
      report({ broken: `${what} has failed with an error that is not ours: ${describe(error)}` })
      return
    }
    report({ error: error.code })
    if (this.#isMended)
      report({ broken: `${what} fails although the fault is over: ${error.code}: ${describe(error)}` })
    else if (!fault.hasBefallen) report({ broken: `${what} fails and there was no fault: ${describe(error)}` })
    if (error instanceof UnsettledWriteError) this.#answers.push(this.#settled(error))
  }

  async #settled(error: UnsettledWriteError): Promise<void> {
    try {
      const fate = await error.settled()
      if (fate === 'kept') this.#parts.report({ promised: error.lsn })
    } catch (reason) {
      if (!(reason instanceof AgentMemoryError) || reason.code !== 'CLOSED') this.#told('settled', reason)
    }
  }
}

export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message} (${describe(error.cause)})`
}
