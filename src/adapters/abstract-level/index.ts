/** The door `holdfast/abstract-level`. */
export { HoldfastLevel, type HoldfastLevelOptions, type WriteDurability } from './holdfast-level.js'
