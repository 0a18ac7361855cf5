import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { startPostgres } from './postgres.js'
import { POSTGRES_VERSIONS, postgresTrouble } from './postgres-programs.js'

test('where every server is asked for, none is missing', () => {
  if (process.env.HOLDFAST_SERVERS !== 'all') return
  assert.deepEqual(
    POSTGRES_VERSIONS.map(version => postgresTrouble(version)),
    POSTGRES_VERSIONS.map(() => false),
  )
})

for (const version of POSTGRES_VERSIONS) {
  test(`a Postgres ${version} keeps what it has committed through each way to end it`, {
    skip: postgresTrouble(version),
  }, async t => {
    const server = await startPostgres(t, { version })
    const url = await server.newDatabase()
    assert.match(String((await server.query('SHOW server_version', url))[0]?.server_version), new RegExp(`^${version}`))
    await server.query('CREATE TABLE stops (mode text)', url)

    for (const mode of ['fast', 'immediate', 'kill'] as const) {
      await server.query(`INSERT INTO stops VALUES ('${mode}')`, url)
      await server.stop(mode)
      await assert.rejects(server.query('SELECT 1', url), { code: 'ECONNREFUSED' })
      await server.start()
    }

    assert.deepEqual(await server.query('SELECT * FROM stops', url), [
      { mode: 'fast' },
      { mode: 'immediate' },
      { mode: 'kill' },
    ])
  })

  test(`a Postgres ${version} that is paused answers once it goes on`, { skip: postgresTrouble(version) }, async t => {
    const server = await startPostgres(t, { version })
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    await client.query('SELECT 1')

    server.pause()
    let answered = false
    const asked = client.query('SELECT 1').then(() => (answered = true))
    // A new connection is taken by the system, and gets no answer either.
    const late = new pg.Client({ connectionString: server.url, connectionTimeoutMillis: 200 })
    await assert.rejects(late.connect(), /timeout/)
    assert.equal(answered, false)
    server.resume()

    await asked
    await client.end()
  })
}
