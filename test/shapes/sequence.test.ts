import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory, type MemoryScope, type ReadRange, type Sequence, type SequenceItem } from '../../src/index.js'
import { freshFolder, freshMemory, SMALL } from '../api/temporary-folder.js'

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const read = async (sequence: Sequence, range?: ReadRange) =>
  (await collect(sequence.read(range))).map(({ position }) => position)

const items = (...values: number[]): SequenceItem<number>[] => values.map(value => ({ position: value, value }))

test('items are appended behind the last one, and found under their positions', async t => {
  for (const tierBytesMax of [1 << 20, 0]) {
    const memory = await freshMemory(t, { tierBytesMax })
    const sequence = memory.sequence<number>('events')
    assert.deepEqual(await sequence.bounds(), { first: 0, next: 0 })

    const one = await sequence.append(0)
    const more = await sequence.append(1, 2, 3)
    await memory.checkpoint()

    assert.deepEqual([one.positions, more.positions, more.reached], [[0], [1, 2, 3], 'log'])
    assert.ok(more.lsn > one.lsn)
    assert.deepEqual(await sequence.tail(2), items(2, 3))
    assert.deepEqual(await sequence.tail(), items(0, 1, 2, 3))
    assert.deepEqual(await sequence.tail(0), [])
    assert.equal(await sequence.get(3), 3)
    assert.equal(await sequence.get(4), undefined)
    assert.equal(await sequence.length(), 4)
    assert.deepEqual(await sequence.bounds(), { first: 0, next: 4 })
    await memory.close()
  }
})

test('a range is read from a position on, in either direction, up to another', async t => {
  const memory = await freshMemory(t)
  const sequence = memory.sequence<number>('events')
  await sequence.append(...Array.from({ length: 10 }, (_, n) => n))
  await sequence.trim({ before: 2 })

  assert.deepEqual(await read(sequence), [2, 3, 4, 5, 6, 7, 8, 9])
  assert.deepEqual(await read(sequence, { reverse: true }), [9, 8, 7, 6, 5, 4, 3, 2])
  assert.deepEqual(await read(sequence, { from: 5 }), [5, 6, 7, 8, 9])
  assert.deepEqual(await read(sequence, { from: 5, reverse: true }), [5, 4, 3, 2])
  assert.deepEqual(await read(sequence, { from: 4, to: 7 }), [4, 5, 6])
  assert.deepEqual(await read(sequence, { from: 7, to: 4, reverse: true }), [7, 6, 5])
  assert.deepEqual(await read(sequence, { from: 0, to: 100, limit: 3 }), [2, 3, 4])
  assert.deepEqual(await read(sequence, { from: 100, to: 0, reverse: true, limit: 3 }), [9, 8, 7])
  assert.deepEqual(await read(sequence, { from: 7, to: 4 }), [])
  assert.deepEqual(await read(sequence, { from: 10 }), [])
  assert.deepEqual(await read(sequence, { from: 1, reverse: true }), [])
  assert.deepEqual(await read(sequence, { limit: 0 }), [])
  for (const pageSize of [1, 3, 8, 100]) {
    assert.deepEqual(await read(sequence, { pageSize }), [2, 3, 4, 5, 6, 7, 8, 9])
    assert.deepEqual(await read(sequence, { pageSize, reverse: true, to: 3 }), [9, 8, 7, 6, 5, 4])
  }
})

test('a read ends with the last item that was there when it began', async t => {
  const memory = await freshMemory(t)
  const sequence = memory.sequence<number>('events')
  await sequence.append(0, 1, 2)
  const seen: number[] = []
  for await (const { value } of sequence.read({ pageSize: 1 })) {
    seen.push(value)
    await sequence.append(value + 10)
    if (value === 0) await sequence.trim({ before: 2 })
  }
  assert.deepEqual(seen, [0, 2])
})

