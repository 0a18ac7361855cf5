/**
 * Engines that are open in this process, by folder: a second open of the same memory (a hot reload, two bundles of one
 * program) shares the engine of the first, and the last one to close closes it.
 */
import { realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { WrongCallError } from './core/errors.js'
import type { EncodedKey } from './core/key.js'
import { DirectEngine } from './engine/direct/direct-engine.js'
import { Engine } from './engine/engine.js'
import { closedError, withDeadline } from './engine/failures.js'
import type { CloseReport, MemoryEngine } from './engine/memory-engine.js'
import { nodeFileSystem } from './io/node-file-system.js'
import type { MapCore } from './memory-map.js'
import type { MemoryConfig } from './options.js'
import type { LossBudget } from './policy/loss-budget.js'
import { identityOf } from './policy/rules.js'
import { Orphans } from './shapes/orphans.js'

export interface SharedEngine {
  engine: MemoryEngine
  config: MemoryConfig
  /** The loss bound of all maps that declare none. */
  budget: LossBudget
  /** By what leads the keys of each. */
  maps: Map<EncodedKey, MapCore>
  /** Chunks of blobs that are to be removed; `undefined` without a log. */
  orphans: Orphans | undefined
  /** How many memories of this process use it. */
  handles: number
  /** Under what it is registered; `undefined` if it is not shared. */
  registeredAs: string | undefined
}

interface Opened {
  shared: Promise<SharedEngine>
  fingerprint: string
  /** Set once the last handle is being closed: an open that comes then waits for it. */
  closing: Promise<CloseReport> | undefined
}

// Kept on the global object: two copies of this module in one process (two bundles) must find each other.
const REGISTRY = Symbol.for('holdfast.engines.1')

function registry(): Map<string, Opened> {
  const holder = globalThis as { [REGISTRY]?: Map<string, Opened> }
  holder[REGISTRY] ??= new Map()
  return holder[REGISTRY]
}

/** Opens the engine of a folder, or shares the one that is open. OPTIONS_DIFFER if that was opened with others. */
export async function openShared(config: MemoryConfig): Promise<SharedEngine> {
  // Without a log each open is a node of its own.
  if (config.direct !== undefined || config.engine.fileSystem !== nodeFileSystem) return open(config, undefined)
  const folder = canonical(config.engine.folder)
  const fingerprint = fingerprintOf(config)
  for (;;) {
    const found = registry().get(folder)
    if (found === undefined) return openFirst(folder, fingerprint, config)
    const shared = await found.shared.catch(() => undefined)
    if (shared === undefined) continue
    if (found.closing !== undefined) {
      await Promise.allSettled([found.closing])
      continue
    }
    if (found.fingerprint !== fingerprint) throw optionsDiffer(folder)
    shared.handles += 1
    return shared
  }
}

/** Gives up one handle. The last one closes the engine; another only makes sure that all is in the log. */
export async function closeShared(shared: SharedEngine, deadlineMs: number): Promise<CloseReport> {
  const { engine } = shared
  shared.handles -= 1
  if (shared.handles > 0) {
    // What does not get done in time goes on: others have the memory open still.
    await Promise.allSettled([withDeadline(engine.flush(), deadlineMs, shared.config.engine.clock, closedError)])
    return { ...engine.report(), lost: 0 }
  }
  for (const { readThrough } of shared.maps.values()) readThrough?.close()
  const closing = engine.close(deadlineMs)
  if (shared.registeredAs === undefined) return closing
  const opened = registry().get(shared.registeredAs)
  if (opened !== undefined) opened.closing = closing
  try {
    return await closing
  } finally {
    registry().delete(shared.registeredAs)
  }
}

async function openFirst(folder: string, fingerprint: string, config: MemoryConfig): Promise<SharedEngine> {
  const opened: Opened = { shared: open(config, folder), fingerprint, closing: undefined }
  registry().set(folder, opened)
  try {
    return await opened.shared
  } catch (error) {
    registry().delete(folder)
    throw error
  }
}

async function open(config: MemoryConfig, registeredAs: string | undefined): Promise<SharedEngine> {
  const rest = { config, maps: new Map(), handles: 1, registeredAs }
  if (config.direct !== undefined) {
    const engine = await DirectEngine.open(config.direct)
    return { ...rest, engine, budget: engine.addBudget(config.maxLoss), orphans: undefined }
  }
  const engine = await Engine.open(config.engine)
  return { ...rest, engine, budget: engine.addBudget(config.maxLoss), orphans: new Orphans(engine) }
}

function fingerprintOf({ engine, durability, rules, maxLoss }: MemoryConfig): string {
  const { store, fileSystem: _fileSystem, clock: _clock, folder: _folder, ...numbers } = engine
  const place = store.place && canonical(store.place)
  return JSON.stringify([durability, identityOf(rules), maxLoss, store.kind, place, numbers])
}

/** The folder's real path, as far as it exists: two spellings of one folder are one memory. */
function canonical(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    // It does not exist yet: its parent decides.
    const parent = dirname(path)
    return parent === path ? path : join(canonical(parent), basename(path))
  }
}

function optionsDiffer(folder: string): WrongCallError {
  return new WrongCallError('OPTIONS_DIFFER', {
    message: `The memory in ${folder} is open in this process with other options`,
    next: 'Open it with the same options to share it, or close it first',
  })
}
