/** The random case of the store suite: whatever is done to the store is done to a Map too, and both must agree. */
import assert from 'node:assert/strict'
import { type EncodedKey, encodeKey } from '../core/key.js'
import type { Change, Page, StoredEntry } from '../stores/data-store.js'
import { type Random, randomBelow, seededRandom } from './random.js'
import { END, markAt, pageOf, type StoreCase, type StoreUnderTest, sorted } from './store-suite-cases.js'

const STEPS = 400
/** Few of them, so that keys are met again, and ones that sort next to one another. */
const SEGMENTS = ['', 'a', 'b', 'ab', 'a\0', 'ä', '\x7f', '日', 'user', 'user-1', '\x01']

type Model = Map<EncodedKey, Buffer>

export function modelCase(seed: number): StoreCase {
  return {
    name: `${STEPS} random steps end where a Map does (seed ${seed})`,
    body: under => runModel(under, seededRandom(seed)),
  }
}

async function runModel(under: StoreUnderTest, random: Random): Promise<void> {
  const model: Model = new Map()
  let lsn = 0
  for (let step = 0; step < STEPS; step++) {
    const choice = randomBelow(random, 20)
    if (choice < 9) {
      const changes = randomChanges(random)
      lsn += changes.length + randomBelow(random, 3)
      await under.store.apply(changes, markAt(lsn))
      applyToModel(model, changes)
    } else if (choice < 17) {
      const page = randomPage(random)
      assert.deepEqual(await under.store.page(page), modelPage(model, page), `step ${step}: ${JSON.stringify(page)}`)
    } else if (choice < 19) {
      const keys = Array.from({ length: randomBelow(random, 8) }, () => randomKey(random))
      assert.deepEqual(
        await under.store.getMany(keys),
        keys.map(key => model.get(key)),
        `step ${step}`,
      )
    } else {
      await under.reopen()
    }
  }
  assert.deepEqual(await under.store.page(pageOf()), modelPage(model, pageOf()))
  assert.deepEqual(await under.store.mark(), markAt(lsn))
}

function randomKey(random: Random): EncodedKey {
  return encodeKey(
    Array.from({ length: 1 + randomBelow(random, 3) }, () => SEGMENTS[randomBelow(random, SEGMENTS.length)]!),
  )
}

function randomChanges(random: Random): Change[] {
  const newest = new Map<EncodedKey, Change>()
  for (let count = randomBelow(random, 40); count > 0; count--) {
    const key = randomKey(random)
    const value = random() < 0.3 ? undefined : Buffer.alloc(randomBelow(random, 2000), `${random()}`)
    newest.set(key, { key, value })
  }
  return sorted([...newest.values()])
}

function randomPage(random: Random): Page {
  // Cut off at random, an end is often no key at all.
  const end = () => randomKey(random).slice(0, randomBelow(random, 6))
  return {
    from: end(),
    to: random() < 0.3 ? END : end(),
    reverse: random() < 0.5,
    limit: random() < 0.5 ? 1000 : 1 + randomBelow(random, 10),
  }
}

function applyToModel(model: Model, changes: Change[]): void {
  for (const { key, value } of changes) {
    if (value === undefined) model.delete(key)
    else model.set(key, value)
  }
}

function modelPage(model: Model, { from, to, reverse, limit }: Page): StoredEntry[] {
  const keys = [...model.keys()].filter(key => key >= from && key < to).sort()
  if (reverse) keys.reverse()
  return keys.slice(0, limit).map(key => ({ key, value: model.get(key)! }))
}
