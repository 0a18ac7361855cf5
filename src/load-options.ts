/** Options of a map that loads what it does not hold. */
import type { Key } from './core/key.js'
import { badOption, parseTtl } from './option-checks.js'

/** What a load is given besides the key. */
export interface LoadContext {
  /** The segments of the scope that the map was asked in; none for that of the memory. */
  readonly scope: readonly string[]
  /** Aborted when the memory is closed. */
  readonly signal: AbortSignal
}

export interface LoadOptions<K extends Key, V> {
  /**
   * Makes the value of a key that the map does not hold: `get` and `getMany` call it, once for all callers that wait for
   * the key, and the map keeps what it gives. `undefined` is for a key that has no value. What it throws rejects those
   * callers.
   *
   * It is code, not a setting: where a map is opened again, the function that was given last is used from then on.
   *
   * @see docs/loading.md
   */
  load?(key: K, context: LoadContext): V | undefined | Promise<V | undefined>
  /**
   * For how long, after `ttlMs`, an entry is still served while it is loaded anew, in ms. It expires after both.
   *
   * @defaultValue not at all
   */
  staleMs?: number
  /**
   * For how long it is kept that a key has no value, in ms; then it is loaded again.
   *
   * @defaultValue not at all
   */
  negativeTtlMs?: number
}

/** As a map's load takes it: any keys, any values. */
export type Load = (key: Key, context: LoadContext) => unknown

/** How a map loads, checked. */
export interface Loading {
  load: Load
  /** 0: not at all. */
  staleMs: number
  /** 0: not at all. */
  negativeTtlMs: number
}

/** Checks the options that say how a map loads; `undefined` if it does not. */
export function parseLoading(options: LoadOptions<Key, unknown> & { ttlMs?: number }): Loading | undefined {
  const { load, staleMs, negativeTtlMs, ttlMs } = options
  if (load !== undefined && typeof load !== 'function') throw badOption('load', load, 'a function of a key')
  for (const [name, ms] of Object.entries({ staleMs, negativeTtlMs })) {
    if (ms === undefined) continue
    parseTtl(ms, name)
    if (load === undefined) throw badOption(name, ms, 'it to a map that has load, which it is about')
  }
  if (load === undefined) return undefined
  if (staleMs !== undefined && ttlMs === undefined)
    throw badOption('staleMs', staleMs, 'ttlMs as well, after which it begins')
  return { load, staleMs: staleMs ?? 0, negativeTtlMs: negativeTtlMs ?? 0 }
}
