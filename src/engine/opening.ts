/** Opening a memory: its folder's lock, its store and its log, and what a crash has left of them. */
import type { FileLock } from '../io/file-system.js'
import type { DataStore } from '../stores/data-store.js'
import { Tier } from '../tier/tier.js'
import { absentStore } from './absent-store.js'
import type { EngineConfig } from './config.js'
import { parkedIn } from './dead-letter.js'
import type { Events } from './events.js'
import { neededError } from './failures.js'
import {
  folderError,
  prepareFolder,
  readOrMakeIdentity,
  signOwnership,
  takeOwnership,
  writeIdentity,
} from './memory-folder.js'
import { ParkedWrites } from './parked-writes.js'
import { type Recovered, type RecoveryReport, recover, recoverAlone } from './recovery.js'
import { openTerms, StoreKeeper } from './store-keeper.js'

/** What an open has brought together, for the engine to go on with. */
export interface OpenedParts {
  lock: FileLock
  tier: Tier
  keeper: StoreKeeper
  parked: ParkedWrites
  recovered: Recovered
  report: RecoveryReport
  folderKind: string
}

/** Opens the memory in a folder, or makes it. What it has taken is given back if it fails. */
export async function openParts(config: EngineConfig, events: Events): Promise<OpenedParts> {
  const { fileSystem, folder, clock } = config
  let lock: FileLock | undefined
  try {
    const started = clock.monotonicMs()
    await prepareFolder(fileSystem, folder)
    lock = await takeOwnership(fileSystem, folder)
    const identity = await readOrMakeIdentity(fileSystem, folder, config.store.kind)
    const { store, away } = await openStore(config, identity.complete)
    const tier = new Tier(config.tierBytesMax)
    let recovered: Recovered | undefined
    let parked: ParkedWrites
    let folderKind: string
    try {
      recovered = away === undefined ? await recover(config, identity, store, tier) : await recoverAlone(config, tier)
      if (recovered === undefined) throw away
      parked = new ParkedWrites(tier, events, away === undefined ? await parkedIn(store) : undefined)
      if (!identity.complete) await writeIdentity(fileSystem, folder, { ...identity, complete: true })
      await signOwnership(lock, recovered.identity.epoch)
      folderKind = await fileSystem.kindOf(folder)
    } catch (error) {
      await Promise.allSettled([store.close(), recovered?.log.close()])
      throw error
    }
    const report = { ...recovered.report, durationMs: clock.monotonicMs() - started }
    const keeper = new StoreKeeper(store, config, events, recovered.identity)
    if (recovered.unmatched !== undefined) keeper.startAway(away, recovered.unmatched)
    return { lock, tier, keeper, parked, recovered, report, folderKind }
  } catch (error) {
    // What came first is told; a lock whose file does not close ends with the process.
    await Promise.allSettled([lock?.release()])
    throw folderError(folder, error)
  }
}

/** A store that is away is none for a memory that has never had one. */
async function openStore(config: EngineConfig, isKnown: boolean): Promise<{ store: DataStore; away: unknown }> {
  const { store } = config
  try {
    return { store: await store.open(!isKnown, openTerms(config)), away: undefined }
  } catch (error) {
    if (store.isAway?.(error) !== true) throw error
    if (!isKnown) throw neededError(error as Error)
    return { store: absentStore(store.kind, error), away: error }
  }
}
