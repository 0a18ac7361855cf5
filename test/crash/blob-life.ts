/** One life of a process that puts and deletes blobs in a real folder until it is killed, and says before and after what. */
import assert from 'node:assert/strict'
import { pathToFileURL } from 'node:url'
import { AgentMemory } from '../../src/index.js'
import { reportLine } from '../../src/io/report-line.js'
import { randomBelow, seededRandom } from '../../src/testing/random.js'
import { bytesOf, pieces, read, told } from '../shapes/blob-helpers.js'

export type LifeReport = { putting: string; told: string } | { done: string; told: string }

const KEYS = ['a', 'b', 'c', 'd']
const SIZE_MAX = 2 << 20

/** Each blob is what was told last, or what was being done. */
export async function checkLife(memory: AgentMemory, known: Map<string, string[]>): Promise<void> {
  for (const [key, may] of known) {
    const found = told(await read(memory.blobs('files'), key))
    assert.ok(may.includes(found), `${key}: ${found}, not ${may}`)
    known.set(key, [found])
  }
}

async function live(folder: string, seed: number): Promise<void> {
  const random = seededRandom(seed)
  const memory = await AgentMemory.open(folder)
  const blobs = memory.blobs('files')
  const putAll = async (key: string) => {
    for (;;) {
      const isDelete = random() < 0.15
      const size = random() < 0.3 ? randomBelow(random, 5000) : randomBelow(random, SIZE_MAX)
      const bytes = isDelete ? undefined : bytesOf(size, randomBelow(random, 2 ** 31))
      const text = told(bytes)
      reportLine({ putting: key, told: text } satisfies LifeReport)
      if (bytes === undefined) await blobs.delete(key)
      else await blobs.put(key, pieces(bytes, 100_000))
      reportLine({ done: key, told: text } satisfies LifeReport)
    }
  }
  await Promise.all(KEYS.map(putAll))
}

const [script, folder, seed] = process.argv.slice(1)
if (import.meta.url === pathToFileURL(script ?? '').href) await live(folder!, Number(seed))
