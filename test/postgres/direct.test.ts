// Direct mode over a real Postgres: several nodes, in one process and in several, and a network that fails.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { directSuite } from '../../prove/direct-suite.js'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'
import { freshFolder } from '../api/temporary-folder.js'
import { TcpProxy } from '../services/proxy.js'
import { memoryAt, oneServer, openerOf, skip } from './helpers.js'

const server = await oneServer()

const node = (url: string, options: AgentMemoryOptions = {}) => AgentMemory.open(url, { log: 'none', ...options })

directSuite({
  name: 'postgres',
  async place() {
    const url = await server.newDatabase()
    return () => openerOf(url).openDirect(10_000)
  },
  test: (name, body) => void test(name, { skip }, body),
})

function startNode(url: string, times: number, name: string): ChildProcess {
  const path = fileURLToPath(new URL('./direct-node.js', import.meta.url))
  return spawn(process.execPath, [path, url, String(times), name], { stdio: ['ignore', 'pipe', 'inherit'] })
}

test('two processes that increment one key 1,000 times each come to 2,000', { skip }, async () => {
  const url = await server.newDatabase()
  const children = ['a', 'b'].map(name => startNode(url, 1000, name))
  for (const child of children) child.stdout!.resume()
  const codes = await Promise.all(children.map(async child => (await once(child, 'exit'))[0]))
  assert.deepEqual(codes, [0, 0])
  const memory = await node(url)
  assert.equal(await memory.map('counters').get('n'), 2000)
  const ids = []
  for await (const { id } of memory.conversations().read('c')) ids.push(id)
  assert.equal(ids.length, 100)
  assert.equal(new Set(ids).size, 100)
  await memory.close()
})

test('a node that is killed loses nothing that it was told, and holds nobody up', { skip }, async () => {
  const url = await server.newDatabase()
  const child = startNode(url, 100_000, 'killed')
  let told = 0
  child.stdout!.on('data', (data: Buffer) => {
    told += data.length
    if (told > 50) child.kill('SIGKILL')
  })
  await once(child, 'close')
  const memory = await node(url)
  const counters = memory.map<number>('counters')
  const found = (await counters.get('n'))!
  // One may have been under way.
  assert.ok(found === told || found === told + 1, `${found} of ${told}`)
  await counters.update('n', n => n + 1)
  assert.equal(await counters.get('n', { fresh: true }), found + 1)
  await memory.close()
})

test('an increment whose answer is cut off behind its COMMIT counts once', { skip }, async t => {
  const url = await server.newDatabase()
  const proxy = await TcpProxy.start(t, server.port)
  const [memory, other] = [await node(proxy.through(url)), await node(url)]
  const counters = memory.map<number>('counters')
  for (let round = 0; round < 5; round++) {
    await counters.update('n', n => n + 1, { initial: 0 })
    const before = proxy.cuts
    proxy.cutsAnswer = sent => sent.includes('COMMIT')
    const update = counters.update('n', n => n + 1)
    await new Promise<void>(resolve => memory.on('storeDown', () => resolve()))
    proxy.cutsAnswer = () => false
    await other.map<number>('counters').update('n', n => n + 1)
    await update
    assert.ok(proxy.cuts > before)
  }
  assert.equal(await counters.get('n', { fresh: true }), 15)
  await Promise.all([memory.close(), other.close()])
})

