// Any sequence of puts, deletes, reads, streams, kills and power cuts, beside a Map that does the same.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AgentMemory, AgentMemoryOptions, Blobs } from '../../src/index.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { openOn } from '../engine/simulated.js'
import { bytesOf, CHUNK, nothingLeftBehind, pieces, read, SMALL_CHUNKS, told } from './blob-helpers.js'

const KEYS = ['a', 'b', 'c']
const noNull = { noNullPrototype: true }

const key = fc.constantFrom(...KEYS)
const size = fc.oneof(fc.constantFrom(0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK), fc.nat(4 * CHUNK))
const durability = fc.constantFrom('write-ahead' as const, 'write-through' as const)
const actions = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), key, size, durability }, noNull) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('fail' as const), key, size }, noNull) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), key, durability }, noNull) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('stream' as const), key }, noNull) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('range' as const), key, at: fc.nat(4 * CHUNK) }, noNull) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('two at once' as const), key, size }, noNull) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(...(['read on', 'checkpoint', 'reopen', 'kill', 'power cut'] as const)).map(kind => ({
      kind,
    })),
  },
)
type Action = typeof actions extends fc.Arbitrary<infer T> ? T : never

class Run {
  readonly #options: AgentMemoryOptions
  readonly #random
  #disk = new SimulatedDisk()
  #memory!: AgentMemory
  #blobs!: Blobs
  readonly #model = new Map<string, Uint8Array>()
  #streams: { stream: AsyncGenerator<Uint8Array>; expected: Uint8Array; at: number }[] = []
  #seed = 1

  constructor(options: AgentMemoryOptions, seed: number) {
    this.#options = options
    this.#random = seededRandom(seed)
  }

  async open(): Promise<void> {
    this.#memory = await openOn(this.#disk, this.#options)
    this.#blobs = this.#memory.blobs('files')
    this.#streams = []
  }

  async step(action: Action): Promise<void> {
    switch (action.kind) {
      case 'put': {
        const bytes = bytesOf(action.size, this.#seed++)
        await this.#blobs.put(action.key, pieces(bytes, 9000), { durability: action.durability })
        this.#model.set(action.key, bytes)
        break
      }
      case 'fail': {
        const put = this.#blobs.put(action.key, this.#failing(bytesOf(action.size, this.#seed++)))
        await assert.rejects(put, /planned/)
        break
      }
      case 'two at once': {
        const both = [bytesOf(action.size, this.#seed++), bytesOf(action.size + 1, this.#seed++)]
        const [one, two] = await Promise.all(both.map(bytes => this.#blobs.put(action.key, pieces(bytes))))
        this.#model.set(action.key, both[one!.lsn > two!.lsn ? 0 : 1]!)
        break
      }
      case 'delete':
        await this.#blobs.delete(action.key, { durability: action.durability })
        this.#model.delete(action.key)
        break
      case 'stream': {
        const stream = (await this.#blobs.get(action.key))?.stream()
        if (stream === undefined) break
        this.#streams.push({ stream, expected: this.#model.get(action.key)!, at: 0 })
        await this.#readOn(1)
        break
      }
      case 'range': {
        const found = await (await this.#blobs.get(action.key))?.bytes({ start: action.at, end: action.at + 1000 })
        assert.equal(told(found), told(this.#model.get(action.key)?.slice(action.at, action.at + 1000)))
        break
      }
      case 'read on':
        await this.#readOn(2)
        break
      case 'checkpoint':
        await this.#memory.checkpoint()
        break
      default:
        await this.#openAgain(action.kind)
    }
    await this.#compare()
  }

  async finish(): Promise<void> {
    await this.#readOn(100)
    assert.equal(this.#streams.length, 0)
    await nothingLeftBehind(this.#memory)
    await this.#openAgain('power cut')
    await this.#compare()
    await nothingLeftBehind(this.#memory)
  }

  async *#failing(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield* pieces(bytes, 9000)
    throw new Error('planned')
  }

  async #readOn(count: number): Promise<void> {
    for (const each of [...this.#streams]) {
      for (let taken = 0; taken < count; taken++) {
        const { value } = await each.stream.next()
        if (value === undefined) {
          assert.equal(each.at, each.expected.length, 'a stream has ended early')
          this.#streams = this.#streams.filter(other => other !== each)
          break
        }
        assert.equal(told(value), told(each.expected.slice(each.at, each.at + value.length)))
        each.at += value.length
      }
    }
  }

  async #openAgain(how: 'reopen' | 'kill' | 'power cut'): Promise<void> {
    if (how === 'reopen') await this.#memory.close()
    else {
      const left = how === 'kill' ? this.#disk.clone() : this.#disk.crash(this.#random)
      this.#disk.powerOff()
      this.#disk = left
    }
    await this.open()
  }

  async #compare(): Promise<void> {
    for (const each of KEYS) assert.equal(told(await read(this.#blobs, each)), told(this.#model.get(each)))
    const listed: string[] = []
    for await (const { key, size } of this.#blobs.list({ pageSize: 2 })) listed.push(`${String(key)} ${size}`)
    const expected = [...this.#model].map(([key, { length }]) => `${key} ${length}`)
    assert.deepEqual(listed, expected.sort())
  }
}

const shapes: { name: string; options: AgentMemoryOptions }[] = [
  { name: 'a roomy tier', options: SMALL_CHUNKS },
  { name: 'no tier and little room in the log', options: { ...SMALL_CHUNKS, tierBytesMax: 0, pendingEntriesMax: 4 } },
  { name: 'a store in memory', options: { ...SMALL_CHUNKS, store: 'in-memory' } },
  { name: 'frames of several chunks', options: { frameBytesMax: 512 * 1024 } },
]

for (const { name, options } of shapes) {
  test(`with ${name}, every sequence goes as the model says, and leaves nothing behind`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(actions, { minLength: 3, maxLength: 25, size: 'max' }),
        fc.nat(),
        async (sequence, seed) => {
          const run = new Run(options, seed)
          await run.open()
          for (const action of sequence) await run.step(action)
          await run.finish()
        },
      ),
      { numRuns: 40 },
    )
  })
}
