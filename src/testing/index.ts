/** The door `holdfast/testing`: for authors of stores, and for tests with injected time and faults. */
export { type CrashState, type CrashStatesOptions, crashStates } from './crash-states.js'
export type { CallKind, DiskCall, Fault, FaultPlace } from './disk-faults.js'
export { type JournalStoreOptions, openJournalStore } from './journal-store.js'
export { ManualClock, type ManualClockOptions } from './manual-clock.js'
export { type Random, seededRandom } from './random.js'
export { SharedStore } from './shared-store.js'
export { SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.js'
export { type StoreSuiteOptions, storeSuite } from './store-suite.js'
