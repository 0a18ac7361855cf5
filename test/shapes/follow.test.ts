// Following a sequence: each item once, in order, and none before it is on stable storage.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Engine } from '../../src/engine/engine.js'
import { AgentMemory, type SequenceItem } from '../../src/index.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'
import { makeSyncsSlow, settles, simulated, turns, until } from '../engine/simulated.js'

/** What a follower has seen so far, and how it has ended. */
function watch<V>(items: AsyncIterable<SequenceItem<V>>) {
  const seen: V[] = []
  const positions: number[] = []
  const ended = (async () => {
    for await (const { value, position } of items) {
      seen.push(value)
      positions.push(position)
    }
  })().then(
    () => 'ended',
    (error: unknown) => error,
  )
  return { seen, positions, ended }
}

test('what is there is followed by what comes, each as soon as it is on stable storage and not before', async () => {
  const { memory, clock } = await simulated()
  const sequence = memory.sequence<number>('s', { durability: 'write-back', maxLoss: { ms: 60_000 } })
  await sequence.append(0, 1)
  await memory.flush()
  const { seen } = watch(sequence.follow())
  await until(() => seen.length === 2, 'what is there is shown')

  await sequence.append(2)
  await sequence.append(3, 4)
  await turns(50)
  assert.deepEqual(seen, [0, 1])
  assert.equal(memory.status().lsn.durable < memory.status().lsn.accepted, true)
  clock.advance(30_000)
  await until(() => seen.length === 5, 'what was synced is shown')

  const last = await sequence.append(5)
  await last.durable()
  await until(() => seen.length === 6, 'one more')
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5])
  await memory.close()
})

test('what was accepted before a follower came, and not synced, is shown once it is', async () => {
  const { memory } = await simulated()
  const sequence = memory.sequence<number>('s', { durability: 'write-back' })
  await sequence.append(0)
  await memory.flush()
  await sequence.append(1, 2)

  const { seen } = watch(sequence.follow())

  await turns(50)
  assert.deepEqual(seen, [0])
  await memory.flush()
  await until(() => seen.length === 3, 'the others')
  assert.deepEqual(seen, [0, 1, 2])
  await memory.close()
})

test('following asks for no sync', async () => {
  const { memory } = await simulated()
  const sequence = memory.sequence<number>('s', { durability: 'write-back' })
  await turns(20)
  const { syncs } = memory.status().log
  watch(sequence.follow())
  for (let n = 0; n < 20; n++) {
    await sequence.append(n)
    await turns(3)
  }
  assert.equal(memory.status().log.syncs, syncs)
  await memory.close()
})

test('items that are appended before the first look, and while it looks, are not missed', async () => {
  for (const tierBytesMax of [0, 1 << 20]) {
    const { memory } = await simulated({ tierBytesMax })
    const sequence = memory.sequence<number>('s')
    const followers = [watch(sequence.follow()), watch(sequence.follow({ from: 700 }))]
    const appends: Promise<unknown>[] = []
    for (let n = 0; n < 1000; n++) {
      appends.push(sequence.append(n))
      if (n % 50 === 0) await turns(1)
      if (n % 333 === 0) followers.push(watch(sequence.follow()))
    }
    await Promise.all(appends)
    await until(() => followers.every(({ positions }) => positions.at(-1) === 999), 'all is shown')
    for (const [index, { seen, positions }] of followers.entries()) {
      const from = index === 1 ? 700 : 0
      assert.deepEqual(
        seen,
        Array.from({ length: 1000 - from }, (_, n) => from + n),
      )
      assert.deepEqual(positions, seen)
    }
    await memory.close()
  }
})

test('a follower begins where it is told, and passes over what was trimmed and what has expired', async () => {
  const { memory, clock } = await simulated()
  const sequence = memory.sequence<number>('s', { ttlMs: 1000 })
  await sequence.append(0, 1, 2, 3, 4)
  await sequence.trim({ before: 2 })
  const all = watch(sequence.follow())
  const late = watch(sequence.follow({ from: 4 }))
  const ahead = watch(sequence.follow({ from: 6 }))
  await until(() => all.seen.length === 3, 'all that is there')
  await sequence.append(5)
  await sequence.delete()
  await sequence.append(6)
  clock.advance(2000)
  await sequence.append(7)
  await until(() => [all, late, ahead].every(({ seen }) => seen.at(-1) === 7), 'the last one')
  assert.deepEqual(late.seen[0], 4)
  assert.deepEqual(ahead.seen[0]! >= 6, true)
  const fresh = watch(sequence.follow())
  await until(() => fresh.seen.length === 1, 'what has not expired')
  assert.deepEqual(fresh.seen, [7])
  await memory.close()
})

