// A memory whose store is files: `files:./folder`, what is found there, and what survives.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'
import { crashStates, ManualClock, SimulatedDisk, seededRandom } from '../../src/testing/index.js'

const root = await mkdtemp(join(tmpdir(), 'holdfast-files-memory-'))
after(() => rm(root, { recursive: true }))

let folders = 0
const newFolder = () => join(root, `memory-${++folders}`)

async function jsonIn(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(join(folder, 'entries'), { recursive: true })).map(String)
  const files = names.filter(name => name.endsWith('.json'))
  const texts = files.map(async name => [name.slice(3), await readFile(join(folder, 'entries', name), 'utf8')])
  return Object.fromEntries(await Promise.all(texts))
}

test('a memory in files:… keeps each entry in a file that people can read, and its log in .holdfast', async () => {
  const folder = newFolder()
  const memory = await AgentMemory.open(`files:${folder}`)
  const preferences = memory.map('preferences', { durability: 'write-through' })
  await preferences.set(['user-1', 'language'], 'zh-CN')
  await preferences.set(['user-2', 'language'], 'de')
  await preferences.delete(['user-2', 'language'])
  assert.equal(memory.status().store.kind, 'files')

  const files = await jsonIn(folder)
  assert.deepEqual(Object.keys(files), ['preferences,user-1,language.json'])
  assert.equal(JSON.parse(files['preferences,user-1,language.json']!).value, 'zh-CN')
  await memory.close()

  assert.ok((await readdir(join(folder, '.holdfast'))).includes('holdfast.json'))
  const again = await AgentMemory.open(`files:${folder}`)
  assert.equal(await again.map('preferences').get(['user-1', 'language']), 'zh-CN')
  await again.close()
})

test('the folder of lock and log may be elsewhere, and a memory in a folder may have a store of files', async () => {
  const [folder, apart, plain] = [newFolder(), newFolder(), newFolder()]
  await (await AgentMemory.open(`files:${folder}`, { folder: apart })).close()
  assert.deepEqual((await readdir(folder)).sort(), ['entries', 'owner.lock', 'store.json'])
  assert.ok((await readdir(apart)).includes('log'))

  await (await AgentMemory.open(plain, { store: 'files' })).close()
  assert.ok((await readdir(join(plain, 'store'))).includes('entries'))
  await assert.rejects(AgentMemory.open(plain), { code: 'WRONG_STORE' })
})

test('a memory that is open is not shared with one whose files are elsewhere', async () => {
  const apart = newFolder()
  const memory = await AgentMemory.open(`files:${newFolder()}`, { folder: apart })
  await assert.rejects(AgentMemory.open(`files:${newFolder()}`, { folder: apart }), { code: 'OPTIONS_DIFFER' })
  await memory.close()
})

test('what a files location cannot mean is refused, and makes nothing', async () => {
  const wrong: [location: string, options: object, code: string][] = [
    ['files:', {}, 'INVALID_ARGUMENT'],
    ['files:a\0b', {}, 'INVALID_ARGUMENT'],
    ['file:./x', {}, 'INVALID_ARGUMENT'],
    ['files:./x', { store: 'level' }, 'INVALID_OPTION'],
    ['files:./x', { folder: '' }, 'INVALID_OPTION'],
    ['./x', { folder: './y' }, 'INVALID_OPTION'],
    ['files:./x', { store: { kind: 'files', adoptEdits: 'yes' } }, 'INVALID_OPTION'],
    ['files:./x', { store: { kind: 'files', adopt: true } }, 'UNKNOWN_OPTION'],
  ]
  for (const [location, options, code] of wrong) {
    await assert.rejects(
      AgentMemory.open(location, options as AgentMemoryOptions),
      { code },
      JSON.stringify([location, options]),
    )
  }
})

