import { test } from 'node:test'
import { directSuite } from '../../prove/direct-suite.js'
import { SharedStore } from '../../src/testing/shared-store.js'

directSuite({
  name: 'shared in memory',
  async place() {
    const shared = new SharedStore()
    return async () => shared.direct()
  },
  test: (name, body) => void test(name, body),
})
