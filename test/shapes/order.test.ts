// Appends to one sequence keep the order of their calls, wherever its head is and whatever they wait for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentMemory, type AgentMemoryOptions, type Sequence } from '../../src/index.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'
import { makeSyncsSlow, openOn, settles, simulated, turns, until } from '../engine/simulated.js'

const COUNT = 64
const numbers = Array.from({ length: COUNT }, (_, n) => n)

async function valuesOf(sequence: Sequence<number>): Promise<number[]> {
  return (await sequence.tail(1_000_000)).map(({ value }) => value)
}

const shapes: Record<string, AgentMemoryOptions> = {
  'a head that the tier holds': {},
  'a tier that holds nothing': { tierBytesMax: 0 },
  'little room in a frame': { frameBytesMax: 64 * 1024 },
  'little room in the log': { pendingEntriesMax: 3 },
}

for (const [name, options] of Object.entries(shapes)) {
  test(`with ${name}, ${COUNT} appends at once are in the order of their calls`, async () => {
    const { memory, disk } = await simulated(options)
    const first = memory.sequence<number>('s')
    await first.append(-1)
    await memory.checkpoint()
    await memory.close()
    const again = await openOn(disk, options)
    const sequence = again.sequence<number>('s')

    const appends = numbers.map(n => sequence.append(n))
    const length = sequence.length()

    assert.equal(await length, COUNT + 1)
    assert.deepEqual(
      (await Promise.all(appends)).map(({ positions }) => positions[0]),
      numbers.map(n => n + 1),
    )
    assert.deepEqual(await valuesOf(sequence), [-1, ...numbers])
    await again.close()
  })
}

test('a call that comes while a head is being read waits for those before it', async () => {
  const { memory, disk } = await simulated()
  await memory.sequence<string>('s').append('first')
  await memory.close()
  const again = await openOn(disk)
  const sequence = again.sequence<string>('s')

  const cold = sequence.append('cold')
  // Whoever has read the head may go on before the append that has asked for it.
  await sequence.bounds()
  const late = sequence.append('late')

  assert.deepEqual(
    (await Promise.all([cold, late])).map(({ positions }) => positions[0]),
    [1, 2],
  )
  await again.close()
})

test('appends are visible, and have their place, before their calls return', async () => {
  const { memory, disk } = await simulated()
  const sequence = memory.sequence<number>('s')
  await sequence.append(0)
  disk.onCall = call => assert.notEqual(call.kind, 'dataSync')
  const { accepted } = memory.status().lsn

  for (const n of numbers) void sequence.append(n)

  assert.equal(memory.status().lsn.accepted, accepted + 2 * COUNT)
  disk.onCall = undefined
  await memory.close()
})

test('two handles of one memory, and batches, share the order', async () => {
  const folder = await freshFolder()
  const one = await AgentMemory.open(folder, SMALL)
  const two = await AgentMemory.open(folder, SMALL)
  const sequences = [one.sequence<number>('s'), two.sequence<number>('s'), one.scope().sequence<number>('s')]
  const runs = one.map<number>('runs')
  await Promise.all(
    numbers.map(n => {
      if (n % 4 < 3) return sequences[n % 4]!.append(n)
      return one.batch(batch => {
        batch.set(runs, `run-${n}`, n)
        batch.append(sequences[0]!, n)
      })
    }),
  )
  assert.deepEqual(await valuesOf(sequences[1]!), numbers)
  await one.close()
  assert.deepEqual(await valuesOf(sequences[1]!), numbers)
  await two.close()
})

test('batches over the same sequences in different order do not wait for one another in a circle', async () => {
  const { memory, disk } = await simulated({ tierBytesMax: 0 })
  await Promise.all(['a', 'b', 'c'].map(name => memory.sequence<number>(name).append(-1)))
  await memory.close()
  const again = await openOn(disk, { tierBytesMax: 0 })
  const names = ['a', 'b', 'c']
  const batches = numbers.map(n =>
    again.batch(batch => {
      for (const name of n % 2 === 0 ? names : names.toReversed()) batch.append(again.sequence<number>(name), n)
    }),
  )
  const single = again.sequence<number>('b').append(COUNT)
  assert.ok(await settles(Promise.all([...batches, single]), 5000))
  for (const name of ['a', 'c']) assert.deepEqual(await valuesOf(again.sequence(name)), [-1, ...numbers])
  assert.deepEqual(await valuesOf(again.sequence('b')), [-1, ...numbers, COUNT])
  await again.close()
})

