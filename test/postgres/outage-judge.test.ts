/** The judge of `prove outage`, given what nobody should ever see: each is told, and what is right is not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge, type Seen } from '../../prove/outage-judge.js'
import { lanesOf, SLOTS, textOfWrite } from '../../prove/outage-lanes.js'

const WRITERS = 2
const LAST = 100
const [BACK, AHEAD, THROUGH] = [0, 2, 4]

/** Lanes that have written up to LAST and lost nothing: number n of lane l has LSN 6 n + l. */
function whole(): Seen {
  const lanes = lanesOf(WRITERS)
  const lsnOf = (index: number, lane: number) => index * lanes.length + lane
  return {
    lanes,
    tally: {
      acknowledged: lanes.map((_, lane) => ({ index: LAST, lsn: lsnOf(LAST, lane) })),
      stored: 150,
      behind: 50,
      kept: 50,
      notKept: 0,
      storeReads: 10,
      storeReadsRefused: 10,
      wrongReads: 0,
      overrunMs: 0,
    },
    found: lanes.map((_, lane) =>
      Array.from({ length: SLOTS }, (_, slot) => {
        const index = LAST - ((LAST - slot) % SLOTS)
        return { value: textOfWrite(index), lsn: lsnOf(index, lane) }
      }),
    ),
    beforeKill: undefined,
    during: {
      writes: { 'write-back': 100, 'write-ahead': 100, 'write-through': 0 },
      stored: 0,
      storeReads: 0,
      isLong: true,
    },
  }
}

/** The same, whose process was killed, and `count` writes of a lane are gone. */
function killed(
  lane: number,
  count: number,
  { told = 0, writes = LAST }: { told?: number; writes?: number } = {},
): Seen {
  const seen = whole()
  const acknowledged = seen.tally.acknowledged.map((each, at) => (at === lane ? { ...each, index: writes } : each))
  const kept = writes - count
  const found = seen.found.map((slots, at) =>
    at !== lane
      ? slots
      : slots.map((_, slot) => {
          const index = kept - ((kept - slot + SLOTS) % SLOTS)
          return index <= 0 ? undefined : { value: textOfWrite(index), lsn: index }
        }),
  )
  // Nothing of anybody is later than what is lost.
  acknowledged[lane]!.lsn = 10 ** 9
  const beforeKill = [{ ms: told, acknowledged }]
  return { ...seen, tally: { ...seen.tally, acknowledged }, found, beforeKill }
}

function brokenOf(change: (seen: Seen) => void): string {
  const seen = whole()
  change(seen)
  return judge(seen).broken.join('\n')
}

test('where nothing is missing, nothing is broken', () => {
  assert.deepEqual(judge(whole()), { lost: 0, lostWithinBound: 0, broken: [] })
})

for (const lane of [BACK, AHEAD, THROUGH]) {
  test(`the last acknowledged write of lane ${lane} is missed`, () => {
    const seen = whole()
    const slots = seen.found[lane] as (typeof seen.found)[number][number][]
    slots[LAST % SLOTS] = undefined

    const { lost, broken } = judge(seen)

    // The write before it in that slot, which it had replaced, is not there either.
    assert.ok(lost >= 1)
    assert.match(broken.join('\n'), new RegExp(`lane ${lane} .*1 lost, up to number 100`))
  })
}

test('a write on the way that is missing, or one that an older one has come over, breaks the order', () => {
  const older = brokenOf(({ found }) => Object.assign(found[AHEAD]![7]!, { value: textOfWrite(7) }))
  assert.match(older, /order: slot 7 has 7, and number 100/)
  const strange = brokenOf(({ found }) => Object.assign(found[AHEAD]![7]!, { value: '71 of somebody else' }))
  assert.match(strange, /order: slot 7 has what nobody has written/)
})

test('a killed process may lose its last write-backs, and no other write', () => {
  assert.deepEqual(judge(killed(BACK, 5)), { lost: 0, lostWithinBound: 5, broken: [] })
  assert.match(judge(killed(AHEAD, 5)).broken.join('\n'), /lane 2 \(write-ahead\): 5 lost/)
  assert.match(judge(killed(THROUGH, 1)).broken.join('\n'), /lane 4 \(write-through\): 1 lost/)
})

test('write-backs beyond the bound are missed: in their age, their number and their bytes', () => {
  assert.match(
    judge(killed(BACK, 5, { told: 1001 })).broken.join('\n'),
    /the bound: what lane 0 was told 1001 ms before/,
  )
  const many = judge(killed(BACK, 10_001, { writes: 20_000 })).broken.join('\n')
  assert.match(many, /the bound: 10001 writes/)
  assert.match(many, /the bound: 3000300 bytes/)
})

test('what is lost must be the last: nothing later of anybody may be there', () => {
  const seen = killed(BACK, 5)
  seen.tally.acknowledged[BACK]!.lsn = 1
  assert.match(judge(seen).broken.join('\n'), /order: LSN 1 is lost, and LSN \d+ is there/)
})

test('what only a store could have done while there was none is told', () => {
  assert.match(
    brokenOf(({ during }) => (during.stored = 1)),
    /1 write-throughs were acknowledged by a store/,
  )
  assert.match(
    brokenOf(({ during }) => (during.storeReads = 1)),
    /1 reads were answered by a store/,
  )
})

test('a write-through that nobody was told of, a fate that was a lie, and writers that stood still are told', () => {
  assert.match(
    brokenOf(({ tally }) => (tally.behind = 0)),
    /no write-through was told/,
  )
  assert.match(
    brokenOf(({ tally }) => (tally.notKept = 2)),
    /2 writes .* were not kept/,
  )
  assert.match(
    brokenOf(({ tally }) => (tally.wrongReads = 3)),
    /3 reads have not given/,
  )
  assert.match(
    brokenOf(({ during }) => (during.writes['write-ahead'] = 0)),
    /write-ahead stood still/,
  )
})
