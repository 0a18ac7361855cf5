import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { AgentMemory, AgentMemoryOptions, Key, MapOptions, MemoryEvents, MemoryMap } from '../../src/index.js'
import { Source } from './loads.js'
import { contentOf, openOn, type Simulated, settles, simulated, turns, until } from './simulated.js'

const HOUR_MS = 3_600_000
const unhandled: unknown[] = []
process.on('unhandledRejection', reason => unhandled.push(reason))
afterEach(async () => {
  await turns(5)
  assert.deepEqual(unhandled, [])
})

interface Bench extends Simulated {
  source: Source
  failures: MemoryEvents['loadFailed'][0][]
}

async function bench(options: AgentMemoryOptions = {}): Promise<Bench> {
  const made = await simulated(options)
  const failures: Bench['failures'] = []
  made.memory.on('loadFailed', failure => failures.push(failure))
  return { ...made, source: new Source(), failures }
}

function loading({ memory, source }: { memory: AgentMemory; source: Source }, options: MapOptions = {}) {
  return memory.map<unknown>('m', { load: source.load, ...options })
}

test('a miss is loaded once for all who ask, through any handle, and kept', async () => {
  const made = await bench()
  const { memory, source } = made
  source.isHeld = true
  source.values.set('k', { n: 1 })
  const [one, two] = [loading(made), memory.map<{ n: number }>('m')]

  const reads = [...Array.from({ length: 32 }, () => one.get('k')), ...Array.from({ length: 32 }, () => two.get('k'))]
  const many = two.getMany(['k', 'k'])
  await until(() => source.calls.length > 0, 'it is asked')
  await turns(20)
  source.last.go()
  const values = await Promise.all(reads)

  assert.equal(source.asked(), 1)
  for (const value of [...values, ...(await many)])
    assert.deepEqual(value, { n: 1 })
    // Each is an object of the caller's own.
  ;(values[0] as { n: number }).n = 7
  assert.deepEqual(values[1], { n: 1 })
  assert.deepEqual(await two.get('k'), { n: 1 })
  assert.deepEqual(await contentOf(two), { k: { n: 1 } })
  assert.equal(source.asked(), 0)
  await memory.close()
})

test('a load is given the key as the caller has it, and the scope apart: acme is not acme-corp', async () => {
  const made = await bench()
  const { memory } = made
  const load = (key: Key, { scope }: { scope: readonly string[] }) => `${scope.join('/')}:${JSON.stringify(key)}`
  memory.map<string>('m', { load })
  const read = (scope: string[], key: Key) =>
    memory
      .scope(...scope)
      .map<string>('m')
      .get(key)

  assert.equal(await read([], 'k'), ':"k"')
  assert.equal(await read(['acme'], 'k'), 'acme:"k"')
  assert.equal(await read(['acme-corp'], 'k'), 'acme-corp:"k"')
  assert.equal(await read(['acme', 'u\0: 1'], ['__proto__', '']), 'acme/u\0: 1:["__proto__",""]')
  assert.deepEqual(await contentOf(memory.scope('acme').map('m')), {
    k: 'acme:"k"',
    'u\0: 1,__proto__,': 'acme/u\0: 1:["__proto__",""]',
  })
  await memory.close()
})

test('what was loaded is written as the map says, and nobody waits for that unless it asks', async () => {
  const made = await bench()
  const { memory, source, disk } = made
  source.values.set('a', 1).set('paid', 2)
  const map = loading(made, { durability: 'write-back', rules: [{ prefix: 'paid', durability: 'write-through' }] })

  assert.equal(await map.get('a'), 1)
  assert.equal(memory.status().atRisk.writes, 1)
  assert.equal(await map.get('paid', { durable: true }), 2)
  assert.equal(memory.status().lsn.durable, 2)
  await until(() => memory.status().lsn.inStore === 2, 'the store has it')

  const again = await openOn(disk.crash(Math.random, { kind: 'nothing' }))
  assert.deepEqual(await again.map('m', { load: source.load, durability: 'write-back' }).getMany(['a', 'paid']), [1, 2])
  assert.equal(source.asked(), 2)
  await Promise.all([memory.close(), again.close()])
})