test('an edit by hand is STORE_CORRUPT until adoptEdits takes it for a new value', async () => {
  const folder = newFolder()
  const memory = await AgentMemory.open(`files:${folder}`)
  await memory.map('facts').set('capital', { of: 'Germany', is: 'Bonn' })
  await memory.close()
  const entries = join(folder, 'entries')
  const name = (await readdir(entries, { recursive: true })).map(String).find(each => each.endsWith('.json'))!
  const text = await readFile(join(entries, name), 'utf8')
  await writeFile(join(entries, name), text.replace('Bonn', 'Berlin'))

  const strict = await AgentMemory.open(`files:${folder}`)
  await assert.rejects(strict.map('facts').get('capital'), { code: 'STORE_CORRUPT', next: /adoptEdits/ })
  await strict.close()
  const adopting = await AgentMemory.open(`files:${folder}`, { store: { kind: 'files', adoptEdits: true } })
  assert.deepEqual(await adopting.map('facts').get('capital'), { of: 'Germany', is: 'Berlin' })
  await adopting.close()

  const again = await AgentMemory.open(`files:${folder}`)
  const facts = again.map('facts')
  const entry = await facts.getEntry('capital')
  assert.deepEqual(entry!.value, { of: 'Germany', is: 'Berlin' })
  await facts.set('capital', 'moved', { expected: entry!.version })
  await again.close()
})

test('whatever a power cut leaves, what was acknowledged is in the files or comes back from the log', async () => {
  const open = (fileSystem: SimulatedDisk) =>
    AgentMemory.open('files:/folder', { fileSystem, clock: new ManualClock(), segmentBytesMax: 64 * 1024 })
  const disk = new SimulatedDisk()
  const memory = await open(disk)
  const map = memory.map('m')
  const random = seededRandom(4)
  let acknowledged = 0
  let calls = 0
  const states: { disk: SimulatedDisk; acknowledged: number }[] = []
  disk.onCall = () => {
    if (++calls % 4 !== 0) return
    for (const { disk: left } of crashStates(disk, { random, count: 4 })) states.push({ disk: left, acknowledged })
  }
  for (let step = 1; step <= 6; step++) {
    const durability = step % 2 === 0 ? 'write-through' : 'write-ahead'
    const entries = Array.from({ length: 4 }, (_, index): [string, number] => [`k${(index + step) % 6}`, step])
    await map.setMany([...entries, ['last', step]], { durability })
    acknowledged = step
  }
  disk.onCall = undefined
  await memory.close()
  assert.ok(states.length > 100, `${states.length} states`)

  for (const { disk: left, acknowledged: promised } of states) {
    const again = await open(left)
    const found = again.map<number>('m')
    const last = (await found.get('last')) ?? 0
    assert.ok(last >= promised, `${last} after ${promised} was acknowledged`)
    const expected = new Map<string, number>()
    for (let step = 1; step <= last; step++) {
      for (let index = 0; index < 4; index++) expected.set(`k${(index + step) % 6}`, step)
      expected.set('last', step)
    }
    const all: [string, number][] = []
    for await (const { key, value } of found.entries()) all.push([String(key), value])
    assert.deepEqual(
      all,
      [...expected].sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    await again.close()
  }
})

test('10,000 entries go in, are found in order, change and go', async () => {
  const fileSystem = new SimulatedDisk()
  const options = { fileSystem, clock: new ManualClock(), tierBytesMax: 0 }
  const memory = await AgentMemory.open('files:/folder', options)
  const map = memory.map<number>('m')
  const keyOf = (index: number) => `user-${String(index).padStart(5, '0')}`
  const all = Array.from({ length: 10_000 }, (_, index): [string, number] => [keyOf(index), index])
  await map.setMany(all)
  await map.deleteMany(all.filter(([, value]) => value % 2 === 1).map(([key]) => key))
  await memory.checkpoint()
  await memory.close()

  const again = await AgentMemory.open('files:/folder', options)
  const found: number[] = []
  for await (const { value } of again.map<number>('m').entries()) found.push(value)
  assert.deepEqual(
    found,
    all.map(([, value]) => value).filter(value => value % 2 === 0),
  )
  assert.equal(await again.map('m').get(keyOf(9998)), 9998)
  assert.equal(await again.map('m').get(keyOf(9999)), undefined)
  await again.close()
})
