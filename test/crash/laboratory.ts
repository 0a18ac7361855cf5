/** A memory on a simulated disk, with faults to inject, and power to cut. */
import assert from 'node:assert/strict'
import { LabClock, turns } from '../../prove/lab-clock.js'
import { AgentMemory, AgentMemoryError, type AgentMemoryOptions, type DataStore } from '../../src/index.js'
import { openJournalStore } from '../../src/testing/journal-store.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

export const FOLDER = '/memory'
export const LOG = /\/log\/[0-9a-f]{16}\.log$/
export const SPARE = /\/log\/spare$/

const rejections: unknown[] = []
process.on('unhandledRejection', error => rejections.push(error))

/** No promise was rejected without somebody being told. */
export async function noUnhandledRejection(): Promise<void> {
  await turns(3)
  assert.deepEqual(rejections.splice(0), [])
}

export class Laboratory {
  readonly disk: SimulatedDisk
  readonly clock = new LabClock()
  /** While it is set, the store neither opens nor commits nor answers. */
  storeFault: Error | undefined
  /** While it is set, the store cannot force to the disk what it has committed. */
  flushFault: Error | undefined

  constructor(disk = new SimulatedDisk()) {
    this.disk = disk
  }

  open(options: AgentMemoryOptions = {}): Promise<AgentMemory> {
    return AgentMemory.open(FOLDER, {
      fileSystem: this.disk,
      clock: this.clock,
      store: { kind: 'journal', open: () => this.#openStore() },
      segmentBytesMax: 64 * 1024,
      frameBytesMax: 64 * 1024,
      ...options,
    })
  }

  /** The power is cut, all that was not synced is gone, and the machine starts again. */
  powerCut(): Laboratory {
    const crashed = this.disk.crash(seededRandom(1), { kind: 'nothing' })
    this.disk.powerOff()
    crashed.capacityBytes = undefined
    return new Laboratory(crashed)
  }

  /** Time passes until the work is done; at most so many seconds of it. */
  async until<T>(work: Promise<T>, seconds = 120): Promise<T> {
    let isDone = false
    const done = () => {
      isDone = true
    }
    work.then(done, done)
    for (let ms = 0; !isDone; ms += 100) {
      assert.ok(ms < seconds * 1000, `not done after ${seconds} seconds`)
      await turns(2)
      if (!isDone) this.clock.advance(100)
    }
    return work
  }

  async #openStore(): Promise<DataStore> {
    if (this.storeFault !== undefined) throw this.storeFault
    const store = await openJournalStore(this.disk, `${FOLDER}/store`)
    const failing =
      <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
      async (...args: Args): Promise<Result> => {
        if (this.storeFault !== undefined) throw this.storeFault
        return call(...args)
      }
    return {
      capabilities: store.capabilities,
      identity: () => store.identity(),
      setIdentity: identity => store.setIdentity(identity),
      mark: () => store.mark(),
      get: failing(key => store.get(key)),
      getMany: failing(keys => store.getMany(keys)),
      page: failing(page => store.page(page)),
      apply: failing((changes, mark) => store.apply(changes, mark)),
      flushedLsn: () => store.flushedLsn(),
      flush: async () => {
        if (this.flushFault !== undefined) throw this.flushFault
        await store.flush()
      },
      close: () => store.close(),
    }
  }
}

/** `kept` for a promise that has resolved, else the code of its error, which has to be one of ours. */
export async function outcome(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'kept'
  } catch (error) {
    assert.ok(error instanceof AgentMemoryError, `not one of our errors: ${String(error)}`)
    return error.code
  }
}

/** The error of a promise that must not resolve. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const [result] = await Promise.allSettled([promise])
  assert.equal(result!.status, 'rejected', 'it was kept')
  return (result as PromiseRejectedResult).reason
}

export async function allOf(memory: AgentMemory, name = 'runs'): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for await (const { key, value } of memory.map<unknown, string>(name).entries()) found[key] = value
  return found
}
