import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveKill } from '../../prove/kill.js'

const SEED = 7
const LIVES = 10

test('processes that are killed while they write break no promise', async () => {
  const { failures, lives, acknowledged, killedWriting } = await proveKill({ lives: LIVES, seed: SEED })

  assert.deepEqual(failures, [], `seed ${SEED}`)
  assert.equal(lives, LIVES)
  assert.ok(acknowledged > 0 && killedWriting > 0, `${acknowledged} acknowledged, ${killedWriting} killed writing`)
})
