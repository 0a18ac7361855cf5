// A sample of `npm run prove -- stores`: what a memory promises, over every store that there is and in each mode. The suites
// of bare stores are run by the tests of each store.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Field, proveStores } from '../../prove/matrix.js'
import { LAB_STORES, POSTGRES_URL, STORES } from '../../prove/stores.js'
import { postgresTrouble } from '../services/postgres-programs.js'

for (const store of STORES) {
  test(`over ${store}, a memory keeps what it promises of every durability, with a log and without`, async t => {
    const { failures, fields } = await proveStores({ stores: [store], withoutSuite: true })

    assert.deepEqual(failures, [])
    const notRun = fields.find(field => field.notRun)?.notRun
    if (process.env.HOLDFAST_SERVERS === 'all') assert.equal(notRun, undefined)
    if (notRun !== undefined) return t.skip(`NOT RUN: ${notRun}`)
    for (const durability of ['write-back', 'write-ahead', 'write-through']) {
      const of = (mode: string) => fields.find(field => field.mode === mode && field.of === durability)!
      assert.ok(of('log').passed >= 14, `${of('log').passed} cases of ${durability}`)
      if ('direct' in LAB_STORES[store] && durability !== 'write-ahead') {
        assert.ok(of('direct').passed >= 18, `${of('direct').passed} cases of ${durability}, direct`)
        assert.equal(of('direct').refused, undefined)
      } else {
        // What there is not counts as nothing.
        assert.equal(of('direct').passed, 0)
        assert.match(of('direct').refused!, /log/)
      }
    }
  })
}

test('the suites of bare stores run without a runner of tests, and each of their cases is counted', async () => {
  const { fields, counts, failures } = await proveStores({ stores: ['in-memory'], durabilities: [] })

  assert.deepEqual(failures, [])
  const passed = ({ mode, passed }: Field) => ({ mode, hasPassed: passed > (mode === 'log' ? 25 : 7) })
  assert.deepEqual(fields.map(passed), [
    { mode: 'log', hasPassed: true },
    { mode: 'direct', hasPassed: true },
  ])
  assert.ok(counts['cases of the store suite']! > 32, JSON.stringify(counts))
})

test('a table that is ended by a signal leaves no server and no file', { skip: postgresTrouble(18) }, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  // The server may run as another user.
  await chmod(folder, 0o755)
  const { [POSTGRES_URL]: _, ...env } = process.env
  const main = fileURLToPath(new URL('../../prove/main.js', import.meta.url))
  const child = spawn(process.execPath, [main, 'stores', '--store', 'postgres', '--no-suite'], {
    env: { ...env, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  // The first field: the server is up, and used.
  await firstLine(child)
  const [server] = (await readdir(folder)).filter(name => /^holdfast-postgres-.{6}$/.test(name))
  const pid = Number((await readFile(join(folder, server!, 'data/postmaster.pid'), 'utf8')).split('\n')[0])

  child.kill('SIGTERM')

  assert.deepEqual(await once(child, 'exit'), [143, null])
  assert.deepEqual(await readdir(folder), [])
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

function firstLine(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let printed = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      printed += text
      if (printed.includes('\n')) resolve()
    })
    child.once('exit', () => reject(new Error(`it has ended: ${printed}`)))
  })
}
