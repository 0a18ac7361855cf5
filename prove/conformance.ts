/**
 * What a memory promises over whatever store, in whatever mode, of each durability: a sentence and a small program each.
 * `prove stores` runs them over every store that there is.
 */
import assert from 'node:assert/strict'
import type { AgentMemory, AgentMemoryOptions, Durability, MaxLoss } from '../src/index.js'
import { ManualClock } from '../src/testing/manual-clock.js'

export interface MemoryUnderTest {
  durability: Durability
  /** Opens it with that durability for all writes that say nothing; always the same one. */
  open(options?: AgentMemoryOptions): Promise<AgentMemory>
  /** Lets a process write to it, and kills that once so many of its writes have been acknowledged. */
  kill(acknowledged: number): Promise<KilledWriter>
  /** How far the store is by its own word; `undefined` if only the memory can say. */
  appliedLsn(): Promise<number | undefined>
}

/** What a writer had been told when it was killed. Its writes are numbered from 1, without a gap. */
export interface KilledWriter {
  acknowledged: number
  /** That of the last write that was acknowledged. */
  lsn: number
}

export interface ConformanceCase {
  name: string
  /** Why it is of a memory with a log only. */
  needsLog?: string
  run(under: MemoryUnderTest): Promise<void>
}

export const KILLED_MAP = 'killed'
/** So much of write-back may a kill take; no time is left to it, as nobody keeps that on a machine that stands still. */
export const KILLED_LOSS: MaxLoss = { ms: 600_000, writes: 40, bytes: 64 * 1024 }
/** Each so manieth write of a writer is a batch: of a key of its own, and of two that all of them share. */
export const BATCH_EVERY = 3
const KILLED_AFTER = [1, 30, 7]
const REACHED = { 'write-back': 'tier', 'write-ahead': 'log', 'write-through': 'store' } as const
const HOUR_MS = 3_600_000

