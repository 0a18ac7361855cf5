/** What is measured of a memory: its durabilities, and its reads. */
import { join } from 'node:path'
import { AgentMemory, type Durability } from '../../index.js'
import type { SyncedBlocks } from '../disk/synced-blocks.js'
import type { Side } from './slices.js'

/** Few enough that all maps of a memory stay in RAM. */
const KEYS = 5000

const VALUES = Array.from({ length: 64 }, (_, turn) => ({
  turn,
  role: 'user',
  text: 'What an agent has said and heard, and what it was asked to remember of it. '.repeat(3),
  isDone: false,
}))

/** A memory that is written to. */
export class WrittenMemory {
  readonly #memory: AgentMemory
  #serial = 0

  private constructor(memory: AgentMemory) {
    this.#memory = memory
  }

  static async open(folder: string): Promise<WrittenMemory> {
    return new WrittenMemory(await AgentMemory.open(join(folder, 'written')))
  }

  set(durability: Durability, writers: number): Side {
    const map = this.#memory.map(durability, { durability })
    return {
      name: `set, ${durability}`,
      writers,
      run: () => map.set(keyOf(this.#serial), valueFor(this.#serial++)),
      // What a slice has left to do must not be done in that of another one.
      settle: () => this.#memory.checkpoint(),
    }
  }

  /** Reads of entries that are held in RAM. */
  async getHeld(): Promise<Side> {
    const map = this.#memory.map('held', { durability: 'write-back' })
    for (let index = 0; index < KEYS; index++) await map.set(keyOf(index), valueFor(index))
    await this.#memory.checkpoint()
    return { name: 'get, held in RAM', writers: 1, run: () => map.get(keyOf(this.#serial++)) }
  }

  async close(): Promise<void> {
    await this.#memory.close()
  }
}

/** A memory that holds nothing in RAM, so that every read asks the data store. */
export class StoredMemory {
  readonly #memory: AgentMemory
  #serial = 0

  private constructor(memory: AgentMemory) {
    this.#memory = memory
  }

  static async open(folder: string): Promise<StoredMemory> {
    const memory = await AgentMemory.open(join(folder, 'stored'), { tierBytesMax: 0 })
    const map = memory.map('stored', { durability: 'write-back' })
    for (let index = 0; index < KEYS; index++) await map.set(keyOf(index), valueFor(index))
    await memory.checkpoint()
    return new StoredMemory(memory)
  }

  get(): Side {
    const map = this.#memory.map('stored')
    return { name: 'get, from the store', writers: 1, run: () => map.get(keyOf(this.#serial++)) }
  }

  scan(): Side {
    const map = this.#memory.map('stored')
    const run = async () => {
      let count = 0
      for await (const _entry of map.entries()) count += 1
      if (count !== KEYS) throw new Error(`A scan has shown ${count} of ${KEYS} entries`)
    }
    return { name: `scan of ${KEYS.toLocaleString('en-US')} entries`, writers: 1, perCall: KEYS, run }
  }

  async close(): Promise<void> {
    await this.#memory.close()
  }
}

export function rawSide(blocks: SyncedBlocks): Side {
  const run = () => {
    blocks.write()
    return undefined
  }
  return { name: 'bare write + fdatasync', writers: 1, run }
}

/** In an order that jumps over the keys, since a real one seldom rises. */
function keyOf(serial: number): string {
  return `key-${String((serial * 7919) % KEYS).padStart(6, '0')}`
}

function valueFor(serial: number): object {
  return VALUES[serial % VALUES.length]!
}
