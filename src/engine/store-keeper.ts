/**
 * The data store's one keeper: every call has a deadline, the first error of a commit makes the store count as down,
 * all handles to it are closed, and it is opened again until it is there and is the one it was.
 */
import { AgentMemoryError } from '../core/errors.js'
import { type Lsn, NO_LSN } from '../core/lsn.js'
import type { DataStore, Mark, OpenTerms, StoreIdentity } from '../stores/data-store.js'
import { applyChanges, type ChangesRequest, type RunOutcome, type RunRequest, runCheckpoint } from './checkpoint-run.js'
import { CheckpointThread } from './checkpoint-thread.js'
import type { EngineConfig } from './config.js'
import { type ParkedWrite, parkedIn } from './dead-letter.js'
import type { Events } from './events.js'
import { storeDownError, withDeadline } from './failures.js'
import { type FoundLog, matched } from './matching.js'
import { lockPath } from './memory-folder.js'

// Waits between attempts to open a store that is down: doubled each time, with jitter, so that many clients of one
// store do not come back at the same moment.
const BACKOFF_MS_MIN = 100
const BACKOFF_MS_MAX = 5000

/** What a store was found to be when it came up. */
export interface FoundStore {
  mark: Mark
  /** What it has refused. */
  parked: ParkedWrite[]
  /** The memory was opened without it. */
  isFirst: boolean
}

export class StoreKeeper {
  readonly #config: EngineConfig
  readonly #events: Events
  #identity: StoreIdentity
  /** What the segments of the log say. */
  readonly #logEpoch: number
  /** The log, if it was opened without the store, which has not answered yet. */
  #unmatched: FoundLog | undefined
  /** Told what the store is, when it is up again. */
  onUp: (found: FoundStore) => void = () => {}
  /** Everything up to it was in the store for good: one that comes back with less is not taken. */
  flushedLsn: () => Lsn = () => NO_LSN
  #store: DataStore
  #thread: CheckpointThread | undefined
  /** Bytes of the log that runs on the event loop have taken. */
  #bytesTaken = 0
  #down: AgentMemoryError | undefined
  #closed = false
  #wakeUp: (() => void) | undefined
  #reopening: Promise<void> | undefined
  #opening: Promise<DataStore> | undefined
  readonly #abandoned = new WeakSet<Promise<DataStore>>()
  /** Calls that may change the store, or hold it open, and have not settled, whoever has given up waiting for them. */
  readonly #unsettled = new Set<Promise<unknown>>()

  /** `identity` is what the store must say of itself whenever it is opened again. */
  constructor(store: DataStore, config: EngineConfig, events: Events, identity: StoreIdentity) {
    this.#store = store
    this.#config = config
    this.#events = events
    this.#identity = identity
    this.#logEpoch = identity.epoch
  }

  /** The store was away when its memory was opened: it is matched with the log when it answers. */
  startAway(error: unknown, log: FoundLog): void {
    this.#unmatched = log
    this.#down = storeDownError(error)
    // Listeners can be added only once the caller has the memory.
    this.#config.clock.soon(() => this.#comeBack())
  }

  get isDown(): boolean {
    return this.#down !== undefined
  }

  /** Why the store is down. */
  get downError(): AgentMemoryError | undefined {
    return this.#down
  }

  /** Whether no call is going on that may change the store. */
  get isIdle(): boolean {
    return this.#unsettled.size === 0
  }