test('positions go on where they were after trims, deletes and a reopen, and are never given again', async () => {
  const folder = await freshFolder()
  let memory = await AgentMemory.open(folder, SMALL)
  await memory.sequence<number>('events').append(0, 1, 2, 3, 4)
  assert.equal((await memory.sequence('events').trim({ keepLast: 2 })).removed, 3)
  assert.equal((await memory.sequence('events').trim({ keepLast: 2 })).removed, 0)
  await memory.close()
  memory = await AgentMemory.open(folder, SMALL)
  const sequence = memory.sequence<number>('events')
  assert.deepEqual(await sequence.tail(), items(3, 4))
  assert.equal((await sequence.delete()).removed, 2)
  assert.deepEqual(await sequence.bounds(), { first: 5, next: 5 })
  assert.equal((await sequence.delete()).removed, 0)
  await memory.close()
  memory = await AgentMemory.open(folder, SMALL)

  assert.deepEqual((await memory.sequence<number>('events').append(5)).positions, [5])
  assert.deepEqual(await memory.sequence<number>('events').tail(), items(5))
  await memory.close()
})

test('a trim of many goes in steps, and lets what is appended meanwhile stay', async t => {
  const memory = await freshMemory(t)
  const sequence = memory.sequence<number>('events')
  await sequence.append(...Array.from({ length: 1000 }, (_, n) => n))

  const trimmed = sequence.delete()
  const appended = await sequence.append(1000)

  assert.deepEqual(appended.positions, [1000])
  assert.equal((await trimmed).removed, 1000)
  assert.deepEqual(await sequence.tail(), items(1000))
  assert.deepEqual(await sequence.bounds(), { first: 1000, next: 1001 })
})

test('keepLast lets go of the oldest in the batch of the append', async t => {
  const memory = await freshMemory(t)
  const sequence = memory.sequence<number>('events', { keepLast: 3 })
  for (let value = 0; value < 7; value++) await sequence.append(value)
  assert.deepEqual(await sequence.tail(), items(4, 5, 6))
  assert.deepEqual(await sequence.bounds(), { first: 4, next: 7 })

  const { positions } = await sequence.append(7, 8, 9, 10, 11)

  assert.deepEqual(positions, [7, 8, 9, 10, 11])
  assert.deepEqual(await collect(sequence.read()), items(9, 10, 11))
  for (let position = 0; position < 9; position++) assert.equal(await sequence.get(position), undefined)
})

test('a sequence that is given a smaller keepLast shows no more at once, and gets rid of the rest step by step', async () => {
  const folder = await freshFolder()
  let memory = await AgentMemory.open(folder, SMALL)
  await memory.sequence<number>('events').append(...Array.from({ length: 1000 }, (_, n) => n))
  await memory.close()
  memory = await AgentMemory.open(folder, SMALL)
  const sequence = memory.sequence<number>('events', { keepLast: 2 })

  assert.deepEqual(await sequence.tail(), items(998, 999))
  await sequence.append(1000)
  assert.deepEqual(await collect(sequence.read()), items(999, 1000))
  assert.equal(await sequence.get(500), 500)
  for (let value = 1001; value < 1004; value++) await sequence.append(value)

  assert.equal(await sequence.get(500), undefined)
  assert.equal(await sequence.get(998), undefined)
  assert.deepEqual(await collect(sequence.read()), items(1002, 1003))
  await memory.close()
})

test('items are values: what is done to an object after append or get changes nothing', async t => {
  const memory = await freshMemory(t)
  const sequence = memory.sequence<{ list: number[]; at: Date }>('events')
  const given = { list: [1], at: new Date(5) }
  const appended = sequence.append(given, given)
  given.list.push(2)
  await appended
  const [first] = await sequence.tail(1)
  first!.value.list.push(3)
  const expected = { list: [1], at: new Date(5) }
  assert.deepEqual(await sequence.get(0), expected)
  assert.deepEqual(
    (await sequence.tail()).map(({ value }) => value),
    [expected, expected],
  )
})

