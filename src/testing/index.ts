/** The door `holdfast/testing`: for authors of stores. */
export { type StoreSuiteOptions, storeSuite } from './store-suite.js'