test('a value is fresh for ttlMs, then served for staleMs while it is loaded once, then absent', async () => {
  const made = await bench()
  const { memory, source, clock } = made
  const map = loading(made, { ttlMs: 1000, staleMs: 500 })
  const start = clock.wallMs()
  source.values.set('k', 'old')
  assert.equal(await map.get('k'), 'old')
  assert.equal((await map.getEntry('k'))?.expiresAt, start + 1500)
  assert.equal(source.asked(), 1)

  clock.advance(999)
  assert.equal(await map.get('k'), 'old')
  assert.equal(source.asked(), 0)

  clock.advance(1)
  source.values.set('k', 'new')
  source.isHeld = true
  for (let count = 0; count < 5; count++) assert.equal(await map.get('k'), 'old')
  assert.deepEqual(await map.getMany(['k', 'k']), ['old', 'old'])
  assert.equal(source.asked(), 1)
  source.last.go()
  await turns(5)
  assert.equal(await map.get('k'), 'new')
  assert.equal((await map.getEntry('k'))?.expiresAt, clock.wallMs() + 1500)
  assert.equal(source.asked(), 0)

  clock.advance(1500)
  const waits = map.get('k')
  assert.equal(await settles(waits, 10), false)
  source.values.set('k', 'newest')
  source.last.go()
  assert.equal(await waits, 'newest')
  await memory.close()
})

test('freshness goes on where it was after a restart, from the log and from the store', async () => {
  for (const where of ['log', 'store'] as const) {
    const made = await bench()
    const { memory, source, clock, disk } = made
    source.values.set('k', 'old')
    const options = { ttlMs: 1000, staleMs: 1000 }
    await loading(made, options).get('k', { durable: true })
    if (where === 'store') await memory.checkpoint()
    const again = await openOn(disk.crash(Math.random, { kind: 'nothing' }), { clock })
    const map = loading({ memory: again, source }, options)
    source.asked()

    assert.equal(await map.get('k'), 'old')
    assert.equal(source.asked(), 0)
    clock.advance(1000)
    source.values.set('k', 'new')
    assert.equal(await map.get('k'), 'old')
    await turns(5)
    assert.equal(source.asked(), 1)
    assert.equal(await map.get('k'), 'new')
    await Promise.all([memory.close(), again.close()])
  }
})

test('a clock set back by hours lengthens neither freshness nor staleness nor an absence', async () => {
  const made = await bench()
  const { memory, source, clock } = made
  const map = loading(made, { ttlMs: 1000, staleMs: 500, negativeTtlMs: 1000 })
  source.values.set('k', 'old')
  await map.getMany(['k', 'none'])
  source.asked()

  clock.setWall(clock.wallMs() - 5 * HOUR_MS)

  clock.advance(999)
  assert.deepEqual(await map.getMany(['k', 'none']), ['old', undefined])
  assert.equal(source.asked(), 0)
  clock.advance(1)
  source.isHeld = true
  assert.equal(await map.get('k'), 'old')
  const none = map.get('none')
  await turns(5)
  assert.equal(source.asked(), 2)
  clock.advance(500)
  const waits = map.get('k')
  assert.equal(await settles(waits, 10), false)
  for (const call of source.calls.slice(-2)) call.go()
  assert.deepEqual(await Promise.all([waits, none]), ['old', undefined])
  await memory.close()
})

test('a clock set forward makes stale, and expires, as if the time had passed', async () => {
  const made = await bench()
  const { memory, source, clock } = made
  const map = loading(made, { ttlMs: HOUR_MS, staleMs: HOUR_MS, negativeTtlMs: HOUR_MS })
  source.values.set('k', 1)
  await map.getMany(['k', 'none'])
  source.values.set('k', 2).set('none', 3)
  source.asked()

  clock.setWall(clock.wallMs() + HOUR_MS)
  assert.deepEqual(await map.getMany(['k', 'none']), [1, 3])
  await turns(5)
  assert.equal(source.asked(), 2)
  assert.equal(await map.get('k'), 2)

  source.values.set('k', 4)
  clock.setWall(clock.wallMs() + 5 * HOUR_MS)
  assert.equal(await map.get('k'), 4)
  await memory.close()
})

