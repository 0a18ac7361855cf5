import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { AgentMemory } from '../../src/index.js'
import { parseLocation } from '../../src/location.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'

/** A location in a new folder; nothing is there yet. */
async function freshPath(): Promise<string> {
  return join(dirname(await freshFolder()), 'memory.db')
}

test('a memory in a database file has its folder beside it', async () => {
  const path = await freshPath()
  const memory = await AgentMemory.open(`sqlite:${path}`, SMALL)
  await memory.map('m').set('a', { n: 1 }, { durability: 'write-through' })
  assert.equal(memory.status().store.kind, 'sqlite')
  await memory.close()

  // The drop-in for node:sqlite lets go of the -wal and -shm files only when its statements are collected.
  const names = (await readdir(dirname(path))).filter(name => !/-(wal|shm)$/.test(name))
  assert.deepEqual(names.sort(), ['memory.db', 'memory.db-holdfast', 'memory.db-lock'])
  assert.match(await readFile(join(`${path}-holdfast`, 'holdfast.json'), 'utf8'), /"store": "sqlite"/)
  const again = await AgentMemory.open(`sqlite:${path}`, SMALL)
  assert.deepEqual(await again.map('m').get('a'), { n: 1 })
  await again.close()
})

test('the folder may be anywhere, and the folders above both are made', async () => {
  const parent = dirname(await freshFolder())
  const [path, folder] = [join(parent, 'data', 'memory.db'), join(parent, 'fast', 'log')]
  await mkdir(dirname(path))

  const memory = await AgentMemory.open(`sqlite:${path}`, { ...SMALL, folder })
  await memory.map('m').set('a', 1)
  await memory.close()

  assert.deepEqual((await readdir(folder)).sort(), ['holdfast.json', 'log', 'owner.lock'])
  assert.equal(existsSync(`${path}-holdfast`), false)
  const deep = join(parent, 'x', 'y', 'memory.db')
  await (await AgentMemory.open(`sqlite:${deep}`, SMALL)).close()
  assert.ok(existsSync(deep))
})

test('a path is relative or absolute, with two slashes before it or none', () => {
  const here = process.cwd()
  for (const [location, path] of [
    ['sqlite:memory.db', `${here}/memory.db`],
    ['sqlite:./data/memory.db', `${here}/data/memory.db`],
    ['SQLite:./memory.db', `${here}/memory.db`],
    ['sqlite:/srv/memory.db', '/srv/memory.db'],
    ['sqlite:///srv/memory.db', '/srv/memory.db'],
    ['sqlite:./a:b\n.db', `${here}/a:b\n.db`],
  ] as const) {
    assert.deepEqual(parseLocation(location), { store: { kind: 'sqlite', path }, folder: `${path}-holdfast` })
  }
  assert.deepEqual(parseLocation('./sqlite'), { store: undefined, folder: `${here}/sqlite` })
})

test('a wrong location is refused, and says what to give', async () => {
  const refused = async (location: unknown, options: object, code: string, pattern: RegExp) => {
    await assert.rejects(AgentMemory.open(location as string, options), (error: Error & { code?: string }) => {
      assert.equal(error.code, code, String(location))
      assert.match(error.message, pattern)
      return true
    })
  }
  for (const location of ['sqlite:', 'sqlite://', 'sqlite::memory:', 'sqlite:./folder/', 'sqlite:a\0b', '', 7, null]) {
    await refused(location, {}, 'INVALID_ARGUMENT', /location/)
  }
  await refused('mysql://host/db', {}, 'INVALID_ARGUMENT', /"mysql:….*sqlite:…/)
  await refused('sqlite:./m.db', { store: 'level' }, 'INVALID_OPTION', /"store" was given, and the location/)
  await refused('./folder', { folder: './other' }, 'INVALID_OPTION', /"folder" was given/)
  for (const folder of ['', 7, 'a\0b']) await refused('sqlite:./m.db', { folder }, 'INVALID_OPTION', /"folder"/)
  await refused('./folder', { store: 'sqlite' }, 'INVALID_OPTION', /sqlite:\.\/memory\.db/)
  assert.equal(existsSync('m.db') || existsSync('m.db-holdfast'), false)
})

test('two opens of one database share the memory, however its path is written', async () => {
  const path = await freshPath()
  const memory = await AgentMemory.open(`sqlite:${path}`, SMALL)
  await symlink(dirname(path), `${dirname(path)}-link`)
  const spelled = join(`${dirname(path)}-link`, 'memory.db')

  const others = [
    await AgentMemory.open(`sqlite:${relative(process.cwd(), path)}`, SMALL),
    await AgentMemory.open(`sqlite:${spelled}`, SMALL),
  ]
  await memory.map('m').set('a', 1)

  for (const other of others) assert.equal(await other.map('m').get('a'), 1)
  await assert.rejects(AgentMemory.open(`sqlite:${path}2`, { ...SMALL, folder: `${path}-holdfast` }), {
    code: 'OPTIONS_DIFFER',
  })
  for (const each of [memory, ...others]) await each.close()
})

test('a database is the store of one memory at a time, and of one log', async () => {
  const path = await freshPath()
  const folder = `${path}-elsewhere`
  const memory = await AgentMemory.open(`sqlite:${path}`, SMALL)
  await memory.map('m').set('a', 1)

  await assert.rejects(AgentMemory.open(`sqlite:${path}`, { ...SMALL, folder }), { code: 'OWNED_ELSEWHERE' })
  await memory.close()
  await assert.rejects(AgentMemory.open(`sqlite:${path}`, { ...SMALL, folder }), { code: 'LOG_LOST' })
  await assert.rejects(AgentMemory.open(`sqlite:${path}2`, { ...SMALL, folder: `${path}-holdfast` }), {
    code: 'STORE_LOST',
  })
  await assert.rejects(AgentMemory.open(`${path}-holdfast`, SMALL), { code: 'WRONG_STORE' })

  const again = await AgentMemory.open(`sqlite:${path}`, SMALL)
  assert.equal(await again.map('m').get('a'), 1)
  await again.close()
})

test('a file that is no database is refused, and left as it is', async () => {
  const path = await freshPath()
  const text = 'a letter to my mother, which is longer than the header of a database is. '.repeat(20)
  await writeFile(path, text)

  await assert.rejects(AgentMemory.open(`sqlite:${path}`, SMALL), { code: 'STORE_CORRUPT' })

  assert.equal(await readFile(path, 'utf8'), text)
})
