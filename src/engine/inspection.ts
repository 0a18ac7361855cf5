/** The state of a memory as one plain object. */
import type { CompressionTally } from '../codec/compression.js'
import type { Lsn } from '../core/lsn.js'
import type { Log } from '../log/log.js'
import type { AtRisk, LossBudget } from '../policy/loss-budget.js'
import type { Tier } from '../tier/tier.js'
import type { Checkpointer } from './checkpoint.js'
import type { EngineConfig } from './config.js'
import type { DeadLetters } from './dead-letters.js'
import type { Flusher } from './flush.js'
import type { RecoveryReport } from './recovery.js'
import type { StoreKeeper } from './store-keeper.js'
import type { Writer } from './write.js'

export type EngineState = 'open' | 'failed' | 'closing' | 'closed'

/** What a status is read from. */
export interface Inspected {
  state: EngineState
  config: EngineConfig
  folderKind: string
  epoch: number
  tier: Tier
  keeper: StoreKeeper
  flusher: Flusher
  checkpointer: Checkpointer
  writer: Writer
  deadLetters: DeadLetters
  log: Log
  compression: CompressionTally
  budgets: ReadonlySet<LossBudget>
  diskFull: Error | undefined
  recovery: RecoveryReport
}

export interface MemoryStatus {
  state: EngineState
  folder: string
  /** Kind of file system, where it can be told: a `tmpfs` or `overlay` does not outlive its machine or container. */
  folderKind: string
  epoch: number
  lsn: { accepted: Lsn; durable: Lsn; inStore: Lsn }
  /** What a crash could lose now of what was acknowledged as write-back. */
  atRisk: AtRisk
  log: { bytesPending: number; segments: number; syncs: number; diskFull: boolean }
  /** Entries that the store does not have yet, and how many of them not even the log has. */
  pending: { entries: number; dirty: number; queuedBytes: number }
  tier: { entries: number; bytes: number; bytesMax: number }
  /**
   * Values that this process has encoded for maps with compression, also those that were left as they are: their bytes,
   * those that are stored, and how many times fewer these are (1 if there were none).
   */
  compression: { bytesBefore: number; bytesAfter: number; ratio: number }
  store: { kind: string; state: 'up' | 'down'; error: string | undefined }
  /** What the store has refused. `error` is set while it refuses more than can be kept, and so is given nothing. */
  deadLetters: { count: number; error: string | undefined }
  recovery: RecoveryReport
}

export function statusOf(engine: Inspected): MemoryStatus {
  const { config, tier, keeper, flusher, checkpointer, log, compression } = engine
  return {
    state: engine.state,
    folder: config.folder,
    folderKind: engine.folderKind,
    epoch: engine.epoch,
    lsn: { accepted: flusher.lastLsn, durable: flusher.durableLsn, inStore: checkpointer.flushedLsn },
    atRisk: atRisk(engine),
    log: {
      bytesPending: log.bytesSince(checkpointer.mark.appliedPosition),
      segments: log.segmentCount,
      syncs: log.syncs,
      diskFull: engine.diskFull !== undefined,
    },
    pending: { entries: tier.unstoredCount, dirty: tier.dirtyCount, queuedBytes: engine.writer.queuedBytes },
    tier: { entries: tier.entryCount, bytes: tier.bytes, bytesMax: config.tierBytesMax },
    compression: { ...compression, ratio: compression.bytesBefore / compression.bytesAfter || 1 },
    store: { kind: keeper.kind, state: keeper.isDown ? 'down' : 'up', error: keeper.downError?.message },
    deadLetters: { count: engine.deadLetters.count, error: checkpointer.blocked?.message },
    recovery: engine.recovery,
  }
}

function atRisk(engine: Inspected): AtRisk {
  const now = engine.config.clock.monotonicMs()
  const sum: AtRisk = { writes: 0, bytes: 0, oldestMs: 0 }
  for (const budget of engine.budgets) {
    const each = budget.atRisk(now)
    sum.writes += each.writes
    sum.bytes += each.bytes
    sum.oldestMs = Math.max(sum.oldestMs, each.oldestMs)
  }
  return sum
}
