import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DataStore, StoreOpener, VersionConflictError } from '../../src/index.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { journalStore, openOn, simulated, turns, until } from './simulated.js'

const TINY = { tierBytesMax: 0 }

test('compare-and-set takes the version that is there, and null for what is not', async () => {
  const { memory } = await simulated()
  const map = memory.map<string>('m')
  const first = await map.set('k', 'a', { expected: null })
  const second = await map.set('k', 'b', { expected: first.lsn })

  await assert.rejects(map.set('k', 'c', { expected: first.lsn }), (error: VersionConflictError) => {
    assert.equal(error.code, 'VERSION_CONFLICT')
    assert.equal(error.actual, second.lsn)
    assert.equal(error.expected, first.lsn)
    return true
  })
  await assert.rejects(map.set('k', 'c', { expected: null }), { code: 'VERSION_CONFLICT', actual: second.lsn })
  await assert.rejects(map.set('other', 'c', { expected: 5 }), { code: 'VERSION_CONFLICT', actual: null })
  await assert.rejects(map.delete('k', { expected: first.lsn }), { code: 'VERSION_CONFLICT' })
  await assert.rejects(
    map.update('k', v => v, { expected: first.lsn }),
    { code: 'VERSION_CONFLICT' },
  )
  assert.equal(await map.get('k'), 'b')
  assert.equal(await map.get('other'), undefined)
})

test('a version from before a delete never holds again, though the value is the same', async () => {
  for (const options of [{}, TINY]) {
    const { memory } = await simulated(options)
    const map = memory.map<string>('m')
    const { lsn } = await map.set('k', 'same')
    await map.delete('k')
    await memory.checkpoint()
    await map.set('k', 'same')
    await memory.checkpoint()

    await assert.rejects(map.set('k', 'mine', { expected: lsn }), { code: 'VERSION_CONFLICT' })
    await map.delete('k')
    await assert.rejects(map.set('k', 'mine', { expected: lsn }), { code: 'VERSION_CONFLICT', actual: null })
  }
})

test('a thousand increments at once make a thousand, held, cold, logged or new', async () => {
  for (const where of ['new', 'held', 'logged', 'cold'] as const) {
    const { memory } = await simulated(where === 'held' ? {} : TINY)
    const map = memory.map<number>('m')
    if (where !== 'new') await map.set('n', 0)
    if (where === 'cold') await memory.checkpoint()

    const results = await Promise.all(
      Array.from({ length: 1000 }, () => map.update('n', n => n + 1, { initial: 0, durability: 'write-back' })),
    )

    assert.equal(await map.get('n'), 1000, where)
    assert.equal(new Set(results.map(each => each.value)).size, 1000, where)
  }
})

test('increments that are awaited one by one, among other writers and checkpoints, lose nothing', async () => {
  const { memory } = await simulated(TINY)
  const map = memory.map<number>('m')
  const writer = async () => {
    for (let index = 0; index < 40; index++) {
      await map.update('n', n => n + 1, { initial: 0 })
      await map.set(`filler-${index}`, index)
      if (index % 10 === 0) await memory.checkpoint()
    }
  }

  await Promise.all([writer(), writer(), writer(), writer()])

  assert.equal(await map.get('n'), 160)
})

test('a batch that waits for one cold key does not overwrite what happened to another one meanwhile', async () => {
  for (const where of ['logged', 'stored'] as const) {
    const { opener, disk, gate } = gatedStore()
    const memory = await openOn(disk, { ...TINY, store: opener })
    const map = memory.map<string>('m')
    const slow = await map.set('slow', 'old')
    await memory.checkpoint()
    const fast = await map.set('fast', 'old')
    if (where === 'stored') await memory.checkpoint()
    await map.set('pushes-the-others-out', 'x')

    gate.isShut = true
    const batch = memory.batch(b => {
      b.set(map, 'fast', 'of the batch', { expected: fast.lsn })
      b.set(map, 'slow', 'of the batch', { expected: slow.lsn })
    })
    await until(() => gate.waiting.length > 0, 'the batch reads the slow key')
    await turns(20)
    // The entry of the fast key leaves the tier, and another writer comes.
    if (where === 'logged') await memory.checkpoint()
    await map.set('fast', 'of another')
    if (where === 'stored') await memory.checkpoint()
    await turns(5)
    gate.open()

    await assert.rejects(batch, { code: 'VERSION_CONFLICT' }, where)
    assert.equal(await map.get('fast'), 'of another', where)
  }
})

test('I6: a read of the store that comes late does not bring an old value back', async () => {
  const { opener, disk, gate } = gatedStore()
  const memory = await openOn(disk, { tierBytesMax: 700, store: opener })
  const map = memory.map<string>('m')
  const pushOut = async () => {
    for (let index = 0; index < 5; index++) await map.set(`filler-${index}`, 'x')
    await memory.checkpoint()
  }
  await map.set('slow', 'old')
  await pushOut()

  gate.isShut = true
  const reading = map.get('slow')
  await until(() => gate.waiting.length > 0, 'the store has answered, and the answer is on its way')
  await map.set('slow', 'new')
  await pushOut()
  gate.open()

  assert.equal(await reading, 'old')
  assert.equal(await map.get('slow'), 'new')
})