test('a write of the caller is fresh and stale as what is loaded is', async () => {
  const made = await bench()
  const { memory, source, clock } = made
  const map = loading(made, { ttlMs: 1000, staleMs: 500 })
  const start = clock.wallMs()
  source.values.set('own', 'loaded')
  await map.set('own', 'set', { ttlMs: 100 })
  await map.set('ever', 'set', { ttlMs: null })
  await map.setMany([['many', 1]])
  await memory.batch(b => void b.set(map, 'batch', 1))
  const expiry = async (key: string) => ((await map.getEntry(key))?.expiresAt ?? Infinity) - start

  assert.deepEqual(await Promise.all(['own', 'ever', 'many', 'batch'].map(expiry)), [600, Infinity, 1500, 1500])
  clock.advance(100)
  assert.deepEqual(await map.getMany(['own', 'ever']), ['set', 'set'])
  await turns(5)
  assert.equal(source.asked(), 1)
  assert.deepEqual(await map.getMany(['own', 'ever']), ['loaded', 'set'])
  assert.equal(source.asked(), 0)
  await memory.close()
})

for (const tierBytesMax of [0, 1 << 20]) {
  test(`that a key has no value is kept for negativeTtlMs, and no value is seen, with ${tierBytesMax} bytes of tier`, async () => {
    const made = await bench({ tierBytesMax })
    const { memory, source, clock, disk } = made
    const options = { ttlMs: HOUR_MS, negativeTtlMs: 1000 }
    const map = loading(made, options)

    assert.equal(await map.get('k'), undefined)
    for (const move of [memory.flush(), memory.checkpoint()]) {
      await move
      assert.deepEqual(await map.getMany(['k', 'k']), [undefined, undefined])
      assert.equal(await map.get('k', { durable: true }), undefined)
      assert.equal(await map.has('k'), false)
      assert.equal(await map.getEntry('k'), undefined)
      assert.deepEqual(await contentOf(map), {})
    }
    await assert.rejects(map.set('k', 1, { expected: 1 }), { code: 'VERSION_CONFLICT', actual: null })
    assert.equal(source.asked(), 1)

    const again = await openOn(disk.crash(Math.random, { kind: 'nothing' }), { clock, tierBytesMax })
    const reopened = loading({ memory: again, source }, options)
    assert.equal(await reopened.get('k'), undefined)
    assert.equal(source.asked(), 0)
    // A map that does not load has no use for it, and sees nothing either.
    assert.deepEqual(await contentOf(again.map('m')), {})

    clock.advance(1000)
    source.values.set('k', 'there')
    assert.equal(await map.get('k'), 'there')
    assert.equal(await reopened.get('k'), 'there')
    assert.equal(source.asked(), 2)
    await Promise.all([memory.close(), again.close()])
  })
}

test('a write or a delete ends what is known of an absence', async () => {
  const made = await bench()
  const { memory, source } = made
  const map = loading(made, { negativeTtlMs: HOUR_MS })
  await map.getMany(['set', 'updated', 'deleted', 'created'])
  source.asked()
  source.values.set('deleted', 'is there by now')

  await map.set('set', 1)
  await map.update('updated', n => (n as number) + 1, { initial: 1 })
  await map.set('created', 3, { expected: null })
  await map.delete('deleted')

  assert.deepEqual(await map.getMany(['set', 'updated', 'created']), [1, 2, 3])
  assert.equal(source.asked(), 0)
  assert.equal(await map.get('deleted'), 'is there by now')
  assert.equal(source.asked(), 1)
  await memory.close()
})

test('without negativeTtlMs an absence is asked for each time, and writes nothing', async () => {
  const made = await bench()
  const { memory, source, failures } = made
  const map = loading(made)

  assert.equal(await map.get('k'), undefined)
  assert.deepEqual(await map.getMany(['k', 'l']), [undefined, undefined])

  assert.equal(source.asked(), 3)
  assert.equal(memory.status().lsn.accepted, 0)
  assert.deepEqual(failures, [])
  await memory.close()
})

