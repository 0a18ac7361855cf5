import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBelow, seededRandom } from '../../src/testing/random.js'
import { freshFolder } from '../api/temporary-folder.js'
import { type Answered, type AppendsReport, KEEP_LAST, MAX_LOSS_WRITES } from './appends-child.js'
import { killedLife } from './killed-life.js'

const SEED = 11
const LIVES = 8

test('of appends in the middle of which a process was killed a gapless prefix is there, with all that was promised', async () => {
  const folder = await freshFolder()
  const random = seededRandom(SEED)
  let answered: Answered[] = []
  let killed = 0
  for (let life = 0; life < LIVES; life++) {
    const answers = 20 + randomBelow(random, 400)
    let count = 0
    const { reports, wasKilled } = await killedLife<AppendsReport>(
      'appends-child',
      [folder, `${SEED + life}`],
      report => {
        if ('last' in report) count += 1
        return count >= answers
      },
    )
    killed += wasKilled ? 1 : 0
    const [first, ...rest] = reports
    assert.ok(first !== undefined && 'found' in first, `life ${life}`)
    for (const [index, { first: from, next, values }] of first.found.entries()) {
      const what = `seed ${SEED}, life ${life}, sequence ${index}`
      const length = index === 0 ? next : Math.min(next, KEEP_LAST)
      assert.deepEqual(
        values,
        Array.from({ length }, (_, n) => next - length + n),
        what,
      )
      assert.equal(from, next - length, what)
      const lost = answered.filter(each => (each.last[index] ?? -1) >= next)
      assert.deepEqual(
        lost.filter(({ reached }) => reached !== 'tier'),
        [],
        what,
      )
      assert.ok(lost.length <= MAX_LOSS_WRITES, `${what}: ${lost.length} acknowledged appends are lost`)
    }
    answered = rest.filter(report => 'last' in report)
  }
  assert.equal(killed, LIVES)
})
