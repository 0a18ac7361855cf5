import { SharedStore } from '../../src/testing/shared-store.js'
import { directContract } from './contract.js'

directContract('shared in memory', async () => {
  const shared = new SharedStore()
  return async () => shared.direct()
})