test('one append that is refused leaves no gap, and those behind it go on', async () => {
  const { memory, disk } = await simulated({ frameBytesMax: 64 * 1024 })
  await memory.sequence<string>('s').append('first')
  await memory.close()
  const again = await openOn(disk, { frameBytesMax: 64 * 1024 })
  const sequence = again.sequence<string>('s')
  const large = 'x'.repeat(40_000)

  const results = await Promise.allSettled([
    sequence.append('a'),
    sequence.append(large, large),
    sequence.append('b'),
    sequence.append(large),
    sequence.append('c'),
  ])

  assert.deepEqual(
    results.map(each => (each.status === 'fulfilled' ? each.value.positions[0] : each.reason.code)),
    [1, 'BATCH_TOO_LARGE', 2, 3, 4],
  )
  assert.deepEqual(
    (await sequence.tail()).map(({ value }) => value[0]),
    ['f', 'a', 'b', 'x', 'c'],
  )
  await again.close()
})

test('ten thousand that have waited for one head go on without filling the stack', async () => {
  const { memory, disk } = await simulated()
  await memory.sequence('s').append(-1)
  await memory.close()
  const again = await openOn(disk)
  const sequence = again.sequence<number>('s')
  const appends = Array.from({ length: 10_000 }, (_, n) => sequence.append(n))
  const results = await Promise.all(appends)
  assert.ok(results.every(({ positions }, n) => positions[0] === n + 1))
  await again.close()
})

test('calls that wait for a head are counted, and one too many is OVERLOADED', async () => {
  const { memory, disk } = await simulated()
  await memory.sequence('s').append('first')
  await memory.close()
  const again = await openOn(disk, { queuedBytesMax: 10_000 })
  const sequence = again.sequence<string>('s')
  const appends = Array.from({ length: 20 }, () => sequence.append('x'.repeat(1000)))
  const results = await Promise.allSettled(appends)
  const kept = results.filter(each => each.status === 'fulfilled')
  const refused = results.flatMap(each => (each.status === 'rejected' ? [each.reason.code] : []))
  assert.ok(kept.length > 3 && kept.length < 15, `${kept.length} kept`)
  assert.deepEqual([...new Set(refused)], ['OVERLOADED'])
  assert.deepEqual((await sequence.bounds()).next, kept.length + 1)
  assert.equal(again.status().pending.queuedBytes, 0)
  await again.close()
})

test('appends that wait for room keep their order and their count', async () => {
  const shape = await simulated({ frameBytesMax: 64 * 1024 })
  const { memory, disk } = shape
  const sequence = memory.sequence<number | string>('s')
  await makeSyncsSlow(shape)
  disk.faults.add({ at: { kind: 'dataSync', path: /\/log\// }, error: 'hang' })
  const filling = ['a', 'b', 'c'].map(letter => sequence.append(letter.repeat(40_000)))
  await turns(3)
  const waiting = numbers.map(n => sequence.append(n))
  await until(() => memory.status().pending.queuedBytes > 40_000 + COUNT * 500, 'calls wait')

  disk.faults.clear()
  disk.releaseHangs()

  const results = await Promise.all([...filling, ...waiting])
  assert.deepEqual(
    results.map(({ positions }) => positions[0]),
    Array.from({ length: COUNT + 3 }, (_, n) => n),
  )
  assert.equal(memory.status().pending.queuedBytes, 0)
  await memory.close()
})

test('a close refuses what waits for its turn, and what was accepted is there', async () => {
  const shape = await simulated({ frameBytesMax: 64 * 1024 })
  const { memory, disk, clock } = shape
  const sequence = memory.sequence<number | string>('s')
  await makeSyncsSlow(shape)
  disk.faults.add({ at: { kind: 'dataSync', path: /\/log\// }, error: 'hang' })
  const filling = ['a', 'b', 'c'].map(letter => sequence.append(letter.repeat(40_000)))
  await turns(3)
  const all = Promise.allSettled([...filling, ...numbers.map(n => sequence.append(n))])
  const closing = memory.close()
  await turns(3)

  disk.releaseHangs()

  const outcomes = (await all).map(each => (each.status === 'fulfilled' ? 'kept' : each.reason.code))
  assert.deepEqual(outcomes, ['kept', 'kept', ...Array(COUNT + 1).fill('CLOSED')])
  await closing
  const again = await openOn(disk, { clock, frameBytesMax: 64 * 1024 })
  assert.deepEqual((await again.sequence('s').bounds()).next, 2)
  await again.close()
})
