// In a graph a store is wrapped: what goes through the wrapper works, and what it drops is there by a direct call. The
// program of docs/langgraph-store.md runs as it is printed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Annotation, START, StateGraph } from '@langchain/langgraph'
import { freshStore, indexOf, LetterEmbeddings } from './langgraph-stores.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')

test('nodes of a graph put, get, search and delete; what the wrapper drops is said directly', async t => {
  const store = await freshStore(t, { index: indexOf(new LetterEmbeddings()), ttlMs: 60_000 })
  const State = Annotation.Root({ user: Annotation<string>, found: Annotation<string[]> })
  const graph = new StateGraph(State)
    .addNode('remember', async ({ user }, config) => {
      const wrapped = config.store!
      await Promise.all(['aa', 'ab', 'bb'].map(key => wrapped.put(['users', user], key, { text: key })))
      await wrapped.put(['users', user], 'gone', { text: 'x' })
      await wrapped.delete(['users', user], 'gone')
      assert.deepEqual((await wrapped.get(['users', user], 'aa'))?.value, { text: 'aa' })
      await assert.rejects(wrapped.listNamespaces({ prefix: ['users'] }))
      assert.deepEqual(await store.listNamespaces({ prefix: ['users'] }), [['users', user]])
      await store.put(['users', user], 'hidden', { text: 'aa' }, false, { ttlMs: null, durability: 'write-through' })
      const items = await wrapped.search(['users', user], { query: 'a', limit: 2 })
      return { found: items.map(({ key }) => key) }
    })
    .addEdge(START, 'remember')
    .compile({ store })
  const { found } = await graph.invoke({ user: 'acme' })
  assert.deepEqual(found, ['aa', 'ab'])
  assert.equal((await store.search(['users'])).length, 4)
})

test('the program of docs/langgraph-store.md prints what it says', () => {
  const document = readFileSync(join(root, 'docs/langgraph-store.md'), 'utf8')
  const programs = [...document.matchAll(/```js\n([\s\S]*?)```/g)].map(match => match[1]!)
  assert.equal(programs.length, 1)
  // Within the package, so that the program finds it under its own name.
  const folder = mkdtempSync(join(root, 'dist/store-'))
  try {
    writeFileSync(join(folder, 'program.js'), programs[0]!)
    const run = spawnSync(process.execPath, ['program.js'], { cwd: folder, encoding: 'utf8' })
    assert.equal(run.stderr, '')
    assert.equal(
      run.stdout,
      "{ likes: 'pizza', since: 2019-01-01T00:00:00.000Z }\n[ 'food' ]\n[ [ 'acme', 'user-1' ] ]\n",
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
