/**
 * One life of a program whose file calls fail. It opens the memory, writes in every durability, deletes, lets segments
 * fill up and go, checkpoints, flushes and closes. After an error it goes on, as a program does that must not end, and
 * it reopens the memory whenever its log has failed. Once the fault is over everything has to work again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  type AgentMemory,
  AgentMemoryError,
  type AgentMemoryOptions,
  type Durability,
  UnsettledWriteError,
} from '../src/index.js'
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import { listen } from './acceptance.js'
import { contentOf } from './content.js'
import { shapeCalls } from './faults-shapes.js'
import { type Content, History, type ModelWrite } from './history.js'
import { type FoundReport, foundIn, type WriteReport } from './reported-history.js'
import { BOUNDS, MAX_LOSS, modelWrite, type Place, placesOf } from './shape.js'
import { levelInThread, openOver, type StoreName } from './stores.js'
import { noise } from './values.js'

/** `mend`: a fault that stays is lifted before the close, and all has to work again; `close`: it stays until then. */
export type FaultEnding = 'mend' | 'close'

export interface LifeCommand {
  store: StoreName
  folder: string
  seed: number
  /** Numbers of values start above it. */
  serial: number
  steps: number
  ending: FaultEnding
  /** A thread makes the checkpoints, from the first one on. */
  isInThread: boolean
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
/** Most of a segment, though it be compressed. */
const LARGE = noise(45_000)
/** Longer than any wait of the engine before it tries again. */
const MENDED_WITHIN_MS = 20_000
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
  /** Resolves once the disk is full again. */
  #diskFull = Promise.resolve()
  /** Answers that come when they come; all of them have come when the life is over. */
  readonly #answers: Promise<unknown>[] = []
  /** What has been accepted, behind what was found when it opened. */
  #history = new History(BOUNDS)
  /** What the life has written to: of that it knows what is there, also if it could not read what was there before. */
  readonly #written = new Set<string>()
  #knowsAll = false

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
    this.#watchRoom(memory)
    const content = await this.#attempt('a scan', () => contentOf(memory))
    report(content === undefined ? { reopened: memory.status().lsn.accepted } : foundIn(memory, content))
    this.#attach(memory, content)

    for (let step = 0; step < this.#command.steps; step++) {
      await this.#write(step)
      if (step === 1) await this.#unlessFull(this.#promise('checkpoint', () => memory.checkpoint()))
      await this.#read()
      if (memory.status().state === 'failed') await this.#attempt('reopen', () => this.#reopen())
    }
    await this.#unlessFull(this.#promise('flush', () => memory.flush()))
    if (fault.hasBefallen && this.#command.ending === 'mend') await this.#mend()
    await this.#close()
  }

  async #open(): Promise<AgentMemory> {
    const { store, folder, isInThread } = this.#command
    return openOver(store, folder, { ...OPTIONS, ...(isInThread && { store: levelInThread(folder) }) })
  }

  #attach(memory: AgentMemory, content: Content | undefined): void {
    const { report } = this.#parts
    this.#knowsAll = content !== undefined
    this.#history = new History(BOUNDS, content, memory.status().lsn.accepted)
    listen(memory, {
      took: accepted => {
        report({ accepted })
        this.#written.add(accepted.key)
        this.#noting(() => this.#history.took(accepted))
      },
      passed: lsn => this.#noting(() => this.#history.passed(lsn)),
    })
  }

  /** It is the memory that calls: what goes wrong here is no failure of its own. */
  #noting(note: () => void): void {
    try {
      note()
    } catch (error) {
      this.#parts.report({ broken: String(error) })
    }
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
    await this.#answered()
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

  #watchRoom(memory: AgentMemory): void {
    let onFull = () => {}
    const renew = () => {
      this.#diskFull = new Promise(resolve => {
        onFull = resolve
      })
    }
    renew()
    memory.on('diskFull', () => onFull()).on('diskFree', renew)
  }

  /** On a full disk what has been accepted waits for room, which there is once the fault is over: it is answered then. */
  async #unlessFull(answer: Promise<unknown>): Promise<void> {
    this.#answers.push(answer)
    await Promise.race([answer, this.#diskFull])
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
    // The blob of this step and it fill more than a segment.
    const large = step === 0 ? LARGE : ''
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
    // With a call on the way that may be refused yet, nobody knows what a list will hold.
    if (this.#knowsAll && this.#history.waiting === 0) answers.push(...this.#changeShapes(step))
    this.#answers.push(slow)
    await this.#unlessFull(Promise.all([...answers, Promise.race([slow, this.#storeDown])]))
  }

  #changeShapes(step: number): Promise<void>[] {
    const nextValue = () => `${++this.#serial}:${noise(60)}`
    return shapeCalls(this.#memory, this.#history, step, nextValue).map(({ what, writes, durability, run }) => {
      return this.#issue(what, writes, durability, run)
    })
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
    const call = this.#history.issue(writes)
    report({ intent: writes, id: call.id })
    const answer = run()
    return answer.then(
      ({ lsn, reached }) => {
        report({ acknowledged: lsn, reached })
        if (RANK[reached] >= ASKED[durability]) return
        report({ broken: `${what} was acknowledged when it had reached ${reached}` })
      },
      (error: unknown) => {
        this.#history.refused(call)
        if (call.lastLsn === 0) report({ refused: call.id })
        this.#told(what, error)
      },
    )
  }

  /** A read serves the newest accepted value, or says why it cannot. */
  async #read(): Promise<void> {
    for (const place of this.#places) {
      for (const key of ['k0', 'k1', 'k2', 'both']) {
        if (!this.#knowsAll && !this.#written.has(place.prefix + key)) continue
        const expected = this.#history.current.get(place.prefix + key)?.value
        const read = await this.#attempt('get', async () => ({ value: await place.map.get(key) }))
        if (read === undefined || read.value === expected) continue
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
