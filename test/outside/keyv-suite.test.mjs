// The suite of Keyv on KeyvHoldfast, at each durability. For vitest: HOLDFAST_DOOR is the URL of the compiled adapter.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite'
import Keyv from 'keyv'
import * as vitest from 'vitest'

const door = process.env.HOLDFAST_DOOR
const { KeyvHoldfast } = await import(door)
const { AgentMemory } = await import(new URL('../../index.js', door).href)

for (const durability of ['write-back', 'write-ahead', 'write-through']) {
  vitest.describe(durability, () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-keyv-'))
    let memory
    vitest.beforeAll(async () => {
      // A tier without room: what is in the log or in the store is read from there.
      memory = await AgentMemory.open(folder, { tierBytesMax: 0 })
    })
    vitest.afterAll(async () => {
      await memory.close()
      rmSync(folder, { recursive: true })
    })

    const store = () => new KeyvHoldfast(memory, { durability })
    keyvTestSuite(vitest, Keyv, store)
    keyvIteratorTests(vitest, Keyv, store)
  })
}
