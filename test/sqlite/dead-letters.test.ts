// A trigger of the user's that raises, and a value that is too long for a constraint: what SQLite refuses is parked.
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { AgentMemory, AgentMemoryError } from '../../src/index.js'
import { driverNamed, findDriver } from '../../src/stores/sqlite/driver.js'
import { sqliteStore } from '../../src/stores/sqlite/index.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'
import { DRIVERS } from './drivers.js'

const TRIGGER = `
  CREATE TRIGGER no_poison BEFORE INSERT ON holdfast_entries
  WHEN NEW.map = 'records' AND NEW.segments ->> 0 = 'poison'
  BEGIN SELECT RAISE(ABORT, 'poison is not allowed'); END`

async function freshPath(): Promise<string> {
  return join(dirname(await freshFolder()), 'memory.db')
}

test('a row that a trigger raises on becomes a dead letter, and all others arrive', async t => {
  const path = await freshPath()
  // That of the memory: a second SQLite in one process would drop its locks.
  const driver = findDriver()
  const memory = await AgentMemory.open(`sqlite:${path}`, SMALL)
  const records = memory.map<number>('records', { codec: 'json' })
  await records.set('first', 0, { durability: 'write-through' })
  const database = driver.open(path)
  database.exec(TRIGGER)
  const letters: number[] = []
  memory.on('deadLetter', ({ id }) => letters.push(id))

  await Promise.all(Array.from({ length: 1000 }, (_, n) => records.set(n === 500 ? 'poison' : `k${n}`, n)))
  const through = records.set('poison', -1, { durability: 'write-through' })
  await assert.rejects(through, (error: unknown) => {
    return (
      error instanceof AgentMemoryError && error.code === 'STORE_REFUSED' && /poison is not allowed/.test(error.message)
    )
  })
  await memory.checkpoint()

  const count = () =>
    (database.prepare("SELECT count(*) AS n FROM holdfast_entries WHERE map = 'records'").get() as { n: number }).n
  const reason = database
    .prepare("SELECT json ->> 'reason' AS reason FROM holdfast_readable WHERE segments ->> 0 = 'dead-letters'")
    .all() as { reason: string }[]
  t.diagnostic(`1,001 keys written, ${count()} rows in the table, ${reason.length} dead letter: ${reason[0]!.reason}`)
  assert.equal(count(), 1000)
  assert.equal(reason.length, 1)
  assert.match(reason[0]!.reason, /poison is not allowed/)
  assert.equal(memory.status().store.state, 'up')
  assert.equal(await records.get('poison'), -1)
  assert.equal(letters.length, 2)
  await memory.close()

  const again = await AgentMemory.open(`sqlite:${path}`, SMALL)
  assert.equal(await again.map('records').get('poison'), -1)
  const { refused } = await again.deadLetters.replay()
  assert.equal(refused.length, 1)
  database.exec('DROP TRIGGER no_poison')
  assert.deepEqual(await again.deadLetters.replay(), { replayed: 1, refused: [] })
  assert.equal(count(), 1001)
  assert.equal(again.status().deadLetters.count, 0)
  await again.close()
  database.close()
})

test("in a database that the program has open, a refusal leaves the program's own transactions alone", async () => {
  const database = driverNamed(DRIVERS[0]!).open(await freshPath())
  const memory = await AgentMemory.open(await freshFolder(), { ...SMALL, store: sqliteStore(database) })
  database.exec(TRIGGER)
  database.exec('CREATE TABLE own (n INTEGER)')
  const records = memory.map<number>('records')
  await Promise.all(['a', 'poison', 'b'].map((key, n) => records.set(key, n)))
  await memory.checkpoint()
  database.exec('INSERT INTO own VALUES (1)')

  assert.equal(memory.status().deadLetters.count, 1)
  assert.deepEqual(await records.getMany(['a', 'poison', 'b']), [0, 1, 2])
  await memory.close()
  database.close()
})