test('a row that a trigger refuses is told its caller, and the other writes of its node and of others go on', {
  skip,
}, async t => {
  const url = await server.newDatabase()
  const [memory, other] = [await node(url), await node(url)]
  await server.query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN IF NEW.map = 'raised' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON holdfast.entries FOR EACH ROW EXECUTE FUNCTION refuse();
     ALTER TABLE holdfast.entries ADD CHECK (map <> 'checked');`,
    url,
  )
  const maps = Array.from({ length: 24 }, (_, n) => (n === 9 ? 'raised' : n === 17 ? 'checked' : 'fine'))

  const answers = await Promise.allSettled([
    ...maps.map((map, n) => memory.map(map).set(`${n}`, n)),
    memory.map<number>('fine').update('n', n => n + 1, { initial: 0 }),
    memory.map<number>('raised').update('n', n => n + 1, { initial: 0 }),
    other.map('fine').set('other', 1),
  ])

  const codes = answers.map(answer => (answer.status === 'rejected' ? answer.reason.code : 'stored'))
  const wanted = maps.map(map => (map === 'fine' ? 'stored' : 'STORE_REFUSED'))
  assert.deepEqual(codes, [...wanted, 'stored', 'STORE_REFUSED', 'stored'])
  assert.match(String((answers[9] as PromiseRejectedResult).reason), /"raised","9".*P0001: not this one/)
  assert.equal(memory.status().store.state, 'up')
  const rows = await server.query('SELECT map, count(*)::int AS rows FROM holdfast.entries GROUP BY map', url)
  assert.deepEqual(rows, [{ map: 'fine', rows: 24 }])
  t.diagnostic(`of 27 writes: ${codes.filter(code => code === 'stored').length} stored, the others STORE_REFUSED`)
  await Promise.all([memory.close(), other.close()])
})

test('a log and direct mode exclude each other', { skip }, async () => {
  const url = await server.newDatabase()
  const owner = await memoryAt(url)
  await owner.map('m').set('k', 1, { durability: 'write-through' })
  await assert.rejects(node(url), { code: 'OWNED_ELSEWHERE' })
  await owner.close()

  const shared = `${url}?memory=shared`
  const memory = await node(shared)
  const { lsn } = await memory.map('m').set('k', 1)
  // A log that is not told to go on where there was something else does not.
  await assert.rejects(memoryAt(shared), { code: 'LOG_LOST' })
  await memory.map('m').set('k', 2)
  const taking = await memoryAt(shared, { onLogLost: 'proceed', store: { kind: 'postgres', ownerWaitMs: 30_000 } })
  await assert.rejects(memory.map('m').set('k', 3), { code: 'OWNED_ELSEWHERE' })
  assert.equal(await taking.map('m').get('k'), 2)
  assert.ok((await taking.map('m').set('k', 4)).lsn > lsn)
  await taking.close()
  await memory.close()
})

test('after a clean close direct mode goes on, with versions that rise, and the log does not come back', {
  skip,
}, async () => {
  const url = await server.newDatabase()
  const folder = await freshFolder()
  const owner = await memoryAt(url, { folder })
  const map = owner.map<number>('m')
  for (let n = 0; n < 20; n++) await map.set(`k${n % 7}`, n)
  const { lsn: last } = await map.set('gone', 1)
  await map.delete('gone')
  const { version } = (await map.getEntry('k0'))!
  await owner.close()

  const [a, b] = await Promise.all([node(url), node(url)])
  const [mine, theirs] = [a.map<number>('m'), b.map<number>('m')]
  assert.equal((await mine.getEntry('k0'))?.version, version)
  const { lsn } = await mine.set('k0', 100, { expected: version })
  assert.ok(lsn > last && (await theirs.set('gone', 2)).lsn > last, 'no version is given twice')
  assert.equal((await theirs.update('k0', n => n + 1)).value, 101)
  await assert.rejects(memoryAt(url, { folder }), { code: 'WRONG_STORE' })
  await Promise.all([a.close(), b.close()])
  await assert.rejects(memoryAt(url, { folder }), { code: 'WRONG_STORE' })

  // A new log, which has to be told so: nodes may be at work.
  await assert.rejects(memoryAt(url), { code: 'LOG_LOST' })
  const again = await memoryAt(url, { onLogLost: 'proceed' })
  assert.equal(await again.map('m').get('k0'), 101)
  const { lsn: newest } = await again.map('m').set('k0', 200)
  await again.close()
  const last2 = await node(url)
  assert.ok((await last2.map('m').set('k0', 300, { expected: newest })).lsn > newest)
  await last2.close()
})
