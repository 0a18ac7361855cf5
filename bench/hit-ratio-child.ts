/** P4 in a process of its own: how many reads a bounded memory answers without its data store. */
import { join } from 'node:path'
import type { StoreOpener } from '../src/engine/config.js'
import { AgentMemory } from '../src/index.js'
import { InMemoryStore } from '../src/stores/in-memory.js'
import { childTask } from './child.js'
import { type BoundedCache, makeLruCache, makeSieveCache } from './peers.js'
import { zipfSource } from './workload.js'

export interface HitRatioTask {
  folder: string
  keys: number
  /** The share of the keys that there is room for. */
  share: number
  reads: number
  seed: number
}

/** Percent of the reads, after as many that do not count. */
export interface HitRatioRun {
  ours: number
  lru: number
  sieve: number
  /** So many entries each of them could hold. */
  entries: number
}

const SKEW = 0.9
const VALUE = 'v'.repeat(100)

const task = childTask<HitRatioTask>()
const { keys, reads } = task
let storeReads = 0

const bytesPerEntry = await measureEntry()
const entries = Math.floor(keys * task.share)
const memory = await openMemory(Math.ceil(bytesPerEntry * entries), 'memory')
const map = memory.map<string>('bench')
await fill(map, keys)
await memory.checkpoint()

const caches = { lru: makeLruCache(entries), sieve: makeSieveCache(entries) }
await readAll(task.seed)
const hits = await readAll(task.seed + 1)
const held = memory.status().tier.entries
if (Math.abs(held - entries) > entries / 100) throw new Error(`The tier holds ${held} entries instead of ${entries}`)
const run: HitRatioRun = { ...hits, entries }
process.stdout.write(`${JSON.stringify(run)}\n`)
await memory.close()

/** A read that the store has to answer was no hit. */
async function readAll(seed: number): Promise<Record<'ours' | 'lru' | 'sieve', number>> {
  const next = zipfSource(keys, SKEW, seed)
  const missed = { lru: 0, sieve: 0 }
  storeReads = 0
  for (let count = 0; count < reads; count++) {
    const key = keyText(next())
    await map.get(key)
    missed.lru += isMiss(caches.lru, key)
    missed.sieve += isMiss(caches.sieve, key)
  }
  const percent = (misses: number) => (100 * (reads - misses)) / reads
  return { ours: percent(storeReads), lru: percent(missed.lru), sieve: percent(missed.sieve) }
}

function isMiss(cache: BoundedCache, key: string): number {
  if (cache.get(key) !== undefined) return 0
  cache.set(key, VALUE)
  return 1
}

/** All entries are of one size, so what one takes tells how many fit. */
async function measureEntry(): Promise<number> {
  const sample = await openMemory(128 << 20, 'sample')
  await fill(sample.map<string>('bench'), 1000)
  const { bytes, entries } = sample.status().tier
  await sample.close()
  return bytes / entries
}

function openMemory(tierBytesMax: number, name: string): Promise<AgentMemory> {
  const store: StoreOpener = {
    kind: 'in-memory',
    async open() {
      const opened = new InMemoryStore()
      const get = opened.get.bind(opened)
      opened.get = key => {
        storeReads += 1
        return get(key)
      }
      return opened
    },
  }
  return AgentMemory.open(join(task.folder, name), { store, tierBytesMax })
}

async function fill(map: { set(key: string, value: string): Promise<unknown> }, count: number): Promise<void> {
  for (let from = 0; from < count; from += 1000) {
    await Promise.all(
      Array.from({ length: Math.min(1000, count - from) }, (_, each) => map.set(keyText(from + each), VALUE)),
    )
  }
}

function keyText(number: number): string {
  return `key:${String(number).padStart(8, '0')}`
}
