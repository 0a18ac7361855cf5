/**
 * The contract of a store that several nodes use at once, each without a log: direct mode. The store decides versions and
 * conditions in a transaction of its own.
 *
 * A node sends one batch at a time, under numbers that rise. The store keeps the last number of each node, with what came
 * of it, in the transaction of the batch. So a node whose call was cut short asks (`settle`), and is told what came of it;
 * or that nothing did, and from then on nothing will.
 */
import type { EncodedKey } from '../core/key.js'
import type { DataStore, StoreIdentity } from './data-store.js'

/** One write of a node. */
export interface DirectWrite {
  key: EncodedKey
  /** The version that the key's entry must have, `null` for no entry, `undefined` for any. */
  expected: number | null | undefined
  /** The stored form of the value under the version that the store gives it; `undefined` for a delete. */
  value: ((version: number) => Buffer) | undefined
}

/** Writes, of unique keys, that take effect together or not at all, apart from other units. Never empty. */
export type DirectUnit = readonly DirectWrite[]

/** Units in the order in which they take effect, in one transaction. */
export interface DirectBatch {
  /** The node: 32 hex digits, of this one open. */
  writer: string
  /** Rises from batch to batch of a writer. */
  sequence: number
  units: readonly DirectUnit[]
}

/** What came of a unit: the versions of its writes, deletes included; or the first condition that did not hold. */
export type DirectOutcome = { versions: number[] } | { conflict: EncodedKey }

export interface DirectStore extends Pick<DataStore, 'capabilities' | 'get' | 'getMany' | 'page' | 'close'> {
  /**
   * Makes the store one of direct mode, if it has no identity yet: under this id. Returns what it is, and binds the handle
   * to it. Rejects OWNED_ELSEWHERE while a log is attached.
   */
  attach(storeId: string): Promise<StoreIdentity>
  /**
   * Applies each unit whose conditions hold, sees it in the conditions of those behind it, and keeps the outcomes as those
   * of the writer's sequence, in one transaction that is durable when this returns. Versions are whole numbers from 1, no
   * two writes of a key have the same, and a later write of a key has a higher one, also behind a delete.
   *
   * Rejects, and changes nothing, if the store has a sequence of the writer that is not lower; OWNED_ELSEWHERE if a log has
   * been attached; STORE_REFUSED for bad data: a write that it will never take as it is, while it would take all others.
   * After any other error the outcome is unknown.
   */
  write(batch: DirectBatch): Promise<DirectOutcome[]>
  /**
   * What came of the batch of a sequence; `undefined` if nothing did: then nothing ever will, however late the call
   * arrives that was cut short. Asked again it says the same.
   */
  settle(writer: string, sequence: number): Promise<DirectOutcome[] | undefined>
  /** The writer is gone, asks no more, and has no call that could still arrive. One that has died is forgotten after a day. */
  forget(writer: string): Promise<void>
}
