// Values of an older shape: brought up to date when they are read, and only rewritten when the caller writes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory, type MapOptions, type MemoryMap, type SchemaOptions } from '../../src/index.js'
import { freshFolder, freshMemory, SMALL } from '../api/temporary-folder.js'

interface Named {
  first: string
  last: string
}

const upgrades: [unknown, number][] = []
const NAMED: SchemaOptions<Named> = {
  version: 2,
  upgrade: (value, version) => {
    upgrades.push([value, version])
    if (version === 0) return { first: value as string, last: '' }
    const [first = '', last = ''] = (value as { name: string }).name.split(' ')
    return { first, last }
  },
}

/** A memory with a value of each version, in the store or in the log. */
async function folderOfVersions(isInStore: boolean): Promise<string> {
  const folder = await freshFolder()
  for (const [key, options, value] of [
    ['zero', {}, 'Ada'],
    ['one', { version: 1 }, { name: 'Grace Hopper' }],
    ['two', NAMED, { first: 'Alan', last: 'Turing' }],
  ] as [string, MapOptions & SchemaOptions, unknown][]) {
    const memory = await AgentMemory.open(folder, SMALL)
    await memory.map('people', options).set(key, value)
    if (isInStore) await memory.checkpoint()
    await memory.close({ deadlineMs: isInStore ? 30_000 : 0 })
  }
  return folder
}

for (const isInStore of [true, false]) {
  const where = isInStore ? 'the store' : 'the log'

  test(`every read of ${where} gives the present shape, and nothing is rewritten`, async t => {
    const folder = await folderOfVersions(isInStore)
    const expected = [
      ['one', { first: 'Grace', last: 'Hopper' }],
      ['two', { first: 'Alan', last: 'Turing' }],
      ['zero', { first: 'Ada', last: '' }],
    ]
    for (const tierBytesMax of [0, 1 << 20]) {
      const memory = await AgentMemory.open(folder, { ...SMALL, tierBytesMax })
      t.after(() => memory.close())
      const people = memory.map('people', NAMED)
      const before = memory.status().lsn.accepted
      upgrades.length = 0

      for (const [key, value] of expected) assert.deepEqual(await people.get(key as string), value)
      assert.deepEqual(
        await people.getMany(expected.map(([key]) => key as string)),
        expected.map(([, value]) => value),
      )
      assert.deepEqual(await contentOf(people), expected)
      assert.deepEqual((await people.getEntry('one'))?.value, expected[0]![1])
      assert.equal(memory.status().lsn.accepted, before)
      assert.deepEqual(upgrades.map(([, version]) => version).sort(), [0, 0, 0, 1, 1, 1, 1])
      await memory.close()
    }
  })
}

test('conditional writes and update see the upgraded value, and what they write is of the new version', async t => {
  const folder = await folderOfVersions(true)
  const memory = await AgentMemory.open(folder, SMALL)
  t.after(() => memory.close())
  const people = memory.map('people', NAMED)

  const entry = (await people.getEntry('one'))!
  await people.set('one', { ...entry.value, last: 'Murray' }, { expected: entry.version })
  await assert.rejects(people.set('one', entry.value, { expected: entry.version }), { code: 'VERSION_CONFLICT' })
  const { value } = await people.update('zero', found => ({ ...found, last: 'Lovelace' }))

  assert.deepEqual(value, { first: 'Ada', last: 'Lovelace' })
  await memory.checkpoint()
  upgrades.length = 0
  assert.deepEqual(await people.getMany(['one', 'zero']), [
    { first: 'Grace', last: 'Murray' },
    { first: 'Ada', last: 'Lovelace' },
  ])
  assert.deepEqual(upgrades, [])
})