  /** Resolves once no call is going on that may change the store, however long that takes. */
  async idle(): Promise<void> {
    while (!this.isIdle) await Promise.allSettled(this.#unsettled)
  }

  get kind(): string {
    return this.#config.store.kind
  }

  get isPersistent(): boolean {
    return this.#store.capabilities.persistent
  }

  /** One call of the store, with its deadline. STORE_DOWN while the store is down, and if it does not answer in time. */
  call<T>(work: (store: DataStore) => Promise<T>): Promise<T> {
    if (this.#down !== undefined) return Promise.reject(storeDownError(this.#down))
    return this.#timed(work(this.#store)).catch((error: unknown) => {
      // Its handle was closed under it: it is the store that has gone, and not the memory.
      const isClosed = error instanceof AgentMemoryError && error.code === 'CLOSED'
      if (isClosed && this.#down !== undefined) throw storeDownError(this.#down)
      throw error instanceof AgentMemoryError ? error : storeDownError(error)
    })
  }

  /**
   * Applies a run of frames, or changes that are given, and returns how far the store is then; or that it has refused them,
   * and is as it was. After an error the store is down.
   */
  async apply(request: RunRequest | ChangesRequest): Promise<RunOutcome> {
    if (this.#down !== undefined) throw storeDownError(this.#down)
    try {
      const outcome = await this.#timed(this.#noted(this.#run(request)))
      if (!this.#store.capabilities.durableCommit) await this.#timed(this.#store.flush())
      return outcome
    } catch (error) {
      // A damaged log is no fault of the store; opening it again would not help.
      if (!(error instanceof AgentMemoryError && error.code === 'LOG_CORRUPT')) this.#goDown(error)
      throw error
    }
  }

  /** Forces what was applied to stable storage; returns the LSN up to which it is there. */
  async flush(): Promise<number> {
    try {
      return await this.call(async store => {
        await store.flush()
        return store.flushedLsn()
      })
    } catch (error) {
      this.#goDown(error)
      throw this.#down ?? error
    }
  }

  /**
   * Says in a store that other folders reach that it has all of its log, which was closed clean at this mark: whoever opens
   * it next needs nothing else. It is one transaction; what is cut short leaves the log attached.
   */
  async detach(mark: Mark): Promise<void> {
    // By an epoch that the log does not have, its own folder would be taken for one that was followed.
    if (this.#store.capabilities.isShared !== true || this.#identity.epoch !== this.#logEpoch) return
    await this.apply({ changes: [], mark })
    await this.#timed(this.#noted(this.#store.setIdentity({ ...this.#identity, logId: undefined })))
  }

  /** Closes all handles. A store that does not close in time is left to the end of the process. */
  async close(): Promise<void> {
    this.#closed = true
    this.#wakeUp?.()
    await this.#reopening
    if (this.#down === undefined) await this.#closeHandles(true)
    // Its handles are being closed, or it was being opened: whoever opens the folder next must not meet them.
    else await Promise.allSettled([this.#timed(this.idle())])
  }

  async #run(request: RunRequest | ChangesRequest): Promise<RunOutcome> {
    const { inThread } = this.#config.store
    if ('changes' in request) return this.#thread?.run(request) ?? applyChanges(this.#store, request)
    const bytesWanted = this.#bytesTaken + request.to - request.from
    if (inThread !== undefined && (this.#thread !== undefined || bytesWanted > (inThread.fromBytes ?? 0))) {
      this.#thread ??= new CheckpointThread(inThread)
      return this.#thread.run(request)
    }
    const outcome = await runCheckpoint(this.#config.fileSystem, this.#store, request)
    if (outcome.refusal === undefined) this.#bytesTaken += outcome.result.mark.appliedPosition - request.from
    return outcome
  }

  #timed<T>(work: Promise<T>): Promise<T> {
    // What does not outlive this process has nothing to come back with: it is never given up and opened again.
    if (!this.#store.capabilities.persistent) return work
    const ms = this.#config.storeDeadlineMs
    return withDeadline(work, ms, this.#config.clock, () => storeDownError(new Error(`no answer within ${ms} ms`)))
  }

  #noted<T>(work: Promise<T>): Promise<T> {
    this.#unsettled.add(work)
    const settled = () => void this.#unsettled.delete(work)
    work.then(settled, settled)
    return work
  }

  #goDown(error: unknown): void {
    if (this.#down !== undefined || this.#closed) return
    this.#down = error instanceof AgentMemoryError && error.code === 'STORE_DOWN' ? error : storeDownError(error)
    this.#comeBack()
  }

  #comeBack(): void {
    if (this.#down === undefined || this.#closed) return
    this.#events.emit('storeDown', { error: this.#down })
    this.#reopening = this.#reopen().finally(() => {
      this.#reopening = undefined
    })
  }

  async #reopen(): Promise<void> {
    // A handle that has not closed may yet apply what it was given, over what a newer handle has applied since.
    let isFree = false
    void this.#noted(this.#closeHandles(false)).then(() => (isFree = true))
    for (let wait = BACKOFF_MS_MIN; !this.#closed; wait = Math.min(wait * 2, BACKOFF_MS_MAX)) {
      await this.#pause(wait * (0.5 + Math.random() / 2))
      if (this.#closed) return
      if (!isFree || this.#opening !== undefined) continue
      const found = await this.#tryOpen()
      if (found === undefined) continue
      this.#down = undefined
      this.#events.emit('storeUp', { lsn: found.mark.appliedLsn })
      this.onUp(found)
      return
    }
  }

  async #tryOpen(): Promise<FoundStore | undefined> {
    let store: DataStore | undefined
    try {
      store = await this.#timed(this.#openOnce())
      const isFirst = this.#unmatched !== undefined
      const identity = await this.#timed(store.identity())
      if (!isFirst) checkSame(identity, this.#identity)
      await this.#timed(store.flush())
      const mark = await this.#timed(store.mark())
      if (this.#unmatched !== undefined) await this.#attach(store, matched(this.#unmatched, identity, mark))
      checkNotOlder(mark, this.flushedLsn())
      const parked = await this.#timed(parkedIn(store))
      this.#store = store
      this.#unmatched = undefined
      return { mark, parked, isFirst }
    } catch (error) {
      const isMismatch = error instanceof AgentMemoryError && error.code !== 'STORE_DOWN'
      const wasTold = this.#down?.message === storeDownError(error).message
      this.#down = storeDownError(error)
      // It will not come back by itself: whoever waits for it is to know.
      if (this.#unmatched !== undefined && isMismatch && !wasTold) this.#events.emit('storeDown', { error: this.#down })
      if (store === undefined && this.#opening !== undefined) this.#abandoned.add(this.#opening)
      if (store !== undefined) await Promise.allSettled([this.#timed(this.#noted(store.close()))])
      return undefined
    }
  }

  async #attach(store: DataStore, identity: StoreIdentity): Promise<void> {
    await this.#timed(this.#noted(store.setIdentity(identity)))
    this.#identity = identity
  }

  /** One open at a time; a handle that comes when nobody waits for it any more is closed again. */
  #openOnce(): Promise<DataStore> {
    const opening = this.#config.store.open(false, openTerms(this.#config))
    const ended = () => {
      if (this.#opening === opening) this.#opening = undefined
    }
    this.#opening = opening
    const over = opening.then(store => (this.#abandoned.has(opening) ? store.close() : undefined))
    this.#noted(over).then(ended, ended)
    return opening
  }

  /** The worker's handle first: LevelDB's handles share what the first one opened, so that has to be closed last. */
  async #closeHandles(inTime: boolean): Promise<void> {
    const bounded = <T>(work: Promise<T>) => (inTime ? this.#timed(work) : work)
    const thread = this.#thread
    this.#thread = undefined
    if (thread !== undefined) {
      await Promise.allSettled([this.#timed(thread.close())])
      await thread.abandon()
    }
    await Promise.allSettled([bounded(this.#noted(this.#store.close()))])
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#config.clock.afterIfAlive(ms, resolve)
      this.#wakeUp = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}

export function openTerms({ storeDeadlineMs, folder }: EngineConfig): OpenTerms {
  return { deadlineMs: storeDeadlineMs, lockFile: lockPath(folder) }
}

function checkNotOlder(mark: Mark, flushedLsn: Lsn): void {
  if (mark.appliedLsn >= flushedLsn) return
  throw new AgentMemoryError('STORE_REGRESSED', {
    message: `The data store has come back with LSN ${mark.appliedLsn}, but it had LSN ${flushedLsn} before`,
    next: 'Put the newer store back: the log no longer has what lies between',
  })
}

function checkSame(found: StoreIdentity | undefined, expected: StoreIdentity): void {
  if (found?.storeId === expected.storeId && found?.logId === expected.logId && found?.epoch === expected.epoch) return
  throw new AgentMemoryError('WRONG_STORE', {
    message: `The data store that answers now is another one, or belongs to a newer owner (epoch ${found?.epoch}, ours ${expected.epoch})`,
    next: 'Put the right store back, or close this memory if another process has taken it over',
  })
}
