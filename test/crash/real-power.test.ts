import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveRealPower } from '../../prove/real-power.js'
import { Shim } from '../../prove/shim.js'

const SEED = 7
const STATES = 100
const skip = Shim.build().notRun ?? false

test('whatever a power cut leaves of the files of a real process, every promise is kept', { skip }, async () => {
  const { failures, counts } = await proveRealPower({ states: STATES, seed: SEED })

  assert.deepEqual(failures, [], `seed ${SEED}`)
  assert.ok(counts['different disks']! >= STATES, `${counts['different disks']} disks`)
  assert.ok(counts['file calls']! > 0 && counts.acknowledged! > 0, JSON.stringify(counts))
})

test('syncs that lie are found: the laboratory sees what is lost', { skip }, async () => {
  const { failures } = await proveRealPower({ states: STATES, seed: SEED, isLying: true })

  assert.ok(
    failures.some(({ what }) => what.includes('acknowledged, and gone')),
    `nothing acknowledged was lost with seed ${SEED}`,
  )
})
