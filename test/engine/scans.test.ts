import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AgentMemory } from '../../src/index.js'
import { all, openOn, simulated, turns } from './simulated.js'

const names = ['a', 'b', 'b\0', 'ba', 'c', 'd', 'é', '']
const key = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 2 })
const write = fc.record({ key, isDelete: fc.boolean(), next: fc.constantFrom('', '', 'flush', 'checkpoint') })
const bound = fc.option(key, { nil: undefined })
const range = fc.record(
  {
    prefix: bound,
    gt: bound,
    gte: bound,
    lt: bound,
    lte: bound,
    reverse: fc.boolean(),
    limit: fc.option(fc.nat(6), { nil: undefined }),
    pageSize: fc.integer({ min: 1, max: 4 }),
  },
  { noNullPrototype: true },
)

test('a scan of any range, both ways, over what is held, logged and stored, with tombstones, is that of a sorted list', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { maxLength: 25, size: 'max' }),
      fc.array(range, { maxLength: 6, size: 'max' }),
      fc.boolean(),
      async (writes, ranges, isTiny) => {
        const { memory } = await simulated({ tierBytesMax: isTiny ? 0 : 1 << 20, durability: 'write-back' })
        const map = memory.map<number, readonly string[]>('m')
        const model = new Map<string, { key: string[]; value: number }>()
        await memory.map('l').set('before', 0)
        await memory.map('n').set('after', 0)
        for (const [index, each] of writes.entries()) {
          const id = JSON.stringify(each.key)
          if (each.isDelete) {
            await map.delete(each.key)
            model.delete(id)
          } else {
            await map.set(each.key, index)
            model.set(id, { key: each.key, value: index })
          }
          if (each.next === 'flush') await memory.flush()
          if (each.next === 'checkpoint') await memory.checkpoint()
        }
        for (const options of ranges) {
          const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

          const found = (await all(map as never, given)).map(({ key, value }) => ({ key: [key].flat(), value }))

          assert.deepEqual(found, expectedOf([...model.values()], options), JSON.stringify(options))
        }
      },
    ),
    { numRuns: 150 },
  )
})

test('a scan sees exactly once all that was accepted before it and not touched, whatever is written meanwhile', async () => {
  for (const reverse of [false, true]) {
    for (const tierBytesMax of [0, 1 << 20]) {
      const { memory } = await simulated({ tierBytesMax, durability: 'write-back' })
      const map = memory.map<string>('m')
      for (let index = 0; index < 100; index++) {
        await map.set(name(index), 'before')
        if (index % 25 === 0) await memory.checkpoint()
      }
      const seen: string[] = []
      let step = 0

      for await (const entry of map.entries({ reverse, pageSize: 3 })) {
        seen.push(String(entry.key))
        await disturb(memory, step++)
      }

      assert.deepEqual(seen, reverse ? [...seen].sort().reverse() : [...seen].sort(), 'in order')
      assert.equal(new Set(seen).size, seen.length, 'once')
      for (let index = 0; index < 100; index += 2) assert.ok(seen.includes(name(index)), name(index))
    }
  }
})

test('pages of one entry, values that only the log holds, and a checkpoint in the middle', async () => {
  const { memory } = await simulated({ tierBytesMax: 0 })
  const map = memory.map<string>('m')
  for (let index = 0; index < 20; index++) await map.set(name(index), `value ${index}`)
  const seen: string[] = []

  for await (const { value } of map.entries({ pageSize: 1 })) {
    seen.push(value)
    if (seen.length === 7) await memory.checkpoint()
    if (seen.length === 12) await map.set(name(15), 'newer')
  }

  assert.equal(seen.length, 20)
  assert.equal(seen[15], 'newer')
})

