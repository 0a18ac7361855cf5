import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import pg from 'pg'
import { AgentMemory } from '../../src/index.js'
import type { Change, DataStore, Mark } from '../../src/stores/data-store.js'
import type { PostgresPool } from '../../src/stores/postgres/driver.js'
import { openerByPool, type PostgresStoreOpener, postgresConfig } from '../../src/stores/postgres/postgres.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'
import { TcpProxy } from '../services/proxy.js'
import { oneServer, openerOf, skip } from './helpers.js'

/** `HOLDFAST_CUTS=1000` takes some minutes. */
const CUTS = Number(process.env.HOLDFAST_CUTS ?? 150)
const KEYS = 5
const server = await oneServer()
const IDENTITY = { storeId: 'a'.repeat(32), logId: 'b'.repeat(32), epoch: 1 }
const ALL = { from: '', to: '\xff', reverse: false, limit: 1000 }

test(`of runs whose answers are cut off, ${CUTS} times, each is there exactly once`, { skip }, async t => {
  const url = await server.newDatabase()
  const proxy = await TcpProxy.start(t, server.port)
  const opener = openerOf(proxy.through(url))
  let store = await opener.open(true, PATIENT)
  await store.setIdentity(IDENTITY)
  await audit(url)
  let isCutting = true
  // Most often behind a commit, where nobody can know.
  proxy.cutsAnswer = sent => isCutting && Math.random() < (commits(sent) ? 0.6 : 0.02)

  let lsn = 0
  let retries = 0
  while (proxy.cuts < CUTS) {
    lsn += 1
    const mark = markAt(lsn)
    let found: Mark = await applied(store, runOf(lsn), mark)
    while (found.appliedLsn !== lsn) {
      if (found.appliedLsn === -1) {
        await store.close()
        store = await untilOpen(opener)
        found = await store.mark().catch(() => UNKNOWN)
        assert.ok([-1, lsn - 1, lsn].includes(found.appliedLsn), `LSN ${found.appliedLsn} while ${lsn} is applied`)
      } else {
        retries += 1
        found = await applied(store, runOf(lsn), mark)
      }
    }
  }
  isCutting = false
  await store.close()

  assert.ok(retries > 0, 'some were not there')
  const twice = await server.query('SELECT key, version FROM audit GROUP BY key, version HAVING count(*) <> 1', url)
  assert.deepEqual(twice, [])
  assert.deepEqual(await server.query('SELECT count(*)::int AS rows FROM audit', url), [{ rows: lsn * KEYS }])
  const again = await openerOf(url).open(false)
  assert.deepEqual(await again.mark(), markAt(lsn))
  const last = new Map<string, string>()
  for (let each = 1; each <= lsn; each++) for (const { key } of runOf(each)) last.set(key, `${each}`)
  const entries = await again.page(ALL)
  assert.deepEqual(new Map(entries.map(({ key, value }) => [key, value.toString()])), last)
  await again.close()
})

test('a memory whose connections break under its writers keeps every write once, and none is lost', {
  skip,
}, async t => {
  const url = await server.newDatabase()
  const proxy = await TcpProxy.start(t, server.port)
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder, { ...SMALL, store: openerOf(proxy.through(url)) })
  await audit(url)
  // Every second one: that of a run, and not that of the claim behind it.
  let count = 0
  proxy.cutsAnswer = sent => proxy.cuts < 10 && commits(sent) && count++ % 2 === 0
  const map = memory.map<number>('m')
  const acknowledged = new Map<string, number>()
  const writers = ['write-back', 'write-ahead', 'write-through'] as const

  await Promise.all(
    writers.map(async durability => {
      for (let index = 0; proxy.cuts < 10; index++) {
        const key = `${durability}-${index}`
        try {
          await map.set(key, index, { durability })
          acknowledged.set(key, index)
        } catch (error) {
          // Told that it is safe in the log, and comes later.
          assert.equal((error as { code?: string }).code, 'STORE_BEHIND')
          acknowledged.set(key, index)
        }
        // Let the store have some of it: nobody waits for write-back.
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    }),
  )
  await memory.close({ deadlineMs: 600_000 })

  const again = await AgentMemory.open(folder, { ...SMALL, store: openerOf(url) })
  for (const [key, value] of acknowledged) assert.equal(await again.map('m').get(key), value)
  await again.close()
  assert.deepEqual(
    await server.query('SELECT key, version FROM audit GROUP BY key, version HAVING count(*) <> 1', url),
    [],
  )
  assert.deepEqual(await server.query('SELECT count(*)::int AS rows FROM audit', url), [{ rows: acknowledged.size }])
})

