// The real clock: what an idle process has written is on disk by timers alone.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AgentMemory } from '../../src/index.js'
import { freshFolder, SMALL } from './temporary-folder.js'

test('a process that is killed when its idle memory has flushed has lost nothing', async t => {
  const { folder, said } = await killedAfter(t, 'flush')

  assert.deepEqual(said, ['tier', 'flush'])
  const memory = await reopened(t, folder)
  assert.equal(memory.status().recovery.cleanClose, false)
  assert.equal(await memory.map('m').get('k'), 1)
})

test('a process that is killed when its idle memory has checkpointed leaves nothing to replay', async t => {
  const { folder, said } = await killedAfter(t, 'checkpoint')

  assert.deepEqual(said, ['tier', 'flush', 'checkpoint'])
  const memory = await reopened(t, folder)
  assert.equal(memory.status().recovery.records, 0)
  assert.equal(await memory.map('m').get('k'), 1)
})

test('a process that ends by itself without a close ends after the flush', async t => {
  const folder = await freshFolder()
  const owner = start(t, folder, 'ends')
  const said: string[] = []
  for await (const line of createInterface({ input: owner.stdout })) said.push(line)

  assert.deepEqual(said.slice(0, 2), ['tier', 'flush'])
  const memory = await reopened(t, folder)
  assert.equal(await memory.map('m').get('k'), 1)
})

async function killedAfter(t: TestContext, word: string): Promise<{ folder: string; said: string[] }> {
  const folder = await freshFolder()
  const owner = start(t, folder, 'stays')
  const said: string[] = []
  for await (const line of createInterface({ input: owner.stdout })) {
    said.push(line)
    if (line === word) break
  }
  owner.kill('SIGKILL')
  if (owner.exitCode === null && owner.signalCode === null) await once(owner, 'exit')
  return { folder, said }
}

function start(t: TestContext, folder: string, how: string) {
  const file = fileURLToPath(new URL('./idle-owner.js', import.meta.url))
  const owner = spawn(process.execPath, [file, folder, how], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => owner.kill('SIGKILL'))
  return owner
}

async function reopened(t: TestContext, folder: string): Promise<AgentMemory> {
  const memory = await AgentMemory.open(folder, SMALL)
  t.after(() => memory.close())
  return memory
}
