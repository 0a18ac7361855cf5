/**
 * Generations: all that a head leads to has the head's generation before its key. One that no head leads to any more is
 * doomed first, in one batch with the head, and then cleared. One that is being filled is doomed until its head is there.
 * What a crash leaves of either is cleared on the next first use.
 */
import { randomBytes } from 'node:crypto'
import { WrongCallError } from '../../index.js'
import { type Home, headEntry, headOf } from './home.js'
import { DOOMED, doomedKey, EXPIRING, expiringKey, headKey, type MapKey } from './keys.js'

const BATCH_KEYS = 1000
/** Before others of a shared store clear what a node has begun to fill. */
const FILLING_MS_MAX = 3_600_000
/** New threads after which those that have expired are looked for. */
const SWEEP_THREADS = 256

// The doom is on the way to the disk before what follows from it, which may be as lazy as can be.
const LAZILY = { durability: 'write-back' } as const

export async function clearGeneration(home: Home, generation: string): Promise<void> {
  const { map, memory, shared } = home
  shared.busy.add(generation)
  try {
    let keys: MapKey[] = []
    const deleteKeys = () =>
      memory.batch(batch => {
        for (const key of keys) batch.delete(map, key)
      }, LAZILY)
    for await (const { key } of map.entries({ prefix: [generation], pageSize: BATCH_KEYS })) {
      keys.push(key)
      if (keys.length < BATCH_KEYS) continue
      await deleteKeys()
      keys = []
    }
    keys.push(expiringKey(generation), doomedKey(generation))
    await deleteKeys()
  } finally {
    shared.busy.delete(generation)
  }
}

/** Clears what crashes have left, and threads that have expired: on first use, and once many threads have been made. */
export function sweepIfDue(home: Home): void {
  const { shared } = home
  const isDue = shared.sweep === undefined || shared.made >= SWEEP_THREADS
  if (!isDue) return
  shared.made = 0
  // What it does not come to is still there for the next one, also if the memory is closed meanwhile.
  shared.sweep = Promise.resolve(shared.sweep)
    .then(() => sweep(home))
    .catch(() => {})
}

async function sweep(home: Home): Promise<void> {
  const { map, shared } = home
  for await (const { key, value } of map.entries({ prefix: DOOMED })) {
    const [at, isFilling] = value as readonly [number, boolean?]
    const generation = key[1]!
    const mayBeAnothers = isFilling === true && !map.engine.hasOneOrder && map.engine.now() - at < FILLING_MS_MAX
    if (!shared.busy.has(generation) && !mayBeAnothers) await clearGeneration(home, generation)
  }
  if (home.ttlMs === undefined) return
  for await (const { key, value } of map.entries({ prefix: EXPIRING })) {
    const generation = key[1]!
    const [threadId] = value as readonly [string]
    const head = await map.get(headKey(threadId))
    if (head !== undefined && headOf(head, 0).generation === generation) continue
    if (!shared.busy.has(generation)) await clearGeneration(home, generation)
  }
}

/** Copies all of a thread to another one, which must not be there. In the turns of both. */
export async function copy(home: Home, from: string, to: string): Promise<void> {
  const { map, shared } = home
  const generation = randomBytes(8).toString('base64url')
  shared.busy.add(generation)
  try {
    const source = await map.getEntry(headKey(from), { fresh: true })
    if (source === undefined) throw noThread(from)
    if (await map.has(headKey(to))) throw isThere(to)
    const head = headOf(source.value, source.version)
    await map.set(doomedKey(generation), [map.engine.now(), true])
    let entries: (readonly [MapKey, unknown])[] = []
    for await (const { key, value } of map.entries({ prefix: [head.generation] })) {
      entries.push([[generation, ...key.slice(1)], value])
      if (entries.length < BATCH_KEYS) continue
      await map.setMany(entries, LAZILY)
      entries = []
    }
    if (entries.length > 0) await map.setMany(entries, LAZILY)
    const { result } = await home.accept(batch => {
      const expiry = home.ttlMs === undefined ? {} : { ttlMs: home.ttlMs }
      batch.set(map, headKey(to), headEntry(to, { ...head, generation }, map.engine.now()), {
        ...expiry,
        expected: null,
      })
      if (home.ttlMs !== undefined) batch.set(map, expiringKey(generation), [to])
      batch.delete(map, doomedKey(generation))
      // Where others write, too: what was copied is the thread only if it is what it was.
      if (!map.engine.hasOneOrder) batch.set(map, headKey(from), source.value, { ...expiry, expected: source.version })
    })
    await result
  } catch (error) {
    // Whatever was copied goes; a crash here leaves it to the sweep.
    await clearGeneration(home, generation).catch(() => {})
    throw error
  } finally {
    shared.busy.delete(generation)
  }
}

function noThread(threadId: string): WrongCallError {
  return new WrongCallError('INVALID_ARGUMENT', {
    message: `copyThread was given the thread ${JSON.stringify(threadId.slice(0, 60))}, which has no checkpoint`,
    next: 'Give the id of a thread that has one: listThreads() has them all',
  })
}

function isThere(threadId: string): WrongCallError {
  return new WrongCallError('INVALID_ARGUMENT', {
    message: `copyThread was asked to copy to the thread ${JSON.stringify(threadId.slice(0, 60))}, which is there already`,
    next: 'Give the id of a new thread, or delete that one first with deleteThread',
  })
}