test('a newer version than the map knows is an error, and nothing is lost', async () => {
  const folder = await folderOfVersions(true)
  for (const [what, options] of [
    ['has none', {}],
    ['is at version 1', { version: 1, upgrade: (value: unknown) => value }],
  ] as const) {
    const memory = await AgentMemory.open(folder, SMALL)
    const people = memory.map('people', options)
    const message = new RegExp(`is of version 2, and the map "people" ${what}: a newer program`)
    const error = { code: 'SCHEMA_MISMATCH', message }

    await assert.rejects(people.get('two'), error)
    await assert.rejects(people.getMany(['two', 'none']), error)
    await assert.rejects(people.getEntry('two'), error)
    await assert.rejects(contentOf(people), { code: 'SCHEMA_MISMATCH' })
    await assert.rejects(
      people.update('two', () => 'overwritten'),
      error,
    )
    assert.equal(await people.has('two'), true)
    assert.equal(await people.get('zero'), 'Ada')
    await memory.close()
  }
  const again = await AgentMemory.open(folder, SMALL)
  assert.deepEqual(await again.map('people', NAMED).get('two'), { first: 'Alan', last: 'Turing' })
  await again.close()
})

test('an older version without a way to upgrade it is an error, and nothing is lost', async t => {
  const folder = await folderOfVersions(true)
  const memory = await AgentMemory.open(folder, SMALL)
  t.after(() => memory.close())
  const people = memory.map('people', { version: 1 })

  await assert.rejects(people.get('zero'), { code: 'SCHEMA_MISMATCH', message: /of version 0.*at version 1, without/ })
  assert.deepEqual(await people.get('one'), { name: 'Grace Hopper' })
})

test('an upgrade that breaks its contract is told so, and what it throws reaches the caller', async t => {
  const memory = await freshMemory(t)
  await memory.map('m').set('k', 1)
  await memory.close()
  const folder = memory.status().folder
  for (const [result, error] of [
    [() => undefined, { code: 'INVALID_OPTION', message: /has returned undefined/ }],
    [async () => 1, { code: 'INVALID_OPTION', message: /has returned a promise/ }],
    [() => Promise.reject(new Error('late')), { code: 'INVALID_OPTION' }],
    [
      () => {
        throw new RangeError('broken')
      },
      new RangeError('broken'),
    ],
  ] as const) {
    const again = await AgentMemory.open(folder, SMALL)
    const map: MemoryMap = again.map('m', { version: 1, upgrade: result } as SchemaOptions)
    await assert.rejects(map.get('k'), error)
    await assert.rejects(
      map.update('k', () => 2),
      error,
    )
    await again.close()
  }
  const again = await AgentMemory.open(folder, SMALL)
  assert.equal(await again.map('m').get('k'), 1)
  await again.close()
})

test('the version is kept through every version that there may be, with every codec and compression', async () => {
  const folder = await freshFolder()
  const text = 'again and again and again and again'
  for (const version of [1, 0x7fff, 0x8000, 0xffff]) {
    for (const codec of ['lossless', 'json'] as const) {
      const options = { version, codec, compression: { algorithm: 'gzip', thresholdBytes: 0 } } as const
      const memory = await AgentMemory.open(folder, { ...SMALL, tierBytesMax: 0 })
      const map = memory.map(`m ${version} ${codec}`, options)
      await map.set('k', text)
      assert.equal(await map.get('k'), text)
      await memory.checkpoint()
      assert.equal(await map.get('k'), text)
      await memory.close()
      if (version === 0xffff) continue
      const later = await AgentMemory.open(folder, SMALL)
      const upgrade = (value: unknown, from: number) => `${value} of ${from}`
      const upgraded = later.map(`m ${version} ${codec}`, { version: version + 1, upgrade })
      assert.equal(await upgraded.get('k'), `${text} of ${version}`)
      await later.close()
    }
  }
})

test('versions and upgrades that make no sense are refused when the map is opened', async t => {
  const memory = await freshMemory(t)
  const upgrade = (value: unknown) => value
  for (const options of [
    { version: 0 },
    { version: 65_536 },
    { version: 1.5 },
    { version: '2' },
    { version: null },
    { upgrade },
    { version: 2, upgrade: 'yes' },
    { version: 2, upgrade: null },
  ]) {
    assert.throws(() => memory.map('m', options as SchemaOptions), { code: 'INVALID_OPTION' }, JSON.stringify(options))
  }
  memory.map('m', { version: 2, upgrade })
  assert.throws(() => memory.map('m', { version: 3, upgrade }), { code: 'OPTIONS_DIFFER' })
  // A function that was written anew in its place means the same.
  memory.map('m', { version: 2, upgrade: (value: unknown) => value })
})

async function contentOf<V>(map: MemoryMap<V>): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const { key, value } of map.entries()) found.push([key, value])
  return found
}
