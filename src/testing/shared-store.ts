/**
 * A store in memory that several nodes of one process use at once, without logs: the shortest reading of `DirectStore`, for
 * tests of programs that run on many nodes. Nothing of it is kept.
 *
 *     const shared = new SharedStore()
 *     const a = await AgentMemory.open('a', { log: 'none', store: shared.opener() })
 *     const b = await AgentMemory.open('b', { log: 'none', store: shared.opener() })
 *
 * Every call does its work before it returns its promise: that is its transaction.
 */
import { AgentMemoryError } from '../core/errors.js'
import type { EncodedKey } from '../core/key.js'
import type { Change, DataStore, Mark, Page, StoreIdentity } from '../stores/data-store.js'
import type { DirectBatch, DirectOutcome, DirectStore, DirectUnit } from '../stores/direct-store.js'
import { InMemoryStore } from '../stores/in-memory.js'

interface WriterState {
  sequence: number
  /** `undefined`: nothing came of it, and nothing will. */
  outcomes: DirectOutcome[] | undefined
}

export class SharedStore {
  readonly #data = new InMemoryStore()
  readonly #versions = new Map<EncodedKey, number>()
  readonly #writers = new Map<string, WriterState>()
  #identity: StoreIdentity | undefined
  #version = 0

  /** What `AgentMemory.open` takes as its store: with `log: 'none'` for any number of nodes, or behind the log of one owner. */
  opener() {
    return { kind: 'shared', open: async () => this.#behindLog(), openDirect: async () => this.direct() }
  }

  /** One node's handle. */
  direct(): DirectStore {
    let epoch = 0
    let isClosed = false
    const check = () => {
      if (isClosed) throw closed()
      if (this.#identity !== undefined && this.#identity.logId !== undefined) throw ownedByLog()
    }
    return {
      capabilities: { kind: 'shared', durableCommit: true, persistent: true },
      attach: async storeId => {
        check()
        this.#identity ??= { storeId, logId: undefined, epoch: 1 }
        epoch = this.#identity.epoch
        return { ...this.#identity }
      },
      get: async key => {
        check()
        return this.#data.get(key)
      },
      getMany: async keys => {
        check()
        return this.#data.getMany(keys)
      },
      page: async page => {
        check()
        return this.#data.page(page)
      },
      write: async batch => {
        check()
        if (this.#identity?.epoch !== epoch) throw ownedByLog()
        return this.#write(batch)
      },
      settle: async (writer, sequence) => {
        check()
        const last = this.#writers.get(writer)
        if (last?.sequence === sequence) return last.outcomes
        this.#writers.set(writer, { sequence, outcomes: undefined })
        return undefined
      },
      forget: async writer => {
        check()
        this.#writers.delete(writer)
      },
      close: async () => {
        isClosed = true
      },
    }
  }

  #write({ writer, sequence, units }: DirectBatch): DirectOutcome[] {
    if ((this.#writers.get(writer)?.sequence ?? 0) >= sequence) {
      throw new Error(
        `The writer has sequence ${this.#writers.get(writer)!.sequence}, so that ${sequence} comes too late`,
      )
    }
    const outcomes = units.map(unit => this.#apply(unit))
    this.#writers.set(writer, { sequence, outcomes })
    return outcomes
  }

  #apply(unit: DirectUnit): DirectOutcome {
    const failed = unit.find(({ key, expected }) => expected !== undefined && this.#versionOf(key) !== expected)
    if (failed !== undefined) return { conflict: failed.key }
    const changes: Change[] = []
    const versions = unit.map(({ key, value }) => {
      this.#version += 1
      changes.push({ key, value: value?.(this.#version) })
      if (value === undefined) this.#versions.delete(key)
      else this.#versions.set(key, this.#version)
      return this.#version
    })
    // It does its work before it returns.
    void this.#data.apply(changes, { appliedLsn: 0, appliedPosition: 0 })
    return { versions }
  }

  #versionOf(key: EncodedKey): number | null {
    return this.#versions.get(key) ?? null
  }

  #behindLog(): DataStore {
    const data = this.#data
    let mark: Mark = { appliedLsn: this.#version, appliedPosition: 0 }
    return {
      capabilities: { kind: 'shared', durableCommit: true, persistent: true },
      identity: async () => this.#identity && { ...this.#identity },
      setIdentity: async identity => {
        this.#identity = { ...identity }
      },
      mark: async () => ({ ...mark }),
      get: key => data.get(key),
      getMany: keys => data.getMany(keys),
      page: (page: Page) => data.page(page),
      apply: async (changes, applied) => {
        await data.apply(changes, applied)
        mark = { ...applied }
      },
      flushedLsn: async () => mark.appliedLsn,
      flush: async () => {},
      close: async () => {},
    }
  }
}

function closed(): AgentMemoryError {
  return new AgentMemoryError('CLOSED', { message: 'The store is closed', next: 'Open it again' })
}

function ownedByLog(): AgentMemoryError {
  return new AgentMemoryError('OWNED_ELSEWHERE', {
    message: 'A log is attached to the store: one memory owns it',
    next: "Open it without { log: 'none' } where its log is, or give this memory a store of its own",
  })
}
