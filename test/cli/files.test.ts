/** `holdfast status`, `verify` and `repair` of a memory whose store is files. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { encodeKey } from '../../src/core/key.js'
import { AgentMemory } from '../../src/index.js'
import { folderOf, nameOf } from '../../src/stores/files/file-name.js'
import { command, hashesOf, jsonOf, newPath } from './helpers.js'

const COUNT = 20

async function memoryAt(location: string, options: { folder?: string; store?: 'files' } = {}): Promise<void> {
  // In one segment, which stays: the log still has what the store has.
  const memory = await AgentMemory.open(location, options)
  for (let n = 0; n < COUNT; n++) await memory.map('m').set(`k${n}`, n)
  await memory.checkpoint()
  await memory.close()
}

async function checkAll(location: string, lost: readonly number[] = []): Promise<void> {
  const memory = await AgentMemory.open(location)
  for (let n = 0; n < COUNT; n++) {
    assert.equal(await memory.map('m').get(`k${n}`), lost.includes(n) ? undefined : n, `k${n} in ${location}`)
  }
  await memory.close()
}

/** The path of the file of a key. */
function fileOf(folder: string, key: string): string {
  const names = readdirSync(join(folder, 'entries'), { recursive: true }).map(String)
  return join(folder, 'entries', names.find(name => name.endsWith(`m,${key}.json`))!)
}

test('status and verify read files by their location, and change nothing', async t => {
  const folder = newPath(t, 'facts')
  await memoryAt(`files:${folder}`)
  const before = hashesOf(folder)

  const status = await jsonOf('status', `files:${folder}`)
  assert.equal(status.code, 0)
  assert.equal(status.json.store.kind, 'files')
  assert.equal(status.json.store.appliedLsn, COUNT)
  const verified = await jsonOf('verify', `files:${folder}`)
  assert.equal(verified.code, 0)
  assert.equal(verified.json.store.entries, COUNT)

  assert.deepEqual(hashesOf(folder), before)
})

test('files within the folder of a memory need no location; elsewhere they do, which verify says', async t => {
  const [folder, files] = [newPath(t), newPath(t, 'facts')]
  await memoryAt(folder, { store: 'files' })
  assert.equal((await jsonOf('verify', folder)).json.store.entries, COUNT)

  await memoryAt(`files:${files}`)
  const { code, stdout } = await command('verify', join(files, '.holdfast'))
  assert.equal(code, 1)
  assert.match(stdout, /STORE_LOST/)
  assert.match(stdout, /files:\.\/folder/)
})

test('verify names each file that was changed, is gone or has come; repair saves the rest', async t => {
  const folder = newPath(t, 'facts')
  await memoryAt(`files:${folder}`)
  const changed = fileOf(folder, 'k3')
  writeFileSync(changed, readFileSync(changed, 'utf8').replace('"value": 3', '"value": 4'))
  const broken = fileOf(folder, 'k5')
  writeFileSync(broken, 'mine')
  rmSync(fileOf(folder, 'k9'))
  await assert.rejects(AgentMemory.open(`files:${folder}`), { code: 'STORE_CORRUPT' })
  const before = hashesOf(folder)

  const { code, json } = await jsonOf('verify', `files:${folder}`)
  const to = join(dirname(folder), 'copy')
  const plan = await jsonOf('repair', `files:${folder}`)
  const done = await command('repair', `files:${folder}`, '--to', to, '--yes')

  assert.equal(code, 1)
  assert.equal(json.store.entries, COUNT - 1)
  assert.deepEqual(
    json.problems.map(each => [each.code, each.key?.join('/')]),
    [
      ['STORE_CORRUPT', undefined],
      ['STORE_CORRUPT', 'm/k3'],
      ['STORE_CORRUPT', 'm/k5'],
    ],
  )
  assert.match(json.problems[0]!.message, /19 files and not 20/)
  assert.equal(plan.code, 1)
  assert.ok(plan.json.losses.some(loss => loss.includes('19 files and not 20')))
  assert.equal(done.code, 0, done.stderr)
  assert.deepEqual(hashesOf(folder), before)
  // What is damaged comes from the log, which still has it; which file is gone, nobody knows.
  await checkAll(to, [9])
})

test('without store.json the entries can be saved, by how far the log says that the store was', async t => {
  const folder = newPath(t, 'facts')
  await memoryAt(`files:${folder}`)
  writeFileSync(join(folder, 'store.json'), '{}')
  const to = join(dirname(folder), 'copy')

  const verified = await jsonOf('verify', `files:${folder}`)
  assert.equal(verified.code, 1)
  assert.equal(verified.json.store.entries, COUNT)
  assert.equal((await command('repair', `files:${folder}`, '--to', to, '--yes')).code, 0)

  await checkAll(to)
})

test('files that were adopted before the first write are no problem', async t => {
  const folder = newPath(t, 'facts')
  await (await AgentMemory.open(`files:${folder}`)).close()
  const key = encodeKey(['m', 'k0'])
  const parent = join(folder, 'entries', folderOf(key))
  mkdirSync(parent)
  writeFileSync(join(parent, `${nameOf(key)}.json`), '{ "value": 0 }')
  const memory = await AgentMemory.open(`files:${folder}`, { store: { kind: 'files', adoptEdits: true } })
  assert.equal(await memory.map('m').get('k0'), 0)
  await memory.close()

  const { code, json } = await jsonOf('verify', `files:${folder}`)
  assert.deepEqual(json.problems, [])
  assert.equal(code, 0)
})

test('repair copies files into a folder, a folder into files, and nothing into the original', async t => {
  const folder = newPath(t, 'facts')
  await memoryAt(`files:${folder}`)
  const [copy, again] = [join(dirname(folder), 'copy'), join(dirname(folder), 'again')]

  assert.equal((await command('repair', `files:${folder}`, '--to', copy, '--yes')).code, 0)
  assert.equal((await command('repair', copy, '--to', `files:${again}`, '--yes')).code, 0)
  assert.equal((await command('repair', copy, '--to', `files:${again}`, '--yes')).code, 2, 'it is there now')
  for (const within of [join(folder, 'copy'), `files:${join(folder, 'entries', 'copy')}`]) {
    assert.equal((await command('repair', `files:${folder}`, '--to', within, '--yes')).code, 2, within)
  }

  for (const location of [copy, `files:${again}`]) {
    await checkAll(location)
    assert.equal((await command('verify', location)).code, 0, location)
  }
})
