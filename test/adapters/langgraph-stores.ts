/** Stores of LangGraph for tests: over each kind of data store, and with embeddings that can be counted on. */
import type { TestContext } from 'node:test'
import type { IndexConfig } from '@langchain/langgraph-checkpoint'
import { HoldfastStore, type HoldfastStoreFromOptions } from '../../src/adapters/langgraph/index.js'
import type { AgentMemoryOptions } from '../../src/index.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'

/** A store may take long on a busy machine, which is none of what is tested. */
const OPTIONS: AgentMemoryOptions = { ...SMALL, storeDeadlineMs: 300_000 }

/** Where a memory with each kind of data store is, in a folder that is new. */
export const PLACES: Record<string, (folder: string) => { location: string; memory: AgentMemoryOptions }> = {
  'in-memory': folder => ({ location: folder, memory: { ...OPTIONS, store: 'in-memory' } }),
  level: folder => ({ location: folder, memory: OPTIONS }),
  sqlite: folder => ({ location: `sqlite:${folder}.db`, memory: OPTIONS }),
  files: folder => ({ location: `files:${folder}`, memory: OPTIONS }),
}

/** A store in a memory of its own, closed when the test ends. */
export async function freshStore(
  t: TestContext,
  { memory, ...options }: HoldfastStoreFromOptions = {},
  place: keyof typeof PLACES = 'level',
): Promise<HoldfastStore> {
  const { location, memory: ofPlace } = PLACES[place]!(await freshFolder())
  const store = HoldfastStore.from(location, { ...options, memory: { ...ofPlace, ...memory } })
  t.after(() => store.close())
  return store
}

export const DIMS = 8

/** Counts of letters: texts of the same letters are the same to it. Knows what it was asked. */
export class LetterEmbeddings {
  readonly asked: string[][] = []
  dims = DIMS
  /** What a call waits for. */
  gate: Promise<unknown> = Promise.resolve()

  async embedDocuments(texts: string[]): Promise<number[][]> {
    this.asked.push(texts)
    await this.gate
    return texts.map(text => this.#vector(text))
  }

  async embedQuery(text: string): Promise<number[]> {
    return this.#vector(text)
  }

  #vector(text: string): number[] {
    const counts = new Array<number>(this.dims).fill(0)
    for (const letter of text.toLowerCase()) counts[letter.charCodeAt(0) % this.dims]! += 1
    return counts
  }
}

/** The two methods are all that a store uses of Embeddings. */
export function indexOf(embeddings: LetterEmbeddings, more: Partial<IndexConfig> = {}): IndexConfig {
  return { dims: DIMS, embeddings: embeddings as unknown as IndexConfig['embeddings'], ...more }
}
