import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AgentMemory } from '../../src/index.js'
import { freshFolder, SMALL } from './temporary-folder.js'

test('a memory that another process has open is OWNED_ELSEWHERE, by whom, until that is killed: then it opens at once', async t => {
  const folder = await freshFolder()
  const owner = await startOwner(t, folder)

  await assert.rejects(AgentMemory.open(folder, SMALL), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'OWNED_ELSEWHERE')
    assert.match(error.message, new RegExp(`\\b${owner.pid}\\b`))
    assert.ok(error.message.includes(hostname()))
    return true
  })
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  const memory = await AgentMemory.open(folder, SMALL)

  t.after(() => memory.close())
  const map = memory.map<number>('m')
  for (let index = 0; index < 20; index++) assert.equal(await map.get(`k${index}`), index)
  assert.deepEqual(await map.getMany(['stored', 'logged']), [1, 2])
  assert.equal(memory.status().recovery.cleanClose, false)
  assert.equal(memory.status().epoch, 2)
})

test('life after life is killed, and each finds all that the one before had been told', async t => {
  const folder = await freshFolder()
  for (let life = 0; life < 3; life++) {
    const owner = await startOwner(t, folder)
    owner.kill('SIGKILL')
    await once(owner, 'exit')
  }

  const memory = await AgentMemory.open(folder, SMALL)

  t.after(() => memory.close())
  assert.equal(await memory.map('m').get('logged'), 2)
  assert.equal(memory.status().epoch, 4)
})

async function startOwner(t: TestContext, folder: string): Promise<ChildProcess> {
  const owner = spawn(process.execPath, [fileURLToPath(new URL('./owner.js', import.meta.url)), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => owner.kill('SIGKILL'))
  await Promise.race([
    once(owner.stdout!, 'data'),
    once(owner, 'exit').then(([code]) => assert.fail(`the owner has ended with ${code}`)),
  ])
  return owner
}
