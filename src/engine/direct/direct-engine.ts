/**
 * A memory without a log, over a store that several nodes may share: direct mode. The store decides versions and conditions,
 * and a write is where it belongs once the store says so. docs/decisions/0015-direct-mode.md has the reasons.
 */
import type { CompressionTally } from '../../codec/compression.js'
import { isExpired } from '../../codec/extras.js'
import { AgentMemoryError, UnsettledWriteError } from '../../core/errors.js'
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import { ExpiryClock } from '../../io/expiry-clock.js'
import { LossBudget, type MaxLoss } from '../../policy/loss-budget.js'
import { Tier } from '../../tier/tier.js'
import type { EngineConfig } from '../config.js'
import { Events } from '../events.js'
import { closedError, failedError, withDeadline } from '../failures.js'
import { atRiskOf, type EngineState, type MemoryStatus } from '../inspection.js'
import type { CloseReport, MemoryEngine } from '../memory-engine.js'
import { Sweeper } from '../sweep.js'
import { Turns } from '../turns.js'
import { DirectFeeds } from './feeds.js'
import { DirectLink, type LinkConfig } from './link.js'
import { DirectReader } from './reader.js'
import { directPages } from './scan.js'
import { DirectWriter } from './writer.js'

export interface DirectConfig
  extends LinkConfig,
    Pick<EngineConfig, 'frameBytesMax' | 'queuedBytesMax' | 'tierBytesMax'> {
  /** How old what the tier holds may be before the store is asked again, in ms. */
  staleMs: number
}

export class DirectEngine implements MemoryEngine {
  readonly config: DirectConfig
  readonly events: Events
  readonly reader: DirectReader
  readonly writer: DirectWriter
  readonly scanner: MemoryEngine['scanner']
  readonly turns: Turns
  readonly feeds: DirectFeeds
  readonly compression: CompressionTally = { bytesBefore: 0, bytesAfter: 0 }
  readonly hasOneOrder = false
  /** What the store has is durable. */
  readonly durableLsn = Number.MAX_SAFE_INTEGER
  readonly #tier: Tier
  readonly #link: DirectLink
  readonly #expiry: ExpiryClock
  readonly #sweeper: Sweeper
  readonly #budgets = new Set<LossBudget>()
  #state: EngineState = 'open'
  #failure: AgentMemoryError | undefined
  #closing: Promise<CloseReport> | undefined

  static async open(config: DirectConfig, events = new Events()): Promise<DirectEngine> {
    return new DirectEngine(config, events, await DirectLink.open(config, events))
  }

