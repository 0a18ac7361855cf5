/** A store of LangGraph over a memory: what agents remember across threads, by namespace and key. */
import { BaseStore, type Item, type OperationResults, validateNamespace } from '@langchain/langgraph-checkpoint'
import { AgentMemory, AgentMemoryError } from '../../index.js'
import { StoreHome } from './store-home.js'
import type { StoredItem } from './store-items.js'
import { type ItemKey, idOf, partsOfKey } from './store-keys.js'
import { listNamespaces } from './store-namespaces.js'
import { type Put, parseOperations, type Read, type StoreOperation } from './store-operations.js'
import {
  checkPutOptions,
  checkStoreOptions,
  type HoldfastStoreFromOptions,
  type HoldfastStoreOptions,
  type StorePutOptions,
} from './store-options.js'
import { search } from './store-search.js'

/**
 * Keeps items under a namespace and a key: values as they are (or refused), each put as durable as it says, a batch whole or
 * not at all, namespaces by whole labels.
 *
 * @example
 * ```ts
 * const store = new HoldfastStore(memory)
 * const graph = builder.compile({ store })
 * await store.put(['acme', 'user-1'], 'food', { likes: 'pizza' }, undefined, { durability: 'write-through' })
 * ```
 */
export class HoldfastStore extends BaseStore implements AsyncDisposable {
  readonly #options: HoldfastStoreOptions
  readonly #open: (() => Promise<AgentMemory>) | undefined
  #home: StoreHome | undefined
  #opening: Promise<StoreHome> | undefined
  #isClosed = false

  /** @param memory - stays open when the store is closed. A function that opens one is called at first use, once. */
  constructor(memory: AgentMemory | (() => Promise<AgentMemory>), options: HoldfastStoreOptions = {}) {
    super()
    checkStoreOptions(options)
    this.#options = { ...options }
    if (typeof memory === 'function') this.#open = memory
    else this.#home = new StoreHome(memory, this.#options)
  }

  /** A store in a memory of its own, which is opened at first use. Close it at the end. */
  static from(location: string, { memory, ...options }: HoldfastStoreFromOptions = {}): HoldfastStore {
    return new HoldfastStore(() => AgentMemory.open(location, memory), options)
  }

  /**
   * Does many operations. Its reads see what was there before its puts, and its puts are written as one batch: all of them
   * or none, as durable as the strongest of them. Of several puts of one item the last counts. If an operation is wrong,
   * nothing is written.
   *
   * @throws InvalidNamespaceError, INVALID_ARGUMENT, INVALID_OPTION for a wrong operation; VALUE_UNSUPPORTED for what cannot
   * be kept as it is; BATCH_TOO_LARGE, KEY_TOO_LONG
   */
  override async batch<Op extends readonly StoreOperation[]>(operations: Op): Promise<OperationResults<Op>> {
    const parsed = parseOperations(operations)
    const home = this.#home ?? (await this.#opened())
    const reads = parsed.filter((each): each is Read => each.kind !== 'put')
    const puts = new Map<string, Put>()
    for (const each of parsed) if (each.kind === 'put') puts.set(idOf(each.key), each)

    const shown = new Map<string, ItemKey>()
    const reading = reads.length === 0 ? undefined : readAll(home, reads, shown)
    const isSlow = home.index !== undefined && reads.some(each => each.kind === 'search' && each.query !== undefined)
    const writing = puts.size === 0 ? undefined : home.put([...puts.values()], reading ?? Promise.resolve(), isSlow)
    const [results = []] = await Promise.all([reading, writing])
    for (const id of puts.keys()) shown.delete(id)
    // One that cannot be written is no failure of the read: the items then expire when they would have.
    if (shown.size > 0) await home.refresh([...shown.values()]).catch(() => {})
    let at = 0
    return parsed.map(each => (each.kind === 'put' ? undefined : results[at++])) as OperationResults<Op>
  }

  /**
   * Writes an item. `index` says which paths of the value have the text for searches with a query; `false`: none.
   *
   * @throws as {@link batch}; InvalidNamespaceError also for a namespace under `langgraph`
   */
  override async put(
    namespace: string[],
    key: string,
    value: Record<string, unknown>,
    index?: false | string[],
    options: StorePutOptions = {},
  ): Promise<void> {
    if (Array.isArray(namespace)) validateNamespace(namespace)
    checkPutOptions(options)
    await this.batch([{ namespace, key, value, index, ...options } as StoreOperation])
  }

  /** Removes an item. Removing one that is absent is no error. */
  override async delete(
    namespace: string[],
    key: string,
    options: Pick<StorePutOptions, 'durability'> = {},
  ): Promise<void> {
    checkPutOptions(options)
    await this.batch([{ namespace, key, value: null, ...options } as StoreOperation])
  }

  /** Closes the memory, if the store has opened it. Calls are refused CLOSED from then on. Closing twice is fine. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#open === undefined) return
    const home = this.#home ?? (await this.#opening?.catch(() => undefined))
    await home?.memory.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #opened(): Promise<StoreHome> {
    if (this.#isClosed) {
      throw new AgentMemoryError('CLOSED', {
        message: 'The store is closed',
        next: 'Make a new one with HoldfastStore.from',
      })
    }
    this.#opening ??= this.#open!().then(
      memory => {
        this.#home = new StoreHome(memory, this.#options)
        return this.#home
      },
      error => {
        // The next call tries again.
        this.#opening = undefined
        throw error
      },
    )
    return this.#opening
  }
}

/** `shown` takes the keys of items whose expiry is to be put off. */
async function readAll(home: StoreHome, reads: readonly Read[], shown: Map<string, ItemKey>): Promise<unknown[]> {
  await home.turns.seen()
  const onShown = (key: ItemKey, item: StoredItem) => {
    if (home.refreshOnRead && item.ttlMs !== undefined) shown.set(idOf(key), key)
  }
  return Promise.all(reads.map(each => read(home, each, onShown)))
}

type OnShown = (key: ItemKey, item: StoredItem) => void

async function read(home: StoreHome, operation: Read, onShown: OnShown): Promise<unknown> {
  if (operation.kind === 'list') return listNamespaces(home, operation)
  if (operation.kind === 'search') return search(home, operation, onShown)
  const { key } = operation
  const item = await home.items.get(key)
  if (item === undefined) return null
  onShown(key, item)
  return { value: item.value, ...partsOfKey(key), createdAt: item.createdAt, updatedAt: item.updatedAt } satisfies Item
}