test('what update gives its function is fresh each time it is called', async () => {
  const { memory } = await simulated({ frameBytesMax: 64 * 1024 })
  const map = memory.map<string[]>('m')
  const big = memory.map<string>('big', { durability: 'write-back' })
  // No room is left in the next frame, so the function is called again when there is some.
  for (let index = 0; index < 3; index++) void big.set(`k${index}`, 'x'.repeat(30_000))
  let calls = 0

  const { value } = await map.update(
    'list',
    list => {
      calls += 1
      list.push('y'.repeat(20_000))
      return list
    },
    { initial: [] },
  )

  assert.equal(value.length, 1, `${calls} calls`)
  assert.equal((await map.get('list'))?.length, 1)
})

test('a function of update that throws, or gives a promise or nothing, changes nothing', async () => {
  const { memory } = await simulated()
  const map = memory.map<number>('m')
  const { lsn } = await map.set('n', 1)
  const fail = new Error('no')

  await assert.rejects(
    map.update('n', () => {
      throw fail
    }),
    fail,
  )
  await assert.rejects(map.update('n', (async () => 2) as never), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(map.update('n', (() => Promise.reject(fail)) as never), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(map.update('n', (() => undefined) as never), { code: 'VALUE_UNSUPPORTED' })
  await assert.rejects(map.update('n', 7 as never), { code: 'INVALID_ARGUMENT' })

  assert.deepEqual(await map.getEntry('n'), { key: 'n', value: 1, version: lsn })
  assert.equal(memory.status().lsn.accepted, lsn)
})

test('an update whose function writes the same key by itself does not undo that write', async () => {
  const { memory } = await simulated()
  const map = memory.map<number>('m')
  await map.set('n', 1)
  let calls = 0

  const update = map.update('n', n => {
    if (calls++ === 0) void map.set('n', 100)
    return n + 1
  })

  const [outcome] = await Promise.allSettled([update])
  if (outcome.status === 'rejected') assert.equal((outcome.reason as { code?: string }).code, 'INVALID_ARGUMENT')
  assert.equal(await map.get('n'), outcome.status === 'fulfilled' ? 101 : 100)
})

test('the functions and conditions of a batch see what stands before it, and all of them hold or nothing happens', async () => {
  const { memory } = await simulated()
  const [runs, prefs] = [memory.map<number>('runs'), memory.map<string>('prefs')]
  const { lsn } = await runs.set('r', 1)
  await prefs.set('p', 'old')

  await assert.rejects(
    memory.batch(b => {
      b.set(prefs, 'p', 'new')
        .delete(runs, 'r')
        .set(runs, 'r', 2, { expected: lsn + 99 })
    }),
    { code: 'VERSION_CONFLICT', actual: lsn },
  )
  assert.equal(await prefs.get('p'), 'old')
  assert.equal(await runs.get('r'), 1)

  await memory.batch(b => {
    b.set(prefs, 'p', 'new').set(runs, 'r', 2, { expected: lsn }).delete(prefs, 'q', { expected: null })
  })
  assert.equal(await prefs.get('p'), 'new')
  assert.equal(await runs.get('r'), 2)
})

function gatedStore() {
  const disk = new SimulatedDisk()
  const gate = {
    isShut: false,
    waiting: [] as (() => void)[],
    open() {
      gate.isShut = false
      for (const go of gate.waiting.splice(0)) go()
    },
  }
  const plain = journalStore(disk)
  const opener: StoreOpener = {
    kind: plain.kind,
    async open(create) {
      const store = await plain.open(create)
      return new Proxy<DataStore>(store, {
        get(target, name: keyof DataStore) {
          if (name !== 'get') {
            const member = target[name]
            return typeof member === 'function' ? (member as () => unknown).bind(target) : member
          }
          return async (key: string) => {
            const value = await target.get(key)
            if (gate.isShut && key.includes('slow')) await new Promise<void>(resolve => gate.waiting.push(resolve))
            return value
          }
        },
      })
    },
  }
  return { disk, gate, opener }
}

test('a condition of setMany holds for each of its keys, or nothing is written', async () => {
  const { memory } = await simulated()
  const map = memory.map<number>('m')
  await map.setMany(Object.entries({ a: 1, b: 2 }), { expected: null })

  const again = map.setMany(Object.entries({ b: 3, c: 4 }), { expected: null })

  await assert.rejects(again, { code: 'VERSION_CONFLICT' })
  assert.deepEqual(await map.getMany(['a', 'b', 'c']), [1, 2, undefined])
  await memory.close()
})
