// What the command says of a memory whose entries are in Postgres: it looks at what is here, and says what it leaves out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshFolder } from '../api/temporary-folder.js'
import { command } from '../cli/helpers.js'
import { memoryAt, oneServer, skip } from './helpers.js'

const server = await oneServer()

test('verify checks the log and says that the database was not; repair says what to run instead', {
  skip,
}, async () => {
  const url = await server.newDatabase()
  const folder = await freshFolder()
  const memory = await memoryAt(url, { folder })
  await memory.map('m').set('k', 1)
  await memory.close()

  const verified = await command('verify', url, '--folder', folder)
  assert.equal(verified.code, 0, verified.stderr)
  assert.match(verified.stdout, /postgres; it is in Postgres, which this command does not look into/)
  assert.match(verified.stdout, /No problems in the log; the store was not checked\.$/m)

  const repaired = await command('repair', url, '--folder', folder)
  assert.equal(repaired.code, 3)
  assert.match(repaired.stderr, /^WRONG_STORE: .*Run "npx holdfast verify" for the log; mend or restore the database/)
})
