// 200 recorded runs of an agent: every message comes back as it was, whatever compresses it, from the log and the store.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readRuns } from '../../demo/input.js'
import { levelsOf } from '../../src/codec/compression.js'
import { AgentMemory, type MapOptions } from '../../src/index.js'
import { freshFolder } from '../api/temporary-folder.js'

const TRACES = fileURLToPath(new URL('../../../../shared/data/agent-traces.json', import.meta.url))
const skip = !existsSync(TRACES) && 'the traces are not here'

const SETTINGS: MapOptions[] = [
  {},
  { codec: 'json' },
  { compression: 'gzip' },
  { compression: { algorithm: 'brotli', thresholdBytes: 0 } },
  { codec: 'json', compression: 'brotli' },
  ...(levelsOf('zstd') === undefined ? [] : [{ compression: 'zstd' } as const]),
]

test('the messages of real runs come back as they were, and take fewer bytes of the log', { skip }, async () => {
  const messages = readRuns(TRACES).flatMap(({ id, messages }) =>
    messages.map((message, at) => ({ key: [id, String(at).padStart(4, '0')], message })),
  )
  let plainBytes = 0
  for (const options of SETTINGS) {
    const folder = await freshFolder()
    const memory = await AgentMemory.open(folder)
    const map = memory.map('messages', options)
    let logBytes = 0
    memory.on('flush', ({ bytes }) => {
      logBytes += bytes
    })
    await Promise.all(messages.map(({ key, message }) => map.set(key, message)))
    await memory.close({ deadlineMs: 0 })
    const { ratio } = memory.status().compression
    if (options.compression === undefined) plainBytes = logBytes
    else assert.ok(ratio > 1.3 && logBytes < plainBytes * 0.8, `${logBytes} of ${plainBytes} bytes, ratio ${ratio}`)

    for (const isInStore of [false, true]) {
      // What was written decides, not what is asked for now.
      const reopened = await AgentMemory.open(folder, { tierBytesMax: 0 })
      if (isInStore) await reopened.checkpoint()
      const found = await reopened.map('messages').getMany(messages.map(({ key }) => key))
      for (const [index, { key, message }] of messages.entries()) assert.deepEqual(found[index], message, key.join('/'))
      await reopened.close()
    }
  }
})
