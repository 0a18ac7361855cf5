/**
 * The conformance suite for authors of stores: it checks all that `DataStore` promises, by the store's declared
 * capabilities, and nothing else. docs/writing-a-store.md walks through it.
 *
 *     storeSuite({ name: 'my store', open: () => openMyStore(newFolder()), reopen: … })
 */
import { test as nodeTest } from 'node:test'
import type { DataStore } from '../stores/data-store.js'
import { basicCases } from './store-suite-basics.js'
import type { StoreCase, StoreUnderTest } from './store-suite-cases.js'
import { modelCase } from './store-suite-model.js'
import { momentCases } from './store-suite-moments.js'
import { orderCases } from './store-suite-order.js'

export interface StoreSuiteOptions {
  /** Starts the name of each test. */
  name: string
  /** Opens a store with nothing in it, apart from all that were opened before. */
  open: () => Promise<DataStore>
  /**
   * Opens once more, after the suite has closed it, a store that `open` or `reopen` returned. Needed of stores whose
   * capabilities say `persistent`.
   */
  reopen?: (closed: DataStore) => Promise<DataStore>
  /** Removes what a store, now closed, has left behind. */
  destroy?: (closed: DataStore) => Promise<void>
  /** Registers one test. By default that of node:test; `it` of another runner does as well. */
  test?: (name: string, body: () => Promise<void>) => unknown
  /** Of the random test; by default another one each time. A failure prints it. */
  seed?: number
}

/** Registers one test for each promise of the contract. */
export function storeSuite(options: StoreSuiteOptions): void {
  const test = options.test ?? ((name, body) => nodeTest(name, body))
  const seed = options.seed ?? Math.floor(Math.random() * 0x1_0000_0000)
  for (const { name, body } of [...basicCases, ...orderCases, ...momentCases, modelCase(seed)]) {
    test(`${options.name}: ${name}`, () => runCase(options, body))
  }
}

async function runCase(options: StoreSuiteOptions, body: StoreCase['body']): Promise<void> {
  let store = await options.open()
  const under: StoreUnderTest = {
    get store() {
      return store
    },
    async reopen() {
      if (!store.capabilities.persistent) return false
      if (options.reopen === undefined) throw new TypeError('A persistent store has to give the suite `reopen`')
      await store.close()
      store = await options.reopen(store)
      return true
    },
  }
  try {
    await body(under)
  } finally {
    await store.close()
    await options.destroy?.(store)
  }
}
