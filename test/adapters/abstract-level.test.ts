// What the suite of abstract-level does not ask: who owns the memory, bytes as keys, and durabilities.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastLevel } from '../../src/adapters/abstract-level/index.js'
import { AgentMemory } from '../../src/index.js'
import { freshFolder, freshMemory, SMALL } from '../api/temporary-folder.js'

test('a database that was given a folder opens the memory in it and closes it', async () => {
  const folder = await freshFolder()
  const db = new HoldfastLevel(folder, { memory: SMALL, valueEncoding: 'json' })
  await db.put('run', { step: 1 } as never)
  await db.close()

  // Open with other options: only possible once nobody has it open.
  const memory = await AgentMemory.open(folder, { ...SMALL, durability: 'write-back' })
  const reopened = new HoldfastLevel(memory, { valueEncoding: 'json' })
  assert.deepEqual(await reopened.get('run'), { step: 1 })
  await memory.close()
})

test('a memory that a database was given stays open when the database closes', async t => {
  const memory = await freshMemory(t)
  const db = new HoldfastLevel(memory)
  await db.put('a', '1')
  await db.close()
  await memory.map('other').set('b', 2)

  await db.open()
  assert.equal(await db.get('a'), '1')
})

test('a folder that cannot be opened fails the open with the cause, and a map of other options leaves nothing open', async t => {
  const folder = await freshFolder()
  const first = await AgentMemory.open(folder, SMALL)
  first.map('level', { durability: 'write-through' })

  const db = new HoldfastLevel(folder, { memory: SMALL, durability: 'write-back' })
  await assert.rejects(db.open(), error => {
    assert.equal((error as { code: string }).code, 'LEVEL_DATABASE_NOT_OPEN')
    assert.equal(((error as Error).cause as { code: string }).code, 'OPTIONS_DIFFER')
    return true
  })
  await first.close()
  const second = await AgentMemory.open(folder, { ...SMALL, durability: 'write-back' })
  t.after(() => second.close())
})

test('databases in maps of one memory do not see one another', async t => {
  const memory = await freshMemory(t)
  const dbs = ['level', 'level-', 'leve'].map(map => new HoldfastLevel(memory, { map }))
  for (const [index, db] of dbs.entries()) await db.put('a', String(index))
  for (const [index, db] of dbs.entries()) assert.deepEqual(await db.iterator().all(), [['a', String(index)]])
  await dbs[0]!.clear()
  assert.deepEqual(await Promise.all(dbs.map(db => db.keys().all())), [[], ['a'], ['a']])
})

test('keys are bytes in byte order, the empty one and each single byte included, and values are bytes', async t => {
  const db = new HoldfastLevel<Buffer, Buffer>(await freshMemory(t), { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const keys = [Buffer.alloc(0)]
  for (let byte = 0; byte < 256; byte++) {
    keys.push(Buffer.of(byte))
    for (const next of [0x00, 0x01, 0x7f, 0x80, 0xff]) keys.push(Buffer.of(byte, next))
  }
  await db.batch(keys.toReversed().map(key => ({ type: 'put', key, value: key })))

  const sorted = keys.toSorted(Buffer.compare)
  assert.deepEqual(await db.keys().all(), sorted)
  assert.deepEqual(await db.values({ reverse: true }).all(), sorted.toReversed())
  for (const bound of [Buffer.of(0), Buffer.of(0, 0), Buffer.of(0x7f, 0xff), Buffer.of(0xff)]) {
    const above = sorted.filter(key => Buffer.compare(key, bound) > 0)
    assert.deepEqual(await db.keys({ gt: bound }).all(), above)
    assert.deepEqual(await db.keys({ lte: bound }).all(), sorted.slice(0, sorted.length - above.length))
  }
})

test('a key longer than a memory can take is refused, and so is its batch as a whole', async t => {
  const db = new HoldfastLevel(await freshMemory(t))
  // 1,024 bytes less the name of the map and the ends of the two: `level` 00 … 00.
  const longest = 'k'.repeat(1024 - 'level'.length - 2)
  await db.put(longest, '1')
  await assert.rejects(db.put(`${longest}k`, '2'), { code: 'KEY_TOO_LONG' })
  await assert.rejects(
    db.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'del', key: `${longest}k` },
    ]),
    {
      code: 'KEY_TOO_LONG',
    },
  )
  assert.deepEqual(await db.keys().all(), [longest])
})

test('each write may say how durable it is, in sublevels and chained batches too', async t => {
  const memory = await freshMemory(t, { checkpointMs: 2 ** 31 - 1 })
  const db = new HoldfastLevel(memory, { durability: 'write-back' })
  const inStore = () => memory.status().lsn.inStore
  const accepted = () => memory.status().lsn.accepted

  await db.put('a', '1')
  assert.ok(memory.status().atRisk.writes > 0)
  await db.put('b', '2', { durability: 'write-through' })
  assert.equal(inStore(), accepted())
  await db.batch([{ type: 'put', key: 'c', value: '3' }], { durability: 'write-through' })
  assert.equal(inStore(), accepted())
  await db.sublevel('s').put('d', '4', { durability: 'write-through' })
  assert.equal(inStore(), accepted())
  await db.batch().put('e', '5').write({ durability: 'write-through' })
  assert.equal(inStore(), accepted())
  await db.del('a', { durability: 'write-through' })
  assert.equal(inStore(), accepted())
  await db.clear({ durability: 'write-through' })
  assert.equal(inStore(), accepted())
  assert.deepEqual(await db.keys().all(), [])
  await db.put('f', '6')
  assert.ok(inStore() < accepted())
})

test('a clear of more than one batch leaves what is outside of its range', async t => {
  const db = new HoldfastLevel(await freshMemory(t))
  const keys = Array.from({ length: 2500 }, (_, index) => String(index).padStart(5, '0'))
  await db.batch(keys.map(key => ({ type: 'put', key, value: key })))
  await db.clear({ gte: keys[10]!, lt: keys[2200]! })
  assert.deepEqual(await db.keys().all(), [...keys.slice(0, 10), ...keys.slice(2200)])
  await db.clear({ reverse: true, limit: 299 })
  assert.deepEqual(await db.keys().all(), keys.slice(0, 10).concat(keys[2200]!))
})
