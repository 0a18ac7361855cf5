import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../src/testing/random.js'
import { Entry, EntryState, entryCost } from '../../src/tier/entry.js'
import { Tier } from '../../src/tier/tier.js'

const VALUE = 'v'.repeat(100)

test('SIEVE keeps what is asked for: at least 44 % of hits with room for 1 % of the keys, 66 % with 10 %', t => {
  for (const [share, atLeast] of [
    [0.01, 0.44],
    [0.1, 0.66],
  ] as const) {
    const ratio = hitRatio({ keys: 100_000, share, requests: 2_000_000, seed: 11 })
    t.diagnostic(`room for ${share * 100} %: ${(ratio * 100).toFixed(1)} % hits`)
    assert.ok(ratio >= atLeast, `${ratio} with room for ${share}`)
  }
})

test('clean entries stay within the budget, and a value larger than all of it is not kept', () => {
  const tier = new Tier(5 * entryCost('k0', VALUE))
  for (let index = 0; index < 100; index++) {
    tier.fill(`k${index % 10}`, index, 1, VALUE)
    assert.ok(tier.bytes <= 5 * entryCost('k0', VALUE))
  }
  assert.equal(tier.entryCount, 5)

  tier.fill('huge', 101, 1, 'x'.repeat(1_000_000))

  assert.ok(tier.bytes <= 5 * entryCost('k0', VALUE))
})

test('I3: what exists nowhere else is never evicted, however small the tier', () => {
  const tier = new Tier(0)
  for (let index = 0; index < 500; index++) tier.accept(`k${index}`, index + 1, 1, VALUE)

  const framed = tier.takeDirty()
  for (let index = 500; index < 600; index++) tier.accept(`k${index}`, index + 1, 1, VALUE)

  for (let index = 0; index < 600; index++) assert.equal(tier.get(`k${index}`)?.value, VALUE)
  assert.equal(framed.length, 500)
  assert.equal(tier.dirtyCount, 100)
})

test('once a frame is synced the budget is held again, though nothing more is written', () => {
  const tier = new Tier(2 * entryCost('k0', VALUE))
  for (let index = 0; index < 300; index++) tier.accept(`k${index}`, index + 1, 1, VALUE)

  tier.synced(tier.takeDirty(), 300)

  assert.ok(tier.bytes <= 2 * entryCost('k0', VALUE), `${tier.bytes} bytes`)
})

test('what the log has may lose its value, and never its place', () => {
  const tier = new Tier(0)
  const entry = tier.accept('a', 1, 1, VALUE)
  tier.accept('gone', 2, 0, undefined)
  for (const each of tier.takeDirty()) each.framePosition = 4096
  tier.synced([entry, tier.get('gone')!], 2)
  for (let index = 0; index < 10; index++) tier.accept(`b${index}`, 3 + index, 1, VALUE)

  const held = tier.get('a')!
  assert.equal(held.isHeld, false)
  assert.equal(held.framePosition, 4096)
  assert.equal(held.state, EntryState.pending)
  assert.equal(tier.get('gone')!.isHeld, true)
  assert.deepEqual(
    tier.unstoredIn({ from: 'a', to: 'b', reverse: false }, 10).map(each => each.key),
    ['a'],
  )

  tier.refill(held, 1, VALUE)
  assert.equal(tier.get('a')!.lsn, 1)
  tier.stored([held, tier.get('gone')!], 2)
  assert.equal(tier.get('gone'), undefined)
})

test('a value read from the store never replaces what was accepted meanwhile', () => {
  const tier = new Tier(1 << 20)
  tier.accept('a', 5, 1, 'new')
  tier.fill('a', 2, 1, 'old')
  assert.equal(tier.get('a')?.value, 'new')

  const entry = tier.get('a')!
  tier.accept('a', 6, 1, 'newer')
  tier.refill(entry, 5, 'new')
  assert.equal(tier.get('a')?.value, 'newer')
  tier.refill(new Entry('a', 6, 1, undefined, 0, EntryState.pending), 6, 'x')
  assert.equal(tier.get('a')?.value, 'newer')
})

test('a frame that is synced or stored says nothing of a write that superseded its entry', () => {
  const tier = new Tier(1 << 20)
  tier.accept('a', 1, 1, 'one')
  const first = tier.takeDirty()
  tier.accept('a', 2, 1, 'two')
  tier.synced(first, 1)
  tier.stored(first, 1)

  assert.equal(tier.get('a')?.state, EntryState.dirty)
  assert.equal(tier.dirtyCount, 1)
  assert.equal(tier.unstoredCount, 1)

  const second = tier.takeDirty()
  tier.stored(first, 1)
  tier.synced(second, 2)
  tier.stored(second, 2)
  assert.equal(tier.get('a')?.state, EntryState.clean)
  assert.equal(tier.unstoredCount, 0)
})

