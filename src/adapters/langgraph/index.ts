/** The door `holdfast/langgraph`. */
export type { HoldfastSaverFromOptions, HoldfastSaverOptions, PruneOptions } from './options.js'
export { HoldfastSaver, type ThreadInfo } from './saver.js'
export { HoldfastStore } from './store.js'
export type { StoreOperation, StorePutOperation } from './store-operations.js'
export type { HoldfastStoreFromOptions, HoldfastStoreOptions, StorePutOptions } from './store-options.js'
