// Two tenants whose names are alike: no operation of one shows the other, over every store, before and after a reopen.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastStore } from '../../src/adapters/langgraph/index.js'
import { freshFolder } from '../api/temporary-folder.js'
import { indexOf, LetterEmbeddings, PLACES } from './langgraph-stores.js'

const TENANTS = ['acme', 'acme-corp', 'acm', 'acme_', 'Acme', 'acme\u0001', 'acme*', '*']

for (const [place, locate] of Object.entries(PLACES)) {
  test(`over ${place}, no operation of a tenant shows another one`, async () => {
    const { location, memory } = locate(await freshFolder())
    const maps = { words: {}, vectors: { index: indexOf(new LetterEmbeddings(), { fields: ['secret'] }) } }
    for (const round of ['written', 'reopened']) {
      for (const [map, options] of Object.entries(maps)) {
        await using store = HoldfastStore.from(location, { ...options, map, memory })
        if (round === 'written') {
          const items = TENANTS.map(tenant => ({ key: 'k', value: { secret: `pizza of ${tenant}`, tenant } }))
          await store.batch(items.map(item => ({ ...item, namespace: [item.value.tenant] })))
          await store.batch(items.map(item => ({ ...item, namespace: [item.value.tenant, 'acme', 'v1'] })))
        }
        for (const tenant of TENANTS) await check(store, tenant)
      }
    }
    await using store = HoldfastStore.from(location, { map: 'words', memory })
    await store.delete(['acme'], 'k')
    await store.delete(['acme', 'acme', 'v1'], 'k')
    assert.deepEqual(await store.search(['acme']), [])
    assert.deepEqual(await store.search(['acme'], { query: 'pizza' }), [])
    assert.deepEqual(await store.listNamespaces({ prefix: ['acme'] }), [])
    for (const tenant of TENANTS.slice(1)) await check(store, tenant)
  })
}

async function check(store: HoldfastStore, tenant: string): Promise<void> {
  assert.equal((await store.get([tenant], 'k'))?.value.tenant, tenant)
  const searches = [
    {},
    { filter: { tenant: { $exists: true } } },
    { query: 'pizza' },
    { query: 'acme corp', limit: 1000 },
    { query: 'pizza', filter: { tenant } },
  ]
  for (const options of searches) {
    const found = await store.search([tenant], options)
    const seen = found.map(({ namespace, value }) => [namespace[0], value.tenant])
    for (const each of seen) assert.deepEqual(each, [tenant, tenant])
    if (options.query !== 'acme corp') assert.equal(seen.length, 2, JSON.stringify(options))
  }
  const isWildcard = tenant === '*'
  for (const options of [
    {},
    { suffix: ['v1'] },
    { suffix: ['acme', '*'] },
    { maxDepth: 1 },
    { maxDepth: 2, limit: 3 },
  ]) {
    const found = await store.listNamespaces({ prefix: [tenant], ...options })
    assert.ok(found.length > 0)
    if (!isWildcard) for (const namespace of found) assert.equal(namespace[0], tenant)
  }
}

test('a score of one tenant tells nothing of what another one has', async () => {
  const { location, memory } = PLACES['in-memory']!(await freshFolder())
  await using store = HoldfastStore.from(location, { memory })
  await store.put(['acme'], 'a', { text: 'pizza' })
  await store.put(['acme'], 'b', { text: 'soup' })
  const before = await store.search(['acme'], { query: 'pizza' })
  for (let n = 0; n < 20; n++) await store.put(['acme-corp'], `${n}`, { text: 'pizza pizza' })
  assert.deepEqual(await store.search(['acme'], { query: 'pizza' }), before)
})
