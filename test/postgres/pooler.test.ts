/** Behind a pooler that gives every transaction another session, which somebody else has left in disorder. */
import assert from 'node:assert/strict'
import { after, test as nodeTest } from 'node:test'
import { AgentMemory } from '../../src/index.js'
import type { DataStore } from '../../src/stores/data-store.js'
import { postgresStore } from '../../src/stores/postgres/index.js'
import { openerByPool, type PostgresStoreOpener, postgresConfig } from '../../src/stores/postgres/postgres.js'
import { storeSuite } from '../../src/testing/index.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'
import { TransactionPooler } from '../services/pooler.js'
import { oneServer, skip } from './helpers.js'

const server = await oneServer()
const pooler = skip === false ? new TransactionPooler({ after }, await server.newDatabase()) : (undefined as never)
const test = (name: string, body: () => Promise<void>) => nodeTest(name, { skip }, body)

const openerOf = new Map<DataStore, PostgresStoreOpener>()
const open = async (opener: PostgresStoreOpener, create: boolean): Promise<DataStore> => {
  // Three sessions, each cleared up after: it takes its time.
  const store = await opener.open(create, { deadlineMs: 60_000, lockFile: '' })
  openerOf.set(store, opener)
  return store
}
let memories = 0
storeSuite({
  name: 'a memory of Postgres behind a pooler of transactions',
  open: () => open(openerByPool(pooler, postgresConfig({ memory: `memory-${memories++}` })), true),
  reopen: closed => open(openerOf.get(closed)!, true),
  test,
})

test('every transaction may be in another session, and each commits durably', async () => {
  const before = pooler.commits.length
  const folder = await freshFolder()
  const openIt = () => AgentMemory.open(folder, { ...SMALL, store: postgresStore(pooler, { memory: 'log' }) })
  const first = await openIt()
  for (let n = 0; n < 5; n++) await first.map('m').set(`k${n}`, n, { durability: 'write-through' })
  await first.close()

  const again = await openIt()
  assert.deepEqual(await again.map('m').getMany(['k0', 'k4', 'absent']), [0, 4, undefined])
  await again.close()

  const commits = pooler.commits.slice(before)
  assert.ok(commits.length >= 5)
  assert.deepEqual([...new Set(commits)], ['on'])
  assert.deepEqual([...new Set(pooler.sessions)].sort(), [1, 2, 3])
})

test('nodes without a log share a memory through it, and each update counts once', async () => {
  const store = postgresStore(pooler, { memory: 'direct' })
  const nodes = await Promise.all([1, 2].map(() => AgentMemory.open('shared', { log: 'none', store })))

  await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      nodes[n % 2]!.map<number>('m').update('count', count => count + 1, { initial: 0 }),
    ),
  )

  assert.equal(await nodes[0]!.map('m').get('count', { fresh: true }), 40)
  for (const node of nodes) await node.close()
  assert.deepEqual([...new Set(pooler.commits)], ['on'])
})
