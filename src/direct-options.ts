/** Options of a memory without a log: direct mode. */
import { WrongCallError } from './core/errors.js'
import type { EngineConfig } from './engine/config.js'
import type { DirectConfig } from './engine/direct/direct-engine.js'
import { needsLogError } from './engine/failures.js'
import { badOption, integer } from './option-checks.js'
import type { Durability } from './policy/durability.js'
import type { Rule } from './policy/rules.js'

/** They speak of the log, of its folder, or of what moves from it to the store. */
const OF_THE_LOG = [
  'folder',
  'onLogLost',
  'logBytesMax',
  'pendingEntriesMax',
  'checkpointMs',
  'segmentBytesMax',
  'fileSystem',
] as const

const STALE_MS = 1000

/** `undefined` for a memory with a log. INVALID_OPTION for options that do not go together, or a store of one owner. */
export function parseDirect(
  options: { log?: unknown; staleMs?: unknown },
  { store, clock, frameBytesMax, queuedBytesMax, tierBytesMax, storeDeadlineMs }: EngineConfig,
): DirectConfig | undefined {
  const { log, staleMs } = options
  if (log === undefined) {
    if (staleMs === undefined) return undefined
    throw badOption('staleMs', staleMs, "it with { log: 'none' } only: behind a log no other node changes the store")
  }
  if (log !== 'none') throw badOption('log', log, "'none' for direct mode, or leave it out")
  const given = OF_THE_LOG.find(name => (options as Record<string, unknown>)[name] !== undefined)
  if (given !== undefined) {
    throw new WrongCallError('INVALID_OPTION', {
      message: `The option "${given}" was given beside { log: 'none' }`,
      next: 'Leave one of them out: without a log there is nothing that it could speak of',
    })
  }
  if (store.openDirect === undefined) {
    throw new WrongCallError('INVALID_OPTION', {
      message: `The store "${store.kind}" takes its versions from the log, and { log: 'none' } was given`,
      next: 'Leave { log: \'none\' } out, or give a store that decides versions itself (docs/stores.md, "Without a log")',
    })
  }
  return {
    clock,
    frameBytesMax,
    queuedBytesMax,
    tierBytesMax,
    storeDeadlineMs,
    staleMs: integer(staleMs as number | undefined, 'staleMs', STALE_MS, 0, 2 ** 31 - 1),
    openStore: () => store.openDirect!(storeDeadlineMs),
  }
}

/** INVALID_OPTION for what asks for a log where there is none. `what` begins a sentence about it. */
export function checkDurabilities(
  isDirect: boolean,
  what: string,
  durability: Durability | undefined,
  rules: readonly Rule[],
): void {
  if (isDirect && [durability, ...rules.map(rule => rule.durability)].includes('write-ahead')) throw needsLogError(what)
}
