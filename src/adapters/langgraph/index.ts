/** The door `holdfast/langgraph`. */
export type { HoldfastSaverFromOptions, HoldfastSaverOptions, PruneOptions } from './options.js'
export { HoldfastSaver, type ThreadInfo } from './saver.js'
