/** What a memory without a log promises besides: several nodes write one store, each an `open` of its own. */
import assert from 'node:assert/strict'
import { ManualClock } from '../src/testing/manual-clock.js'
import type { ConformanceCase } from './conformance.js'

const NODES = 4
const STALE_MS = 500

export const DIRECT_CONFORMANCE: readonly ConformanceCase[] = [
  {
    name: 'what needs a log is refused, and says so',
    async run({ open }) {
      const refused = { code: 'INVALID_OPTION', message: /log/ }
      await assert.rejects(open({ durability: 'write-ahead' }), refused)
      await assert.rejects(open({ segmentBytesMax: 1 << 20 }), refused)
      const memory = await open()
      const map = memory.map<number>('m')
      await assert.rejects(map.set('a', 1, { durability: 'write-ahead' }), refused)
      assert.throws(() => memory.map('n', { durability: 'write-ahead' }), refused)
      assert.throws(() => memory.blobs('files'), refused)
      assert.equal(await map.get('a', { fresh: true }), undefined)
      await memory.close()
    },
  },
  {
    name: 'what one node writes others read at once if they ask the store, else within staleMs',
    async run({ open }) {
      const clock = new ManualClock()
      const [one, other] = [await open({ clock, staleMs: STALE_MS }), await open({ clock, staleMs: STALE_MS })]
      const [written, read] = [one.map<number>('m'), other.map<number>('m')]
      await written.set('a', 1)
      await one.flush()
      assert.equal(await read.get('a'), 1)
      await written.set('a', 2)
      await one.flush()
      assert.equal(await read.get('a', { fresh: true }), 2)
      await written.delete('a')
      await written.set('b', 3)
      await one.flush()
      clock.advance(STALE_MS)
      assert.deepEqual(await read.getMany(['a', 'b']), [undefined, 3])
      await Promise.all([one.close(), other.close()])
    },
  },
  {
    name: 'what a node has accepted it reads itself, whatever its age',
    async run({ open }) {
      const memory = await open({ staleMs: 0 })
      const map = memory.map<number>('m')
      const writes = []
      for (let n = 0; n < 16; n++) {
        writes.push(map.set('a', n))
        assert.equal(await map.get('a'), n)
      }
      await Promise.all(writes)
      assert.equal(await map.get('a'), 15)
      await memory.close()
    },
  },
  {
    name: '64 updates of one key by four nodes make 64, each of a version of its own',
    async run({ open }) {
      const memories = await Promise.all(Array.from({ length: NODES }, () => open()))
      const results = await Promise.all(
        memories.flatMap(memory =>
          Array.from({ length: 64 / NODES }, () =>
            memory.map<number>('m').update('count', count => count + 1, { initial: 0 }),
          ),
        ),
      )
      assert.equal(new Set(results.map(({ lsn }) => lsn)).size, 64)
      assert.equal(await memories[0]!.map('m').get('count', { fresh: true }), 64)
      await Promise.all(memories.map(memory => memory.close()))
    },
  },
  {
    name: 'of batches of several nodes under one version one is there, and of the others nothing',
    async run({ open }) {
      const memories = await Promise.all(Array.from({ length: NODES }, () => open()))
      const { lsn } = await memories[0]!.map<number>('m').set('a', -1, { expected: null })
      const outcomes = await Promise.allSettled(
        memories.map((memory, index) =>
          memory.batch(batch => {
            const map = memory.map<number>('m')
            batch.set(map, ['own', `${index}`], index).set(map, 'a', index, { expected: lsn })
          }),
        ),
      )
      const won = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))
      assert.equal(won.length, 1)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'VERSION_CONFLICT')
      }
      const values: number[] = []
      for await (const { value } of memories[1]!.map<number>('m').entries()) values.push(value)
      assert.deepEqual(values, [won[0], won[0]])
      await Promise.all(memories.map(memory => memory.close()))
    },
  },
  {
    name: 'messages that several nodes append to one conversation are all there, in one order for everybody',
    async run({ open }) {
      const memories = await Promise.all(Array.from({ length: NODES }, () => open()))
      await Promise.all(
        memories.flatMap((memory, node) =>
          [0, 1, 2, 3].map(n =>
            memory.conversations<{ content: string }>().append('chat', { content: `${node} ${n}` }),
          ),
        ),
      )
      await Promise.all(memories.map(memory => memory.close()))
      const readers = await Promise.all([open(), open()])
      const told = await Promise.all(
        readers.map(async memory => {
          const history = await memory.conversations<{ content: string }>().history('chat', 100)
          return history.map(({ message }) => message.content)
        }),
      )
      assert.equal(new Set(told[0]).size, NODES * 4)
      assert.deepEqual(told[1], told[0])
      await Promise.all(readers.map(memory => memory.close()))
    },
  },
]