test('reads of many entries that only the log holds are by their place in it', async () => {
  const { memory, disk } = await simulated({ tierBytesMax: 0 })
  const map = memory.map<number>('m')
  await Promise.all(Array.from({ length: 300 }, (_, index) => map.set(name(index), index)))
  await map.set(name(7), 700)
  let reads = 0
  disk.onCall = call => {
    if (call.kind === 'read') reads += 1
  }

  const values = await map.getMany([...Array.from({ length: 300 }, (_, index) => name(index)), 'absent'])

  assert.deepEqual(values, [...Array.from({ length: 300 }, (_, index) => (index === 7 ? 700 : index)), undefined])
  assert.ok(reads > 0 && reads <= 4, `${reads}`)
  assert.equal((await map.getEntry(name(0)))?.value, 0)
  const reopened = await openOn(disk.clone(), { tierBytesMax: 0 })
  assert.deepEqual(await reopened.map<number>('m').getMany([name(7), name(299)]), [700, 299])
})

test('a scan of a scope shows the keys within it and no other', async () => {
  const { memory } = await simulated()
  const root = memory.map<string>('m')
  await memory.scope('acme').map<string>('m').set('k', 'acme')
  await memory.scope('acme', 'u1').map<string>('m').set('k', 'acme u1')
  for (const other of ['acme', 'acme-corp', 'acme\0', 'acm', '']) await root.set([other], `root ${other}`)
  for (const other of ['acme-corp', 'acme\0', 'acme\0x', '']) await memory.scope(other).map('m').set('k', other)

  const acme = memory.scope('acme').map<string>('m')

  assert.deepEqual(
    (await all(acme)).map(({ key, value }) => [key, value]),
    [
      ['k', 'acme'],
      [['u1', 'k'], 'acme u1'],
    ],
  )
  for (const entry of await all(acme)) assert.equal(await acme.get(entry.key), entry.value)
})

test('a generator that is left early, or made after a close, does no harm', async () => {
  const { memory } = await simulated()
  const map = memory.map<number>('m')
  await map.setMany([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ])
  for await (const { key } of map.entries({ pageSize: 1 })) if (key === 'b') break
  const late = map.entries({ pageSize: 1 })
  await late.next()
  const never = map.entries()
  await memory.close()

  await assert.rejects(late.next(), { code: 'CLOSED' })
  await assert.rejects(never.next(), { code: 'CLOSED' })
})

async function disturb(memory: AgentMemory, step: number): Promise<void> {
  const map = memory.map<string>('m')
  const index = (step * 37) % 100
  // Only odd keys are touched, and keys that were not there.
  if (step % 3 === 0) await map.delete(name(index | 1))
  else await map.set(name(index | 1), 'newer')
  await map.set(`${name(index)}-new`, 'new')
  if (step % 10 === 3) await memory.flush()
  if (step % 25 === 7) await memory.checkpoint()
  await turns(1)
}

function name(index: number): string {
  return `k${index.toString().padStart(3, '0')}`
}

type Bounds = Partial<Record<'prefix' | 'gt' | 'gte' | 'lt' | 'lte', string[] | undefined>>

function expectedOf(
  entries: { key: string[]; value: number }[],
  options: Bounds & { reverse?: boolean; limit?: number | undefined; pageSize?: number },
): { key: string[]; value: number }[] {
  const { prefix, gt, gte, lt, lte } = options
  const found = entries
    .filter(({ key }) => prefix === undefined || prefix.every((each, index) => key[index] === each))
    .filter(({ key }) => gt === undefined || compare(key, gt) > 0)
    .filter(({ key }) => gte === undefined || compare(key, gte) >= 0)
    .filter(({ key }) => lt === undefined || compare(key, lt) < 0)
    .filter(({ key }) => lte === undefined || compare(key, lte) <= 0)
    .sort((a, b) => compare(a.key, b.key))
  if (options.reverse) found.reverse()
  return found.slice(0, options.limit)
}

function compare(a: readonly string[], b: readonly string[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    // None of the names has a surrogate, so units are code points.
    if (a[index] !== b[index]) return a[index]! < b[index]! ? -1 : 1
  }
  return a.length - b.length
}