test('whatever happens, dirty counts, unstored counts and bytes add up, and nothing that is needed is lost', () => {
  const keys = ['a', 'b', 'c', 'd']
  const step = fc.record({
    kind: fc.constantFrom('set', 'delete', 'frame', 'sync', 'fail', 'store', 'fill', 'read'),
    key: fc.constantFrom(...keys),
    size: fc.nat(300),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.nat(3), (steps, room) => {
      const tier = new Tier(room * 400)
      const latest = new Map<string, { lsn: number; value: string | undefined; where: 'ram' | 'log' | 'store' }>()
      const log: { entries: Entry[]; lastLsn: number }[] = []
      let inFlight: { entries: Entry[]; lastLsn: number } | undefined
      let lsn = 0
      for (const { kind, key, size } of steps) {
        if (kind === 'set' || kind === 'delete') {
          const value = kind === 'set' ? 'x'.repeat(size) : undefined
          tier.accept(key, ++lsn, 1, value)
          latest.set(key, { lsn, value, where: 'ram' })
        } else if (kind === 'frame') inFlight ??= { entries: tier.takeDirty(), lastLsn: lsn }
        else if (kind === 'sync' && inFlight !== undefined) {
          tier.synced(inFlight.entries, inFlight.lastLsn)
          for (const each of latest.values()) {
            if (each.lsn <= inFlight.lastLsn && each.where === 'ram') each.where = 'log'
          }
          log.push(inFlight)
          inFlight = undefined
        } else if (kind === 'fail' && inFlight !== undefined) {
          tier.unframe(inFlight.entries)
          inFlight = undefined
        } else if (kind === 'store' && log.length > 0) {
          const { entries, lastLsn } = log.shift()!
          tier.stored(entries, lastLsn)
          for (const each of latest.values()) if (each.lsn <= lastLsn) each.where = 'store'
        } else if (kind === 'fill') {
          const known = latest.get(key)
          if (known?.where === 'store' && known.value !== undefined) tier.fill(key, known.lsn, 1, known.value)
        } else tier.get(key)
        check(tier, latest)
      }
    }),
    { numRuns: 2000 },
  )
})

function check(tier: Tier, latest: Map<string, { lsn: number; value: string | undefined; where: string }>): void {
  let unstored = 0
  for (const [key, { lsn, value, where }] of latest) {
    const entry = tier.get(key)
    if (where !== 'store') {
      unstored += 1
      assert.ok(entry !== undefined, 'an entry that the store lacks keeps its place')
    }
    if (where === 'ram') assert.equal(entry!.value, value)
    if (entry === undefined) continue
    assert.equal(entry.lsn, lsn)
    if (entry.isHeld) assert.equal(entry.value, value)
  }
  assert.equal(tier.unstoredCount, unstored)
  const listed = tier.unstoredIn({ from: '', to: '\xff', reverse: false }, 100)
  assert.equal(listed.length, unstored)
  let bytes = 0
  for (const key of latest.keys()) {
    const entry = tier.get(key)
    if (entry?.isListed) bytes += entryCost(key, entry.value)
  }
  assert.equal(tier.bytes, bytes)
}

/** Reads that fill on a miss, with Zipf's law over the keys. */
function hitRatio(options: { keys: number; share: number; requests: number; seed: number }): number {
  const { keys, share, requests, seed } = options
  const random = seededRandom(seed)
  const cumulative = new Float64Array(keys)
  let total = 0
  for (let rank = 0; rank < keys; rank++) {
    total += 1 / (rank + 1) ** 0.9
    cumulative[rank] = total
  }
  const name = (rank: number) => `key-${rank.toString().padStart(6, '0')}`
  const tier = new Tier(Math.floor(keys * share) * entryCost(name(0), VALUE))
  let hits = 0
  for (let request = 0; request < requests; request++) {
    const key = name(rankOf(cumulative, random() * total))
    if (tier.get(key) === undefined) tier.fill(key, 1, 1, VALUE)
    else hits += 1
  }
  return hits / requests
}

function rankOf(cumulative: Float64Array, point: number): number {
  let low = 0
  let high = cumulative.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (cumulative[middle]! < point) low = middle + 1
    else high = middle
  }
  return low
}
