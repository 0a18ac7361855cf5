import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { MUTANTS } from '../../prove/mutants/all.js'
import { withMutant } from '../../prove/mutants/copy.js'
import { listOption } from '../../prove/options.js'
import type { PowerOptions, provePower } from '../../prove/power.js'
import { inThread } from '../in-thread.js'

const SEED = 7
const STATES = 1500

/** What `prove power` of a folder of compiled code finds. */
const proved = (folder: URL, options: PowerOptions) =>
  inThread<typeof provePower>(new URL('prove/power.js', folder), 'provePower', options)
const BUILT = new URL('../../', import.meta.url)

test('whatever a power cut leaves, every promise is kept', async () => {
  const { failures, counts } = await proved(BUILT, { states: STATES, seed: SEED, isShrunk: true })

  assert.equal(failures.map(({ what, replay }) => `${what}\n  again: ${replay}`).join('\n'), '')
  const atLeast = {
    'different disks': STATES,
    'of them crashed again': STATES / 10,
    'moments at which the power was cut': 100,
    'accepted calls': 50,
  }
  for (const [what, count] of Object.entries(atLeast)) assert.ok(counts[what]! >= count, `${counts[what]} ${what}`)
})

test('over a store that refuses rows, whatever a power cut leaves, every promise is kept', async () => {
  const { failures, counts } = await proved(BUILT, { states: STATES / 3, seed: SEED, store: 'refusing' })

  assert.equal(failures.map(({ what, replay }) => `${what}\n  again: ${replay}`).join('\n'), '')
  assert.ok(counts['different disks']! >= STATES / 3, JSON.stringify(counts))
})

test('a failure is told with the fewest steps that show it, and they show it again', async () => {
  const { name, mutant } = { name: 'ack-before-sync', mutant: MUTANTS['ack-before-sync']! }
  await withMutant(name, mutant, async folder => {
    const broken = pathToFileURL(`${folder}/`)
    const { failures } = await proved(broken, { states: 3000, seed: SEED, isShrunk: true })
    const [, seed, steps, call] = /--seed (\d+) --steps (\S+) --call (\d+)$/.exec(failures[0]!.replay)!

    const again = await proved(broken, {
      states: 3000,
      seed: Number(seed),
      steps: listOption(steps!),
      call: Number(call),
    })

    assert.match(failures[0]!.what, /[12] steps are enough/)
    assert.equal(again.failures.length, 1)
    const whole = await proved(BUILT, {
      states: 3000,
      seed: Number(seed),
      steps: listOption(steps!),
      call: Number(call),
    })
    assert.deepEqual(whole.failures, [], 'it is the bug that breaks it, and not the steps')
  })
})
