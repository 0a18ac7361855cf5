// A trigger of the user's that raises: what Postgres refuses is parked, and everything else arrives.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { memoryAt, oneServer, skip } from './helpers.js'

const server = await oneServer()

const TRIGGER = `
  CREATE FUNCTION no_poison() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.map = 'records' AND NEW.segments ->> 1 = 'poison' THEN RAISE EXCEPTION 'poison is not allowed'; END IF;
      RETURN NEW;
    END $$;
  CREATE TRIGGER no_poison BEFORE INSERT ON holdfast.entries FOR EACH ROW EXECUTE FUNCTION no_poison()`

test('of 10,000 records one is poison: 9,999 arrive and one is a dead letter; replayed after mending, 10,000', {
  skip,
}, async t => {
  const url = await server.newDatabase()
  const memory = await memoryAt(url)
  t.after(() => memory.close())
  const database = new pg.Client(url)
  await database.connect()
  t.after(() => database.end())
  await database.query(TRIGGER)
  const records = memory.map<number>('records')

  await Promise.all(Array.from({ length: 10_000 }, (_, n) => records.set(n === 5000 ? 'poison' : `k${n}`, n)))
  await memory.checkpoint()

  const count = async () => {
    const { rows } = await database.query("SELECT count(*)::int AS n FROM holdfast.entries WHERE map = 'records'")
    return (rows[0] as { n: number }).n
  }
  const arrived = await count()
  const [letter, ...others] = memory.deadLetters.list()
  assert.equal(arrived, 9999)
  assert.deepEqual(others, [])
  assert.match(letter!.reason, /poison is not allowed/)
  assert.equal(await records.get('poison'), 5000)
  assert.equal(memory.status().store.state, 'up')
  await assert.rejects(records.set('poison', -1, { durability: 'write-through' }), { code: 'STORE_REFUSED' })

  await database.query('DROP TRIGGER no_poison ON holdfast.entries')
  assert.deepEqual(await memory.deadLetters.replay(), { replayed: 1, refused: [] })
  t.diagnostic(`10,000 records: ${arrived} arrived, 1 dead letter; replayed after mending: ${await count()}`)
  assert.equal(await count(), 10_000)
  assert.equal(memory.status().deadLetters.count, 0)
})
