// A sample of what `npm run prove -- faults` does with every file call: a real process on a real disk, whose calls fail.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveFaults } from '../../prove/faults.js'
import { PutHistory } from '../../prove/peers-judge.js'

const SEED = 1

test('whatever file call of a real process fails, nothing acknowledged is lost, and all works again after it', async t => {
  const { counts, failures, notRun } = await proveFaults({ seed: SEED, every: 43 })
  if (notRun !== undefined) return t.skip(notRun)

  assert.deepEqual(failures, [])
  assert.ok(counts.runs! >= 30, `${counts.runs} runs`)
  assert.ok(counts['befell nothing']! < counts.runs! / 4, `${counts['befell nothing']} faults befell nothing`)
  assert.ok(counts.errors! > 0 && counts.acknowledged! > 100)
})

test('an engine that ignores failed syncs is found out', async t => {
  const only = { life: 'first', fault: 'drop', mode: 'once' } as const
  const calls = { from: 70, to: 96 }
  const { failures, notRun } = await proveFaults({ seed: SEED, mutant: 'ignores-failed-syncs', only, calls })
  if (notRun !== undefined) return t.skip(notRun)

  assert.ok(failures.length > 0)
  assert.match(failures[0]!.replay, /--fault drop --mode once --call \d+ --mutant ignores-failed-syncs$/)
})

test('puts that are gone, that nobody made, and that were rejected and are there, are told apart', () => {
  const history = new PutHistory()
  for (const number of [1, 2, 3]) history.put('a', number)
  history.resolved(1)
  history.resolved(2)
  history.rejected(3)
  history.put('b', 4)
  history.resolved(4)

  assert.deepEqual(
    history.judge([
      ['a', 2],
      ['b', 4],
    ]),
    { lost: [], wrong: [], rejectedButThere: [] },
  )
  assert.deepEqual(
    history.judge([
      ['a', 3],
      ['b', 4],
    ]),
    { lost: [], wrong: [], rejectedButThere: [3] },
  )
  assert.deepEqual(
    history.judge([
      ['a', 1],
      ['b', 4],
    ]).lost,
    ['a = 2 (found: 1)'],
  )
  assert.deepEqual(history.judge([['a', 2]]).lost, ['b = 4 (found: nothing)'])
  assert.deepEqual(
    history.judge([
      ['a', 2],
      ['b', 4],
      ['c', 5],
    ]).wrong,
    ['c is 5'],
  )
})
