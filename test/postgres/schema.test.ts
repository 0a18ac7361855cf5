import assert from 'node:assert/strict'
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { memoryAt, oneServer, openerOf, skip } from './helpers.js'

const server = await oneServer()
const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

test('24 processes open one empty database at once: one schema, no error', { skip }, async t => {
  const url = await server.newDatabase()
  const opener = fileURLToPath(new URL('./opener.js', import.meta.url))
  const children = Array.from({ length: 24 }, (_, index) => fork(opener, [url, `m${index}`]))
  t.after(() => {
    for (const child of children) child.kill('SIGKILL')
  })
  const messages = (wanted: readonly ChildProcess[]) =>
    Promise.all(wanted.map(async child => (await once(child, 'message'))[0] as string))
  assert.deepEqual(new Set(await messages(children)), new Set(['ready']))

  const answers = messages(children)
  const ended = children.map(child => once(child, 'exit'))
  for (const child of children) child.send('open')

  assert.deepEqual(
    await answers,
    children.map(() => 'open'),
  )
  assert.deepEqual(
    (await Promise.all(ended)).map(([code]) => code),
    children.map(() => 0),
  )
  assert.deepEqual(await server.query('SELECT format FROM holdfast.format', url), [{ format: 1 }])
  const made = await server.query(
    'SELECT count(*)::int AS memories, count(owner_token)::int AS owned FROM holdfast.memories',
    url,
  )
  assert.deepEqual(made, [{ memories: 24, owned: 0 }])
  t.diagnostic('24 processes: 24 memories in one schema of format 1, no error')
})

test('with migrate: check tables are made by hand, by what the command prints', { skip }, async () => {
  const url = await server.newDatabase()
  const name = `holdfast_user_${process.pid}`
  await server.query(`CREATE ROLE ${name} LOGIN`, url)
  const asUser = url.replace('postgres@', `${name}@`)
  await assert.rejects(memoryAt(url, { store: { kind: 'postgres', migrate: 'check' } }), {
    code: 'STORE_LOST',
    message: /npx holdfast sql/,
  })
  // One who may not make them is told so.
  await assert.rejects(memoryAt(asUser), { code: 'STORE_DOWN', message: /42501.*npx holdfast sql/ })

  const printed = spawnSync(process.execPath, [main, 'sql', '--schema', 'agents'], { encoding: 'utf8' })
  assert.equal(printed.status, 0)
  // Twice: it changes nothing where they are there.
  for (let times = 0; times < 2; times++) await server.query(printed.stdout, url)
  await server.query(
    `GRANT USAGE ON SCHEMA agents TO ${name};
     GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA agents TO ${name}`,
    url,
  )

  const memory = await memoryAt(`${asUser}?schema=agents`, { store: { kind: 'postgres', migrate: 'check' } })
  await memory.map('m').set('a', 1, { durability: 'write-through' })
  assert.equal(await memory.map('m').get('a'), 1)
  await memory.close()
})

test('tables of a newer format, and a row that was changed, are refused', { skip }, async () => {
  const url = await server.newDatabase()
  await (await openerOf(url).open(true)).close()
  await server.query('UPDATE holdfast.memories SET applied_lsn = applied_lsn + 1', url)
  await assert.rejects(openerOf(url).open(false), { code: 'STORE_CORRUPT' })
  await server.query('UPDATE holdfast.format SET format = 2', url)
  await assert.rejects(openerOf(url).open(true), { code: 'FORMAT_TOO_NEW' })
  await server.query('DROP SCHEMA holdfast CASCADE', url)
  await assert.rejects(openerOf(url).open(false), { code: 'STORE_LOST' })
})

test('a database that is not in UTF8 is refused', { skip }, async () => {
  await server.query(`CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0 LOCALE 'C'`)
  await assert.rejects(openerOf(server.urlOf('latin')).open(true), { code: 'STORE_DOWN', message: /LATIN1/ })
})

test('a schema that is no name is wrong usage', () => {
  const run = spawnSync(process.execPath, [main, 'sql', '--schema', 'a"; DROP'], { encoding: 'utf8' })
  assert.equal(run.status, 2)
  assert.match(run.stderr, /^INVALID_OPTION/)
})