test('a stale value whose source has none any more goes, with and without negativeTtlMs', async () => {
  for (const negativeTtlMs of [undefined, 1000]) {
    const made = await bench()
    const { memory, source, clock } = made
    const map = loading(made, { ttlMs: 1000, staleMs: HOUR_MS, ...(negativeTtlMs && { negativeTtlMs }) })
    source.values.set('k', 'old')
    await map.get('k')
    source.values.delete('k')
    clock.advance(1000)

    assert.equal(await map.get('k'), 'old')
    await turns(5)

    assert.equal(await map.has('k'), false)
    source.asked()
    assert.equal(await map.get('k'), undefined)
    assert.equal(source.asked(), negativeTtlMs === undefined ? 1 : 0)
    await memory.close()
  }
})

test('a load that fails rejects all who wait with what it has thrown, keeps nothing, and is told once', async () => {
  const made = await bench()
  const { memory, source, failures } = made
  const map = loading(made, { negativeTtlMs: 1000 })
  const error = new Error('no answer')
  source.error = error

  const outcomes = await Promise.allSettled(Array.from({ length: 64 }, () => map.get('k')))

  for (const outcome of outcomes) assert.equal(outcome.status === 'rejected' && outcome.reason, error)
  assert.deepEqual(failures, [{ map: 'm', scope: [], key: 'k', error }])
  assert.equal(source.asked(), 1)
  await assert.rejects(map.getMany(['l', 'k']), error)
  await assert.rejects(memory.scope('acme').map('m').get(['a', 'b']), error)
  assert.deepEqual(failures.at(-1), { map: 'm', scope: ['acme'], key: ['a', 'b'], error })
  assert.equal(memory.status().lsn.accepted, 0)

  source.error = undefined
  source.values.set('k', 1)
  assert.equal(await map.get('k'), 1)
  await memory.close()
})

test('a function that throws at once, or throws no error, fails like any other', async () => {
  const { memory, failures } = await bench()
  const throwing = memory.map('throws', {
    load() {
      throw new TypeError('at once')
    },
  })
  const odd = memory.map('odd', { load: () => Promise.reject(undefined) })

  await assert.rejects(throwing.get('k'), { message: 'at once' })
  assert.equal((await Promise.allSettled([odd.get('k')]))[0].status, 'rejected')

  assert.equal(failures.length, 2)
  await memory.close()
})

test('while loads fail a stale value is served, until it expires', async () => {
  const made = await bench()
  const { memory, source, clock, failures } = made
  const map = loading(made, { ttlMs: 1000, staleMs: 500 })
  source.values.set('k', 'old')
  await map.get('k')
  source.error = new Error('no answer')
  clock.advance(1000)

  for (let count = 0; count < 3; count++) {
    assert.equal(await map.get('k'), 'old')
    await turns(3)
  }
  assert.equal(failures.length, 3)
  clock.advance(500)

  await assert.rejects(map.get('k'), { message: 'no answer' })
  await memory.close()
})

test('what cannot be kept as it is rejects those who wait', async () => {
  const { memory, failures } = await bench({ frameBytesMax: 64 * 1024 })
  const map = memory.map('m', { load: key => (key === 'function' ? () => 1 : 'x'.repeat(70_000)) })

  await assert.rejects(map.get('function'), { code: 'VALUE_UNSUPPORTED' })
  await assert.rejects(map.get('large'), { code: 'VALUE_TOO_LARGE' })

  assert.equal(failures.length, 2)
  await memory.close()
})

test('a write of the caller during a load wins, whatever kind of write it is', async () => {
  const kinds: Record<string, (memory: AgentMemory) => Promise<unknown>> = {
    set: memory => memory.map('m').set('k', 'mine'),
    'a conditional set': memory => memory.map('m').set('k', 'mine', { expected: null }),
    setMany: memory => memory.map('m').setMany([['k', 'mine']]),
    update: memory => memory.map('m').update('k', () => 'mine'),
    batch: memory => memory.batch(b => void b.set(memory.map('m'), 'k', 'mine')),
    'a set after a delete': async memory => {
      await memory.map('m').delete('k')
      await memory.map('m').set('k', 'mine')
    },
    'a set by way of the scope': memory => memory.scope('a').map('m').set('k', 'mine'),
  }
  for (const [kind, write] of Object.entries(kinds)) {
    const made = await bench({ tierBytesMax: 0 })
    const { memory, source } = made
    source.isHeld = true
    source.values.set('k', 'loaded').set('a,k', 'loaded')
    const map = loading(made)
    const key = kind === 'a set by way of the scope' ? ['a', 'k'] : 'k'
    const reads = [map.get(key), map.get(key)]
    await until(() => source.calls.length === 1, 'the load has begun')

    await write(memory)
    // It leaves the tier, and no trace of a write stays there.
    await memory.checkpoint()
    source.last.go()

    assert.deepEqual(await Promise.all(reads), ['mine', 'mine'], kind)
    assert.equal(await map.get(key), 'mine', kind)
    assert.equal(source.calls.length, 1, kind)
    await memory.close()
  }
})