export const CONFORMANCE: readonly ConformanceCase[] = [
  {
    name: 'a write is answered when it has reached what was asked for',
    async run({ open, durability }) {
      const memory = await open()
      const { reached } = await memory.map('m').set('a', 1)
      assert.equal(reached, REACHED[durability])
      await memory.close()
    },
  },
  {
    name: 'what was written is read at once, whoever has been answered',
    async run({ open }) {
      const memory = await open()
      const map = memory.map<number>('m')
      const writes = [map.set('a', 1), map.set('a', 2), map.set('b', 3), map.delete('b')]
      assert.equal(await map.get('a'), 2)
      assert.deepEqual(await map.getMany(['a', 'b']), [2, undefined])
      const { lsn } = (await Promise.all(writes))[1]!
      // 0: it waits for the store to give it a version.
      if (lsn !== 0) assert.equal((await map.getEntry('a'))?.version, lsn)
      await memory.close()
    },
  },
  {
    name: 'what was acknowledged is there after a close, and what was deleted is not',
    async run({ open }) {
      const memory = await open()
      const map = memory.map<number>('m')
      for (let n = 0; n < 20; n++) await map.set(`k${n}`, n)
      await map.set('k3', 33)
      await map.delete('k4')
      const version = (await map.getEntry('k3'))!.version
      const { lost, inDoubt } = await memory.close()
      assert.deepEqual({ lost, inDoubt }, { lost: 0, inDoubt: 0 })

      const again = await open()
      const found = await again.map<number>('m').getMany(Array.from({ length: 20 }, (_, n) => `k${n}`))
      assert.deepEqual(
        found,
        Array.from({ length: 20 }, (_, n) => (n === 3 ? 33 : n === 4 ? undefined : n)),
      )
      assert.equal((await again.map('m').getEntry('k3'))!.version, version)
      await again.close()
    },
  },
  {
    name: 'after a kill all that was promised is there, and of the rest a prefix of whole batches',
    async run({ open, kill, durability, appliedLsn }) {
      for (const count of KILLED_AFTER) {
        const { acknowledged, lsn } = await kill(count)
        if (durability === 'write-through') assert.ok(((await appliedLsn()) ?? lsn) >= lsn, 'the store itself has it')
        const memory = await open()
        const numbers: number[] = []
        const both: number[] = []
        // In one page, which is of one moment: the last call of a dead process may still be on its way to a server.
        for await (const { key, value } of memory.map<number>(KILLED_MAP).entries({ pageSize: 65_536 })) {
          if (key[0] === 'each') numbers.push(value)
          else both.push(value)
        }
        const last = numbers.length
        assert.deepEqual(
          numbers,
          numbers.map((_, index) => index + 1),
        )
        const mayLack = durability === 'write-back' ? KILLED_LOSS.writes : 0
        assert.ok(last >= acknowledged - mayLack, `${last} are there, and ${acknowledged} were acknowledged`)
        const batch = last - (last % BATCH_EVERY)
        assert.deepEqual(both, last < BATCH_EVERY ? [] : [batch, batch])
        await memory.close()
      }
    },
  },
  {
    name: 'a flush brings all into the log, a checkpoint into the store',
    async run({ open }) {
      const memory = await open()
      const map = memory.map<number>('m')
      const { lsn } = await map.set('a', 1)
      assert.ok((await memory.flush()) >= lsn)
      assert.ok((await memory.checkpoint()) >= lsn)
      await map.delete('a')
      await memory.checkpoint()
      await memory.close()
      const again = await open()
      assert.equal(await again.map('m').get('a'), undefined)
      await again.close()
    },
  },
  {
    name: 'a scan is in the order of the keys, within its bounds, and of one moment wherever entries are',
    async run({ open }) {
      const memory = await open()
      const map = memory.map<number, string | [string, string]>('m')
      await map.setMany([
        [['a', '1'], 1],
        [['a', '2'], 2],
        [['a', '10'], 10],
        ['a-b', 3],
        [['b', '1'], 4],
        ['ä', 5],
      ])
      await memory.checkpoint()
      await map.set(['a', '11'], 11)
      await map.delete(['a', '2'])
      const scan = async (options: object) => {
        const values: number[] = []
        for await (const { value } of map.entries({ pageSize: 2, ...options })) values.push(value)
        return values
      }
      assert.deepEqual(await scan({}), [1, 10, 11, 3, 4, 5])
      assert.deepEqual(await scan({ reverse: true }), [5, 4, 3, 11, 10, 1])
      assert.deepEqual(await scan({ prefix: 'a' }), [1, 10, 11])
      assert.deepEqual(await scan({ gt: ['a', '10'], lte: ['b', '1'] }), [11, 3, 4])
      assert.deepEqual(await scan({ gte: ['a', '10'], limit: 2 }), [10, 11])
      await memory.close()
    },
  },
  {
    name: 'a scope shows what is its own and no other',
    async run({ open }) {
      const memory = await open()
      for (const scope of ['acme', 'acme-corp', '']) await memory.scope(scope).map('m').set('k', scope)
      await memory.checkpoint()
      for (const scope of ['acme', 'acme-corp', '']) {
        const values: unknown[] = []
        for await (const { value } of memory.scope(scope).map('m').entries()) values.push(value)
        assert.deepEqual(values, [scope])
      }
      await memory.close()
    },
  },
  {
    name: 'a batch is there whole, or, if one of its conditions fails, not at all',
    async run({ open }) {
      const memory = await open()
      const [m, n] = [memory.map<number>('m'), memory.map<number>('n')]
      await m.set('a', 1)
      await memory.batch(batch => void batch.delete(m, 'a').set(m, 'b', 2).set(n, 'a', 2))
      const refused = memory.batch(batch => void batch.set(m, 'b', 3).set(n, 'a', 3, { expected: null }))
      await assert.rejects(refused, { code: 'VERSION_CONFLICT' })
      await memory.close()

      const again = await open()
      assert.deepEqual(await again.map('m').getMany(['a', 'b']), [undefined, 2])
      assert.equal(await again.map('n').get('a'), 2)
      await again.close()
    },
  },
  {
    name: 'a write under a version that is no longer the newest is refused, and changes nothing',
    async run({ open }) {
      const memory = await open()
      const map = memory.map<number>('m')
      const { lsn } = await map.set('a', 1, { expected: null })
      await memory.checkpoint()
      await map.set('a', 2, { expected: lsn })
      for (const expected of [lsn, null]) {
        await assert.rejects(map.set('a', 3, { expected }), { code: 'VERSION_CONFLICT' })
        await assert.rejects(map.delete('a', { expected }), { code: 'VERSION_CONFLICT' })
      }
      await memory.close()
      const again = await open()
      const entry = (await again.map<number>('m').getEntry('a'))!
      assert.equal(entry.value, 2)
      await again.map<number>('m').delete('a', { expected: entry.version })
      await again.close()
    },
  },
  {
    name: '64 updates of one key that nobody waits for make 64',
    async run({ open }) {
      const memory = await open()
      const map = memory.map<number>('m')
      await Promise.all(Array.from({ length: 64 }, () => map.update('count', count => count + 1, { initial: 0 })))
      assert.equal(await map.get('count'), 64)
      await memory.close()
      const again = await open()
      assert.equal(await again.map('m').get('count'), 64)
      await again.close()
    },
  },
  {
    name: 'what has expired reads as absent, wherever it is, and does not come back',
    async run({ open }) {
      const clock = new ManualClock()
      const memory = await open({ clock })
      const map = memory.map<number>('m', { ttlMs: HOUR_MS })
      await map.set('stored', 1)
      await memory.checkpoint()
      await map.set('logged', 2)
      await map.set('stays', 3, { ttlMs: null })
      assert.deepEqual(await map.getMany(['stored', 'logged', 'stays']), [1, 2, 3])
      clock.advance(HOUR_MS)
      assert.deepEqual(await map.getMany(['stored', 'logged', 'stays']), [undefined, undefined, 3])
      await memory.close()

      const again = await open({ clock })
      const values: number[] = []
      for await (const { value } of again.map<number>('m', { ttlMs: HOUR_MS }).entries()) values.push(value)
      assert.deepEqual(values, [3])
      await again.close()
    },
  },
  {
    name: 'every kind of value comes back as it was',
    async run({ open }) {
      const values: unknown[] = [
        null,
        { text: 'ä\n😀', list: [1, -2.5, [true]] },
        new Date(5),
        Number.NaN,
        -0,
        10n ** 30n,
        new Map([['a', new Set([1])]]),
        Uint8Array.of(0, 255),
        { undef: undefined },
        'x'.repeat(100_000),
      ]
      const memory = await open()
      const forms = [
        memory.map('plain'),
        memory.map('packed', { compression: { algorithm: 'gzip', thresholdBytes: 40 }, version: 3, upgrade: v => v }),
      ]
      for (const map of forms) await map.setMany(values.map((value, index) => [`v${index}`, value]))
      await memory.map('json', { codec: 'json' }).set('v', { a: [1, 'b', null] })
      await memory.close()

      const again = await open({ tierBytesMax: 0 })
      for (const { name } of forms) {
        const options =
          name === 'plain'
            ? {}
            : {
                compression: { algorithm: 'gzip', thresholdBytes: 40 } as const,
                version: 3,
                upgrade: (v: unknown) => v,
              }
        const map = again.map(name, options)
        for (const [index, value] of values.entries()) assert.deepEqual(await map.get(`v${index}`), value)
      }
      assert.deepEqual(await again.map('json', { codec: 'json' }).get('v'), { a: [1, 'b', null] })
      await again.close()
    },
  },
  {
    name: 'names that mean something elsewhere are names here',
    async run({ open }) {
      const keys = [
        '__proto__',
        'a\0b',
        '',
        ':',
        '../x',
        'CON',
        'A',
        'a',
        'a'.repeat(300),
        "'; DROP TABLE x",
        '%',
        '日本',
      ]
      const memory = await open()
      for (const name of ['__proto__', 'a:b']) {
        await memory.map(name).setMany(keys.map(key => [['in', key], `${name} ${key}`]))
      }
      await memory.close()

      const again = await open({ tierBytesMax: 0 })
      for (const name of ['__proto__', 'a:b']) {
        const found = await again.map(name).getMany(keys.map(key => ['in', key]))
        assert.deepEqual(
          found,
          keys.map(key => `${name} ${key}`),
        )
      }
      await again.close()
    },
  },
  {
    name: 'a conversation keeps its messages in order, a preference its value',
    async run({ open, durability }) {
      const memory = await open()
      const chat = memory.conversations<{ content: string }>({ durability })
      await Promise.all(['a', 'b', 'c'].map(content => chat.append('chat', { content })))
      await memory.preferences({ durability }).set('user', 'language', 'de')
      await memory.close()

      const again = await open()
      const history = await again.conversations<{ content: string }>({ durability }).history('chat')
      assert.deepEqual(
        history.map(({ message }) => message.content),
        ['a', 'b', 'c'],
      )
      assert.equal(await again.preferences({ durability }).get('user', 'language'), 'de')
      await again.close()
    },
  },
  {
    name: 'a blob keeps its bytes',
    needsLog: 'blobs are not part of direct mode, which refuses them',
    async run({ open }) {
      const blob = Buffer.alloc(600 * 1024, 'blob')
      const memory = await open()
      await memory.blobs('files').put('report', blob)
      await memory.close()

      const again = await open()
      assert.ok(blob.equals(Buffer.from(await (await again.blobs('files').get('report'))!.bytes())))
      await again.close()
    },
  },
]
