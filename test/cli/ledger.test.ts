// The judge of the kill harness: what lives were told, and what the next one finds.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ledger } from '../../src/cli/doctor/ledger.js'
import { type FoundEntry, KEYS, keyOf, textBytes } from '../../src/cli/doctor/shape.js'

const BOUND = { ms: 100, writes: 3, bytes: 100_000 }

/** What there must be after `newest` writes, of which life 0 made those before `from1` and life 1 the others. */
function prefix(newest: number, from1 = Number.POSITIVE_INFINITY): FoundEntry[] {
  const entries: FoundEntry[] = []
  for (let serial = Math.max(1, newest - KEYS + 1); serial <= newest; serial++) {
    entries.push({ key: keyOf(serial), serial, life: serial < from1 ? 0 : 1, isIntact: true })
  }
  return entries
}

/** A ledger of a first life that found nothing and was told of some writes. */
function afterFirstLife(newest: number, durability: 'write-back' | 'write-ahead'): Ledger {
  const ledger = new Ledger(BOUND)
  ledger.found([], 0)
  for (let serial = 1; serial <= newest; serial++) {
    ledger.acknowledged({ serial, durability, reached: durability === 'write-back' ? 'tier' : 'log' })
  }
  return ledger
}

test('a prefix that holds what was acknowledged breaks nothing, also with unanswered writes behind', () => {
  const ledger = afterFirstLife(100, 'write-ahead')
  ledger.found(prefix(103), 1)
  assert.deepEqual(ledger.broken, [])
  assert.deepEqual(ledger.tallies['write-ahead'], { acknowledged: 100, lost: 0 })
})

test('write-back may be lost within its bound, and its numbers are written anew by the next life', () => {
  const ledger = afterFirstLife(100, 'write-back')
  ledger.found(prefix(97), 1)
  ledger.acknowledged({ serial: 98, durability: 'write-through', reached: 'store' })
  ledger.found(prefix(98, 98), 2)
  assert.deepEqual(ledger.broken, [])
  assert.equal(ledger.tallies['write-back'].lost, 3)
  assert.equal(ledger.lostAtOnceMax, 3)
})

const BREACHES: [what: string, found: FoundEntry[], expected: RegExp][] = [
  ['a lost write-ahead', prefix(99), /write 100 was acknowledged by the log, and life 1 has not found it/],
  ['an entry that is missing', prefix(100).slice(1), /life 1 has found nothing where write 40 of life 0 must be/],
  ['an entry of another life', replaced(60, { life: 7 }), /found write 60 of life 7 where write 60 of life 0 must be/],
  ['an old value of a key', replaced(100, { serial: 39 }), /write 100 was acknowledged/],
  [
    'an old value of another key',
    replaced(99, { serial: 38 }),
    /found write 38 of life 0 where write 99 of life 0 must/,
  ],
  ['a damaged value', replaced(70, { isIntact: false }), /found write 70 of life 0, damaged, where/],
  ['a key that nobody wrote', [...prefix(100), { ...prefix(1)[0]!, key: 'stranger' }], /found stranger, which nobody/],
]

for (const [what, found, expected] of BREACHES) {
  test(`a broken promise is told: ${what}`, () => {
    const ledger = afterFirstLife(100, 'write-ahead')
    ledger.found(found, 1)
    assert.match(ledger.broken.join('; '), expected)
  })
}

test('a broken promise is told: more write-back lost than the bound', () => {
  const ledger = afterFirstLife(100, 'write-back')
  ledger.found(prefix(96), 1)
  assert.match(ledger.broken.join('; '), /a kill has lost 4 writes .*, more than the bound/)
})

test('a broken promise is told: more bytes of write-back lost than the bound', () => {
  const ledger = new Ledger({ ...BOUND, bytes: textBytes(1, 0) - 1 })
  ledger.found([], 0)
  ledger.acknowledged({ serial: 1, durability: 'write-back', reached: 'tier' })
  ledger.found([], 1)
  assert.match(ledger.broken.join('; '), /more than the bound/)
})

test('a broken promise is told: what one life has found is gone for the next', () => {
  const ledger = afterFirstLife(100, 'write-ahead')
  ledger.found(prefix(102), 1)
  ledger.found(prefix(101), 2)
  assert.match(ledger.broken.join('; '), /life 2 has found 101 writes; an earlier one had found 102/)
})

test('a broken promise is told: an acknowledgement before the write has reached what was asked for', () => {
  const ledger = new Ledger(BOUND)
  ledger.found([], 0)
  ledger.acknowledged({ serial: 1, durability: 'write-through', reached: 'log' })
  assert.match(ledger.broken.join('; '), /asked for write-through and was acknowledged when it had reached the log/)
})

test('a write that a kill has lost does not come back under the name of the life that lost it', () => {
  const ledger = afterFirstLife(100, 'write-back')
  ledger.found(prefix(97), 1)
  ledger.found(prefix(98), 2)
  assert.match(ledger.broken.join('; '), /found write 98 of life 0 where write 98 of life 1 must be/)
})

function replaced(serial: number, by: Partial<FoundEntry>): FoundEntry[] {
  return prefix(100).map(entry => (entry.serial === serial ? { ...entry, ...by } : entry))
}
