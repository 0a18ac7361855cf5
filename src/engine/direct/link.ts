/**
 * A node's link to a store that it shares. Calls have a deadline, one batch is on its way at a time, and a batch whose
 * outcome is unknown is settled before anything else is sent: the store says what came of it, or that nothing ever will.
 */
import { AgentMemoryError } from '../../core/errors.js'
import type { Clock } from '../../io/clock.js'
import type { StoreIdentity } from '../../stores/data-store.js'
import type { DirectOutcome, DirectStore, DirectUnit } from '../../stores/direct-store.js'
import type { Events } from '../events.js'
import { closedError, outcomeUnknownError, storeDownError, withDeadline } from '../failures.js'
import { randomId } from '../memory-folder.js'

export interface LinkConfig {
  clock: Clock
  /** Longest wait for one call of the store, in ms. */
  storeDeadlineMs: number
  openStore(): Promise<DirectStore>
}

// As for a store behind a log (store-keeper.ts).
const BACKOFF_MS_MIN = 100
const BACKOFF_MS_MAX = 5000
/** After these nothing is tried again: the store is not ours any more, or another one. */
const FINAL = new Set(['OWNED_ELSEWHERE', 'WRONG_STORE'])

export class DirectLink {
  readonly identity: StoreIdentity
  readonly kind: string
  readonly #config: LinkConfig
  readonly #events: Events
  readonly #writer = randomId()
  #store: DirectStore
  #sequence = 0
  /** A call that was settled to be of no effect may arrive yet, and must find its number taken. */
  #mayBeLate = false
  #down: AgentMemoryError | undefined
  #isClosed = false
  #wakeUp: (() => void) | undefined
  #sending: Promise<unknown> = Promise.resolve()

  /** OWNED_ELSEWHERE while a log is attached to the store. */
  static async open(config: LinkConfig, events: Events): Promise<DirectLink> {
    const store = await openStore(config)
    try {
      const identity = await timed(config, store.attach(randomId()))
      return new DirectLink(config, events, store, identity)
    } catch (error) {
      await Promise.allSettled([store.close()])
      throw error instanceof AgentMemoryError ? error : storeDownError(error)
    }
  }

  private constructor(config: LinkConfig, events: Events, store: DirectStore, identity: StoreIdentity) {
    this.#config = config
    this.#events = events
    this.#store = store
    this.identity = identity
    this.kind = store.capabilities.kind
  }

  /** Why the store is down; `undefined` if it is up. */
  get downError(): AgentMemoryError | undefined {
    return this.#down
  }

  /** One call that changes nothing. STORE_DOWN while the store is down, and if it does not answer in time. */
  call<T>(work: (store: DirectStore) => Promise<T>): Promise<T> {
    if (this.#down !== undefined) return Promise.reject(storeDownError(this.#down))
    return timed(this.#config, work(this.#store)).catch((error: unknown) => {
      throw error instanceof AgentMemoryError ? error : storeDownError(error)
    })
  }

  /**
   * What came of the units, each of which takes effect once or not at all, however long the store is down meanwhile. One
   * call at a time. Rejects STORE_REFUSED, or OWNED_ELSEWHERE if a log owns the store now: it has taken nothing then;
   * OUTCOME_UNKNOWN if it cannot be settled any more.
   */
  send(units: readonly DirectUnit[]): Promise<DirectOutcome[]> {
    const sent = this.#send(units)
    this.#sending = Promise.allSettled([sent])
    return sent
  }

  /** Gives up what has not been settled. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#wakeUp?.()
    if (this.#down === undefined) {
      await Promise.allSettled([timed(this.#config, this.#sending)])
      if (!this.#mayBeLate) await Promise.allSettled([timed(this.#config, this.#store.forget(this.#writer))])
    }
    await Promise.allSettled([timed(this.#config, this.#store.close())])
  }

  async #send(units: readonly DirectUnit[]): Promise<DirectOutcome[]> {
    for (;;) {
      if (this.#isClosed) throw closedError()
      const batch = { writer: this.#writer, sequence: ++this.#sequence, units }
      try {
        return await timed(this.#config, this.#store.write(batch))
      } catch (error) {
        if (isFinal(error) || isRefusal(error)) throw error
        const outcomes = await this.#settled(batch.sequence, error)
        if (outcomes !== undefined) return outcomes
        this.#mayBeLate = true
      }
    }
  }

  /** Opens the store again until it has said what came of a batch. */
  async #settled(sequence: number, cause: unknown): Promise<DirectOutcome[] | undefined> {
    this.#down = storeDownError(cause)
    this.#events.emit('storeDown', { error: this.#down })
    // What it is still doing is of no effect once the sequence has been settled.
    void Promise.allSettled([this.#store.close()])
    for (let wait = BACKOFF_MS_MIN; ; wait = Math.min(wait * 2, BACKOFF_MS_MAX)) {
      await this.#pause(wait * (0.5 + Math.random() / 2))
      if (this.#isClosed) throw unsettled(closedError())
      let store: DirectStore | undefined
      try {
        store = await openStore(this.#config)
        checkSame(await timed(this.#config, store.attach(this.identity.storeId)), this.identity)
        const outcomes = await timed(this.#config, store.settle(this.#writer, sequence))
        this.#store = store
        this.#down = undefined
        this.#events.emit('storeUp', { lsn: 0 })
        return outcomes
      } catch (error) {
        if (store !== undefined) void Promise.allSettled([store.close()])
        this.#down = storeDownError(error)
        if (isFinal(error)) throw unsettled(error)
      }
    }
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

/** A handle that comes when nobody waits for it any more is closed again. */
async function openStore(config: LinkConfig): Promise<DirectStore> {
  const opening = config.openStore()
  try {
    return await timed(config, opening)
  } catch (error) {
    opening.then(store => store.close()).catch(() => {})
    throw error
  }
}

function timed<T>({ clock, storeDeadlineMs: ms }: LinkConfig, work: Promise<T>): Promise<T> {
  return withDeadline(work, ms, clock, () => storeDownError(new Error(`no answer within ${ms} ms`)))
}

function unsettled(cause: unknown): Error {
  return outcomeUnknownError(cause, () => Promise.reject(cause))
}

function isFinal(error: unknown): boolean {
  return error instanceof AgentMemoryError && FINAL.has(error.code)
}

/** The store has answered that it does not take it, so nothing of it can come late. */
export function isRefusal(error: unknown): error is AgentMemoryError {
  return error instanceof AgentMemoryError && error.code === 'STORE_REFUSED'
}

function checkSame(found: StoreIdentity, expected: StoreIdentity): void {
  if (found.storeId === expected.storeId && found.epoch === expected.epoch) return
  throw new AgentMemoryError('WRONG_STORE', {
    message: `The data store that answers now is another one, or had an owner meanwhile (epoch ${found.epoch}, ours ${expected.epoch})`,
    next: 'Close this memory, and open it again on the store that is meant',
  })
}