  private constructor(config: DirectConfig, events: Events, link: DirectLink) {
    const { clock, staleMs } = config
    this.config = config
    this.events = events
    this.#link = link
    this.#tier = new Tier(config.tierBytesMax)
    this.#expiry = new ExpiryClock(clock)
    this.reader = new DirectReader({
      tier: this.#tier,
      link,
      clock,
      expiry: this.#expiry,
      staleMs,
      onExpiring: () => this.#sweeper.wake(),
      stored: () => this.writer.stored(),
    })
    this.writer = new DirectWriter({
      config,
      tier: this.#tier,
      link,
      reader: this.reader,
      events,
      budgets: this.#budgets,
      checkWritable: () => this.#checkWritable(),
      onFailed: error => this.#fail(error),
    })
    this.scanner = { pages: (range, pageSize) => directPages(this, link, range, pageSize) }
    this.feeds = new DirectFeeds(clock, staleMs)
    // What a list holds is asked of the store each time, and its head is written only if it is what was seen.
    const seen = { held: () => undefined, getMany: (keys: readonly EncodedKey[]) => this.reader.getMany(keys, true) }
    this.turns = new Turns(seen, this.writer, key => this.feeds.written(key), { areShared: true })
    this.#sweeper = new Sweeper({
      clock,
      expiry: this.#expiry,
      keeper: link,
      writer: this.writer,
      durability: 'write-through',
    })
  }

  /** The newest version that the store has given this node. */
  get lastLsn(): Lsn {
    return this.writer.lastVersion
  }

  addBudget(max: MaxLoss): LossBudget {
    const budget = new LossBudget(max)
    this.#budgets.add(budget)
    return budget
  }

  expiresWithin(expiresAt: number, ms: number): boolean {
    return isExpired(expiresAt, this.#expiry.now() + ms)
  }

  expiresAt(ttlMs: number): number {
    this.#sweeper.wake()
    return this.#expiry.now() + ttlMs
  }

  now(): number {
    return this.#expiry.now()
  }

  /** Resolves once the store has everything accepted so far; STORE_REFUSED if it has refused something meanwhile. */
  async flush(): Promise<Lsn> {
    this.#checkOpen()
    const { count } = this.writer.refused
    await this.writer.stored()
    const { refused } = this.writer
    if (refused.count > count) throw refused.error
    return this.lastLsn
  }

  checkpoint(): Promise<Lsn> {
    return this.flush()
  }

  /** There is no log that could have failed; a store that is down is opened again without being asked. */
  async reopen(): Promise<void> {
    this.#checkOpen()
    if (this.#state === 'failed') throw failedError(this.#failure)
  }

  status(): MemoryStatus {
    const { compression, config } = this
    const { downError, kind, identity } = this.#link
    const lsn = this.lastLsn
    return {
      state: this.#state,
      folder: '',
      folderKind: 'none',
      epoch: identity.epoch,
      lsn: { accepted: lsn, durable: lsn, inStore: lsn },
      atRisk: atRiskOf(this.#budgets, config.clock.monotonicMs()),
      log: { bytesPending: 0, segments: 0, syncs: 0, diskFull: false },
      pending: {
        entries: this.#tier.unstoredCount,
        dirty: this.#tier.dirtyCount,
        queuedBytes: this.writer.queuedBytes,
      },
      tier: { entries: this.#tier.entryCount, bytes: this.#tier.bytes, bytesMax: config.tierBytesMax },
      compression: { ...compression, ratio: compression.bytesBefore / compression.bytesAfter || 1 },
      deadLetters: { count: 0, error: undefined },
      store: { kind, state: downError === undefined ? 'up' : 'down', error: downError?.message },
      recovery: { frames: 0, records: 0, tornBytes: 0, cleanClose: true, created: false, durationMs: 0 },
    }
  }

  report(): CloseReport {
    return { inStore: this.lastLsn, inLog: 0, inDoubt: this.writer.sentCount, lost: this.#tier.dirtyCount }
  }

  close(deadlineMs: number): Promise<CloseReport> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  async #close(deadlineMs: number): Promise<CloseReport> {
    const hasFailed = this.#state === 'failed'
    this.#state = 'closing'
    this.#sweeper.stop()
    this.feeds.stop()
    if (!hasFailed) {
      await Promise.allSettled([withDeadline(this.writer.drained(), deadlineMs, this.config.clock, closedError)])
    }
    this.writer.stop(closedError())
    const report = this.report()
    await this.#link.close()
    this.#state = 'closed'
    return report
  }

  #fail(error: unknown): void {
    // What a close gives up is no failure.
    if (this.#state !== 'open') return
    // What is said of the batch that was on its way does not hold for what was never sent.
    const why = error instanceof UnsettledWriteError ? error.cause : error
    this.#state = 'failed'
    this.#failure = why instanceof AgentMemoryError ? why : failedError(why)
    this.writer.stop(this.#failure)
    this.events.emit('failed', { error: this.#failure })
  }

  #checkOpen(): void {
    if (this.#state === 'closing' || this.#state === 'closed') throw closedError()
  }

  #checkWritable(): void {
    this.#checkOpen()
    if (this.#state === 'failed') throw this.#failure
  }
}
