// The command dead-letters, over a database with a trigger that refuses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory } from '../../src/index.js'
import { driverNamed } from '../../src/stores/sqlite/driver.js'
import { DRIVER } from '../sqlite/drivers.js'
import { command, newPath } from './helpers.js'

interface Listed {
  ok: boolean
  replayed: number
  discarded: number
  letters: { id: number; reason: string; writes: { map: string; segments: string[]; bytes: string | null }[] }[]
}

async function listed(...args: string[]): Promise<{ code: number | null; json: Listed }> {
  const { code, stdout } = await command('dead-letters', ...args, '--json')
  return { code, json: JSON.parse(stdout) as Listed }
}

test('dead letters are listed, given to the store again, and given up', async t => {
  const path = newPath(t, 'memory.db')
  const location = `sqlite:${path}`
  const memory = await AgentMemory.open(location)
  const database = driverNamed(DRIVER.name).open(path)
  database.exec(`CREATE TRIGGER no_bad BEFORE INSERT ON holdfast_entries
    WHEN NEW.map = 'runs' AND NEW.segments ->> 0 LIKE 'bad%' BEGIN SELECT RAISE(ABORT, 'no bad ones'); END`)
  const runs = memory.map<unknown>('runs')
  await runs.set('good', 1)
  await runs.set('bad-1', { text: 'hello' })
  await runs.set('bad-2', 2n)
  await memory.close()

  const { code, stdout } = await command('dead-letters', location)
  assert.equal(code, 1)
  assert.match(
    stdout,
    /2 dead letters:\n {2}2 {2}\S+ {2}.*no bad ones\n {6}set \["runs","bad-1"\] to \{"text":"hello"\}/,
  )
  assert.match(stdout, /set \["runs","bad-2"\] to "2n"/)

  const { json } = await listed(location, '--discard', '2')
  assert.deepEqual([json.discarded, json.letters.map(({ id }) => id)], [1, [3]])
  const refused = await listed(location, '--replay')
  assert.deepEqual([refused.code, refused.json.replayed, refused.json.letters.length], [1, 0, 1])
  database.exec('DROP TRIGGER no_bad')
  const replayed = await listed(location, '--replay', '3')
  assert.deepEqual([replayed.code, replayed.json.ok, replayed.json.replayed], [0, true, 1])
  assert.match((await command('dead-letters', location)).stdout, /^No dead letters\./)
  database.close()

  const after = await AgentMemory.open(location)
  assert.deepEqual(await after.map('runs').getMany(['good', 'bad-1', 'bad-2']), [1, undefined, 2n])
  await after.close()
})

test('an id that is none is wrong usage, and a folder that is no memory stays as it is', async t => {
  assert.equal((await command('dead-letters', newPath(t), '--discard', 'x')).code, 2)
  assert.equal((await command('dead-letters', newPath(t))).code, 3)
})