test('of increments among loads, expiries of absences, checkpoints and cold reads none is lost', async () => {
  const made = await bench({ tierBytesMax: 0 })
  const { memory, clock, source } = made
  const map = memory.map<number>('m', { load: source.load as () => number, negativeTtlMs: 10 })
  const round = async () => {
    for (let index = 0; index < 16; index++) {
      await Promise.all([map.get('n'), map.update('n', n => n + 1, { initial: 0 }), map.getMany(['n', 'n'])])
      if (index % 5 === 0) await memory.checkpoint()
      clock.advance(3)
    }
  }

  await Promise.all([round(), round(), round(), round()])

  assert.equal(await map.get('n'), 64)
  assert.ok(source.asked() > 0)
  await memory.close()
})

test('a delete during a load wins: nothing is kept, and who asks after it is not given what was loaded before', async () => {
  for (const existing of [false, true]) {
    const made = await bench({ tierBytesMax: 0 })
    const { memory, source, clock } = made
    const map = loading(made, { ttlMs: 1000, staleMs: HOUR_MS })
    if (existing) await map.set('k', 'old')
    clock.advance(1000)
    source.isHeld = true
    source.values.set('k', 'before the delete')
    const first = map.get('k')
    await until(() => source.calls.length === 1, 'the load has begun')

    await map.delete('k')
    await memory.checkpoint()
    const second = map.get('k')
    await until(() => source.calls.length === 2, 'another load has begun')
    source.calls[0]!.go()
    assert.equal(await first, existing ? 'old' : 'before the delete')
    await turns(5)
    assert.equal(await map.has('k'), false)
    source.values.set('k', 'after the delete')
    source.calls[1]!.go()

    assert.equal(await second, 'after the delete')
    assert.equal(await map.get('k'), 'after the delete')
    await memory.close()
  }
})

test('a write that waits for room when a load begins wins over it as well', async () => {
  const made = await bench({ frameBytesMax: 64 * 1024 })
  const { memory, source } = made
  source.values.set('k', 'loaded')
  const map = loading(made)
  await map.has('k')
  const big = memory.map<string>('big', { durability: 'write-back', maxLoss: { bytes: 0 } })
  const filling = ['a', 'b', 'c'].map(key => big.set(key, 'x'.repeat(30_000)))
  assert.ok(memory.status().pending.queuedBytes > 0)
  const mine = map.set('k', 'mine')
  const read = map.get('k')

  await Promise.all([...filling, mine])

  assert.ok(['mine', 'loaded'].includes((await read) as string))
  await turns(5)
  assert.equal(await map.get('k'), 'mine')
  await memory.close()
})

test('where the map may not write, those who wait are given what was loaded, and the refusal is told', async () => {
  const made = await bench()
  const { memory, source, failures, disk } = made
  source.values.set('k', { n: 1 })
  const map = loading(made)
  disk.faults.add({ at: { kind: 'dataSync' }, error: 'EIO' })
  await assert.rejects(memory.map('other').set('a', 1), { code: 'IN_DOUBT' })

  assert.deepEqual(await map.getMany(['k', 'k']), [{ n: 1 }, { n: 1 }])

  assert.equal((failures[0]!.error as { code?: string }).code, 'FAILED')
  assert.equal(source.asked(), 1)
  assert.equal(await map.has('k'), false)
  await memory.reopen()
  assert.deepEqual(await map.get('k'), { n: 1 })
  assert.equal(await map.has('k'), true)
  await memory.close()
})

