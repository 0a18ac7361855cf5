import { InMemoryStore } from '../../src/stores/in-memory.js'
import { storeSuite } from '../../src/testing/index.js'

storeSuite({ name: 'in-memory', open: async () => new InMemoryStore() })