test('several items are appended all or none', async t => {
  const memory = await freshMemory(t, { frameBytesMax: 64 * 1024 })
  const sequence = memory.sequence<unknown>('events')
  await sequence.append('a')

  await assert.rejects(
    sequence.append('b', () => {}),
    { code: 'VALUE_UNSUPPORTED' },
  )
  await assert.rejects(sequence.append('b', undefined), { code: 'VALUE_UNSUPPORTED' })
  await assert.rejects(sequence.append('b', 'x'.repeat(70_000)), { code: 'VALUE_TOO_LARGE' })
  await assert.rejects(sequence.append(...Array(3).fill('x'.repeat(30_000))), { code: 'BATCH_TOO_LARGE' })

  assert.deepEqual(await sequence.bounds(), { first: 0, next: 1 })
  assert.deepEqual((await sequence.append('b')).positions, [1])
  const nothing = await sequence.append()
  assert.deepEqual([nothing.positions, nothing.reached], [[], 'log'])
})

test('sequences are apart from maps, from one another and from those of other scopes, whatever they are called', async t => {
  const memory = await freshMemory(t)
  const names = ['events', '__proto__', 'a\0b', ':', '../x', '\u{1f600}', 'heads', 'items', '0', '0000000000000001']
  const segments = ['acme', 'acme-corp', '0', '1', '0000000000000001', '', '\0']
  const places: [string, MemoryScope][] = [
    ['whole', memory],
    ...segments.map((name): [string, MemoryScope] => [name, memory.scope(name)]),
    ...segments.map((name): [string, MemoryScope] => [`acme/${name}`, memory.scope('acme', name)]),
  ]
  for (const [place, scope] of places) {
    for (const name of names) {
      await scope.sequence<string>(name).append(`${place} ${name} 0`, `${place} ${name} 1`, `${place} ${name} 2`)
      await scope.map(name).set('0', 'map')
    }
  }
  await memory.checkpoint()
  await memory.sequence('events').trim({ keepLast: 1 })
  await memory.scope('acme').sequence('events').delete()

  for (const [place, scope] of places) {
    for (const name of names) {
      const kept = name !== 'events' ? 3 : place === 'whole' ? 1 : place === 'acme' ? 0 : 3
      const expected = [0, 1, 2].slice(3 - kept).map(position => ({ position, value: `${place} ${name} ${position}` }))
      assert.deepEqual(await scope.sequence(name).tail(), expected, `${place} ${name}`)
      assert.deepEqual(await collect(scope.sequence(name).read()), expected, `${place} ${name}`)
    }
  }
  for (const name of names) {
    const keys = (await collect(memory.map(name).entries())).map(({ key }) => key)
    assert.equal(keys.length, places.length, name)
  }
})

test('an append with a batch takes effect with it, or not at all', async t => {
  const memory = await freshMemory(t)
  const runs = memory.map<number>('runs')
  const sequence = memory.sequence<string>('events')
  const other = memory.scope('acme').sequence<string>('events')
  await sequence.append('a')
  await memory.batch(batch => {
    batch.append(sequence, 'b', 'c')
    batch.set(runs, 'run', 1)
    batch.append(other, 'x')
    batch.append(sequence, 'd')
  })
  assert.deepEqual(
    (await sequence.tail()).map(({ value }) => value),
    ['a', 'b', 'c', 'd'],
  )
  assert.deepEqual(await other.tail(), [{ position: 0, value: 'x' }])
  assert.equal(await runs.get('run'), 1)

  const conflict = memory.batch(batch => {
    batch.append(sequence, 'e')
    batch.set(runs, 'run', 2, { expected: null })
  })
  await assert.rejects(conflict, { code: 'VERSION_CONFLICT' })

  assert.equal(await sequence.length(), 4)
  assert.deepEqual((await sequence.append('e')).positions, [4])
  for (const wrong of [runs, memory, null, undefined, 'events'] as never[]) {
    await assert.rejects(
      memory.batch(batch => void batch.append(wrong, 'x' as never)),
      { code: 'INVALID_ARGUMENT' },
    )
  }
  await assert.rejects(
    memory.batch(batch => void batch.set(sequence as never, 'k', 1)),
    { code: 'INVALID_ARGUMENT', message: /no map/ },
  )
  const elsewhere = await freshMemory(t)
  await assert.rejects(
    memory.batch(batch => void batch.append(elsewhere.sequence<string>('events'), 'x')),
    {
      code: 'INVALID_ARGUMENT',
    },
  )
})