test('a commit that is held up on its way does nothing once there is another handle', { skip }, async t => {
  const { opener, proxy, direct } = await switched(t)
  const first = await opener.open(true, TERMS)
  await first.setIdentity(IDENTITY)
  proxy.cutsAnswer = sent => {
    if (commits(sent)) proxy.hold()
    return false
  }
  await assert.rejects(first.apply(runOf(1), markAt(1)), { code: 'STORE_DOWN', message: /no answer within/ })
  await first.close()

  direct()
  // It waits for the row, which the server frees by ending the transaction that nobody goes on with.
  const second = await untilOpen(opener)
  assert.deepEqual(await second.mark(), markAt(0))
  proxy.release()
  await second.apply([{ key: 'a\0', value: Buffer.from('second') }], markAt(2))

  assert.deepEqual(
    (await second.page(ALL)).map(({ value }) => value.toString()),
    ['second'],
  )
  await second.close()
})

test('a commit that went through unheard is found by the next handle', { skip }, async t => {
  const { opener, proxy, direct } = await switched(t)
  const first = await opener.open(true, TERMS)
  await first.setIdentity(IDENTITY)
  proxy.cutsAnswer = sent => commits(sent)
  await assert.rejects(first.apply(runOf(1), markAt(1)), { code: 'STORE_DOWN' })
  await assert.rejects(first.apply(runOf(2), markAt(2)), { code: 'STORE_DOWN' }, 'it is of no more use')
  await first.close()
  direct()

  const second = await opener.open(false, TERMS)

  assert.deepEqual(await second.mark(), markAt(1))
  assert.equal((await second.page(ALL)).length, KEYS)
  await second.close()
})

test('a server that takes connections and says nothing is given up, also by reads and by close', { skip }, async t => {
  const url = await server.newDatabase()
  const proxy = await TcpProxy.start(t, server.port)
  const opener = openerOf(proxy.through(url))
  const store = await opener.open(true, TERMS)
  await store.setIdentity(IDENTITY)

  proxy.hold()
  const silent = { code: 'STORE_DOWN', message: /no answer within|timeout/ }
  await Promise.all([
    assert.rejects(store.get('a\0'), silent),
    assert.rejects(store.page(ALL), silent),
    assert.rejects(store.apply(runOf(1), markAt(1)), silent),
  ])
  await assert.rejects(opener.open(false, TERMS), silent)
  await store.close()
  proxy.release()

  const again = await untilOpen(opener)
  assert.deepEqual(await again.mark(), markAt(0))
  await again.close()
})

const TERMS = { deadlineMs: 1000, lockFile: '/none' }
const PATIENT = { ...TERMS, deadlineMs: 30_000 }
const UNKNOWN: Mark = { appliedLsn: -1, appliedPosition: -1 }

/** As the message of a query: BEGIN has READ COMMITTED in it. */
function commits(sent: Buffer): boolean {
  return sent.includes('COMMIT\0')
}

function markAt(lsn: number): Mark {
  return { appliedLsn: lsn, appliedPosition: lsn * 4096 }
}

function runOf(lsn: number): Change[] {
  const keys = Array.from({ length: KEYS }, (_, index) => `key-${(lsn * 7 + index * 3) % 40}`)
  return keys.sort().map(key => ({ key: `${key}\0`, value: Buffer.from(`${lsn}`) }))
}

async function applied(store: DataStore, run: Change[], mark: Mark): Promise<Mark> {
  return store.apply(run, mark).then(
    () => mark,
    () => UNKNOWN,
  )
}

async function untilOpen(opener: PostgresStoreOpener): Promise<DataStore> {
  for (;;) {
    try {
      return await opener.open(false, PATIENT)
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'STORE_DOWN')
    }
  }
}

/** Writes down each row that a transaction has written, and that was committed. */
async function audit(url: string): Promise<void> {
  await server.query(
    `CREATE TABLE audit (key bytea, version bigint);
     CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN INSERT INTO audit VALUES (NEW.key, NEW.version); RETURN NULL; END $$;
     CREATE TRIGGER note AFTER INSERT OR UPDATE ON holdfast.entries FOR EACH ROW EXECUTE FUNCTION note();`,
    url,
  )
}

/** An opener whose handles go through a proxy until `direct` is called. */
async function switched(t: TestContext) {
  const url = await server.newDatabase()
  const proxy = await TcpProxy.start(t, server.port)
  const pools = [new pg.Pool({ connectionString: proxy.through(url) }), new pg.Pool({ connectionString: url })]
  for (const pool of pools) pool.on('error', () => {})
  t.after(async () => {
    proxy.breakAll()
    await Promise.all(pools.map(pool => pool.end()))
  })
  let current = 0
  const pool: PostgresPool = { connect: () => pools[current]!.connect() }
  const opener = openerByPool(pool, { ...postgresConfig({}), ownerWaitMs: 0 })
  const direct = () => {
    current = 1
  }
  return { opener, proxy, direct }
}