test('a store that does not answer is not a miss: nothing is loaded', async () => {
  const { InMemoryStore } = await import('../../src/stores/in-memory.js')
  const store = new InMemoryStore()
  const made = await bench({ store: { kind: 'seen', open: async () => store } })
  const { memory, source } = made
  const map = loading(made)
  source.values.set('k', 1)
  store.get = () => Promise.reject(new Error('the store is down'))

  await assert.rejects(map.get('k'), { code: 'STORE_DOWN' })

  assert.equal(source.asked(), 0)
  await memory.close()
})

test('a close ends all loads: who waits is told CLOSED, the signal is aborted, and what comes later is let go of', async () => {
  const made = await bench()
  const { memory, source, failures, clock } = made
  const map = loading(made, { ttlMs: 1000, staleMs: 1000 })
  await map.set('stale', 'old')
  clock.advance(1000)
  source.isHeld = true
  const first = map.get('k')
  await until(() => source.calls.length === 1, 'the first load has begun')
  // A load that nobody joins any more is ended as well.
  await map.delete('k')
  const second = map.get('k')
  assert.equal(await map.get('stale'), 'old')
  await until(() => source.calls.length === 3, 'all loads have begun')

  const closing = memory.close()
  for (const waiting of [first, second, map.get('k'), map.getMany(['k'])]) {
    await assert.rejects(waiting, { code: 'CLOSED' })
  }
  await closing
  for (const call of source.calls) {
    assert.equal(call.context.signal.aborted, true)
    assert.equal((call.context.signal.reason as { code?: string }).code, 'CLOSED')
  }
  source.calls[0]!.go()
  source.calls[1]!.fail(new Error('late'))
  source.calls[2]!.fail(source.calls[2]!.context.signal.reason)
  await turns(5)
  assert.deepEqual(failures, [])
  assert.equal(clock.timers, 0)
})

test('a load may use the memory: other keys of the map, other maps, and its own key as a write', async () => {
  const { memory } = await bench()
  const names = memory.map<string>('names')
  await names.set('1', 'Ada')
  const map: MemoryMap<string, string> = memory.map('m', {
    async load(key: string): Promise<string> {
      if (key === 'own') await map.set('own', 'written by the load')
      return key === 'two' ? `${await map.get('one')} twice` : `Hello ${await names.get('1')}`
    },
  })

  assert.equal(await map.get('two'), 'Hello Ada twice')
  assert.equal(await map.get('own'), 'written by the load')
  await memory.close()
})

test('the function that was given last loads; other settings have to be the same', async () => {
  const { memory } = await bench()
  const settings = { ttlMs: 10, staleMs: 5, negativeTtlMs: 7 }
  const first = memory.map<number>('m', { ...settings, load: () => 1 })
  assert.equal(await first.get('a'), 1)
  memory.map<number>('m', { ...settings, load: () => 2 })

  assert.deepEqual(await first.getMany(['a', 'b']), [1, 2])
  assert.equal(await memory.map('m').get('c'), 2)
  for (const other of [{ ttlMs: 10 }, { ...settings, load: () => 1, staleMs: 6 }, { load: () => 1 }]) {
    assert.throws(() => memory.map('m', other), { code: 'OPTIONS_DIFFER' })
  }
  await memory.close()
})

test('what is loaded is checked by the schema that came with the function which loads it', async () => {
  const { memory } = await bench()
  const schemaOf = (name: string) => ({
    '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value: `${name} ${value}` }) },
  })
  const map = memory.map<string>('m', { load: () => 'value', schema: schemaOf('first') })
  assert.equal(await map.get('a'), 'first value')
  memory.map<string>('m', { load: () => 'value', schema: schemaOf('second') })
  assert.equal(await map.get('b'), 'second value')
  await memory.close()
})

test('options of loading that say nothing are refused', async () => {
  const { memory } = await bench()
  const load = () => 1
  const wrong: MapOptions[] = [
    { load: 5 as never },
    { staleMs: 5, ttlMs: 5 },
    { negativeTtlMs: 5 },
    { load, staleMs: 5 },
    { load, ttlMs: 5, staleMs: -1 },
    { load, ttlMs: 5, staleMs: 0 },
    { load, negativeTtlMs: 1.5 },
    { load, negativeTtlMs: Number.NaN },
  ]
  for (const options of wrong) {
    assert.throws(() => memory.map('m', options), { code: 'INVALID_OPTION' }, JSON.stringify(options))
  }
  await memory.close()
})