test('an aborted signal ends it with its reason, while it waits and while it is busy', async () => {
  const { memory } = await simulated()
  const sequence = memory.sequence<number>('s')
  await sequence.append(0, 1, 2)
  const controller = new AbortController()
  const followers = Array.from({ length: 8 }, () => watch(sequence.follow({ signal: controller.signal })))
  const busy: number[] = []
  const ended = (async () => {
    for await (const { value } of sequence.follow({ signal: controller.signal })) {
      busy.push(value)
      if (value === 1) {
        await until(() => followers.every(({ seen }) => seen.length === 3), 'the others wait')
        controller.abort(new Error('enough'))
      }
    }
  })().catch((error: unknown) => error)

  assert.match(String(await ended), /enough/)
  assert.deepEqual(busy, [0, 1])
  for (const { ended } of followers) assert.match(String(await ended), /enough/)
  await sequence.append(3)
  await turns(10)
  assert.deepEqual(followers[0]!.seen, [0, 1, 2])
  await assert.rejects(sequence.follow({ signal: AbortSignal.abort() }).next(), { name: 'AbortError' })
  await memory.close()
})

test('a close ends it with CLOSED, that of its own handle and of no other', async () => {
  const folder = await freshFolder()
  const one = await AgentMemory.open(folder, SMALL)
  const two = await AgentMemory.open(folder, SMALL)
  const ofOne = watch(one.sequence<number>('s').follow())
  const ofScope = watch(one.scope('acme').sequence<number>('s').follow())
  const ofTwo = watch(two.sequence<number>('s').follow())
  await two.sequence<number>('s').append(0)
  await until(() => ofOne.seen.length === 1 && ofTwo.seen.length === 1, 'both have seen it')

  await one.close()

  assert.equal(((await ofOne.ended) as { code: string }).code, 'CLOSED')
  assert.equal(((await ofScope.ended) as { code: string }).code, 'CLOSED')
  await two.sequence<number>('s').append(1)
  await until(() => ofTwo.seen.length === 2, 'the other goes on')
  const unread = two.sequence('s').follow()
  await two.close()
  assert.equal(((await ofTwo.ended) as { code: string }).code, 'CLOSED')
  await assert.rejects(unread.next(), { code: 'CLOSED' })
  assert.throws(() => two.sequence('s').follow(), { code: 'CLOSED' })
})

test('whoever leaves the loop is forgotten', async () => {
  const { memory } = await simulated()
  const sequence = memory.sequence<number>('s')
  await sequence.append(0)
  for (let round = 0; round < 20; round++) {
    for await (const { value } of sequence.follow()) {
      assert.equal(value, 0)
      break
    }
  }
  const { feeds } = memory.map('any').engine as Engine
  assert.equal(feeds.followed, 0)
  await memory.close()
})

test('what was in doubt is shown once a reopen has settled it', async () => {
  const shape = await simulated()
  const { memory, disk } = shape
  const sequence = memory.sequence<number>('s')
  await sequence.append(0)
  const { seen } = watch(sequence.follow())
  await until(() => seen.length === 1, 'the first')
  await makeSyncsSlow(shape)
  disk.faults.add({ at: { kind: 'dataSync', path: /\/log\// }, error: 'EIO' })
  await assert.rejects(sequence.append(1), { code: 'IN_DOUBT' })
  await turns(20)
  assert.deepEqual(seen, [0])

  assert.ok(await settles(memory.reopen(), 2000))

  await until(() => seen.length === 2, 'the second')
  await memory.close()
})

test('wrong options are refused by name', async () => {
  const { memory } = await simulated()
  const sequence = memory.sequence('s')
  assert.throws(() => sequence.follow({ from: -1 }), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => sequence.follow({ signal: {} as never }), { code: 'INVALID_OPTION' })
  assert.throws(() => sequence.follow({ since: 5 } as never), { code: 'UNKNOWN_OPTION' })
  await memory.close()
})