test('a sequence is as durable as it says, and an append as it says', async t => {
  const memory = await freshMemory(t)
  const sequence = memory.sequence<number>('views', { durability: 'write-back', maxLoss: { writes: 4 } })
  assert.equal((await sequence.append(0)).reached, 'tier')
  assert.equal(memory.status().atRisk.writes, 2)
  assert.equal((await sequence.append(1, 2, 3)).reached, 'log')
  assert.equal((await sequence.appendMany([4], { durability: 'write-through' })).reached, 'store')
  assert.equal((await sequence.trim({ keepLast: 1, durability: 'write-ahead' })).reached, 'log')
  const appended = await sequence.append(5)
  await appended.durable()
  assert.equal(memory.status().lsn.durable, appended.lsn)
  const batch = await memory.batch(batch => void batch.append(sequence, 6))
  assert.equal(batch.reached, 'tier')
})

test('wrong calls are refused by name, and change nothing', async t => {
  const memory = await freshMemory(t)
  const sequence = memory.sequence<unknown>('events')
  await sequence.append('a')
  for (const position of [-1, 1.5, Number.NaN, 2 ** 53, '0' as never, undefined as never]) {
    await assert.rejects(sequence.get(position), { code: 'INVALID_ARGUMENT' })
    if (position !== undefined) await assert.rejects(read(sequence, { from: position }), { code: 'INVALID_ARGUMENT' })
  }
  for (const given of [5, 'abc', null, undefined, {}]) {
    await assert.rejects(sequence.appendMany(given as never), { code: 'INVALID_ARGUMENT' })
  }
  await assert.rejects(sequence.appendMany(['b'], { durability: 'never' as never }), { code: 'INVALID_OPTION' })
  await assert.rejects(sequence.appendMany(['b'], { ttlMs: 5 } as never), { code: 'UNKNOWN_OPTION' })
  await assert.rejects(sequence.tail(-1), { code: 'INVALID_OPTION' })
  await assert.rejects(read(sequence, { limit: 1.5 }), { code: 'INVALID_OPTION' })
  await assert.rejects(read(sequence, { pageSize: 0 }), { code: 'INVALID_OPTION' })
  await assert.rejects(read(sequence, { gt: 5 } as never), { code: 'UNKNOWN_OPTION' })
  await assert.rejects(sequence.trim({} as never), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(sequence.trim({ keepLast: 1, before: 2 } as never), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(sequence.trim({ keepLast: -1 }), { code: 'INVALID_OPTION' })
  await assert.rejects(sequence.trim({ before: -1 }), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(sequence.delete({ keepLast: 5 } as never), { code: 'UNKNOWN_OPTION' })
  for (const name of ['', 5, null, '\ud800']) {
    assert.throws(() => memory.sequence(name as never), { code: 'INVALID_NAME', message: /sequence/ })
  }
  for (const keepLast of [0, -1, 1.5, '5']) {
    assert.throws(() => memory.sequence('other', { keepLast } as never), { code: 'INVALID_OPTION' })
  }
  assert.throws(() => memory.sequence('other', { rules: [] } as never), { code: 'UNKNOWN_OPTION' })
  assert.throws(() => memory.sequence('events', { keepLast: 5 }), {
    code: 'OPTIONS_DIFFER',
    message: /sequence "events"/,
  })
  assert.deepEqual(await memory.sequence('events', { keepLast: null }).tail(), [{ position: 0, value: 'a' }])
  const long = memory.sequence('x'.repeat(1100))
  await assert.rejects(long.append(1), { code: 'KEY_TOO_LONG' })

  await memory.close()
  await assert.rejects(sequence.append('b'), { code: 'CLOSED' })
  await assert.rejects(sequence.tail(), { code: 'CLOSED' })
  await assert.rejects(read(sequence), { code: 'CLOSED' })
  await assert.rejects(sequence.trim({ keepLast: 0 }), { code: 'CLOSED' })
  assert.throws(() => memory.sequence('events'), { code: 'CLOSED' })
})
