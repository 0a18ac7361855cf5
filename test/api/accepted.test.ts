// When a batch is accepted: `onAccepted` of `memory.batch`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshMemory } from './temporary-folder.js'

test('a batch says when it is accepted, which is before it is durable', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m')
  const sequence = memory.sequence<number>('s')
  const told: string[] = []
  const onAccepted = () => told.push('accepted')
  const plain = memory.batch(batch => batch.set(map, 'a', 1), { onAccepted }).then(() => told.push('durable'))
  assert.deepEqual(told, ['accepted'])
  await plain
  assert.deepEqual(told, ['accepted', 'durable'])
  await memory.batch(batch => batch.append(sequence, 1).set(map, 'b', 2), { onAccepted })
  assert.equal(told.length, 3)
})

test('a batch that is refused is not accepted', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m')
  const onAccepted = () => assert.fail('it was refused')
  await map.set('a', 1)
  const late = memory.batch(batch => batch.set(map, 'a', 2, { expected: null }), { onAccepted })
  await assert.rejects(late, { code: 'VERSION_CONFLICT' })
  const wrong = memory.batch(batch => batch.set(map, 'a', 2), { onAccepted: 1 as unknown as () => void })
  await assert.rejects(wrong, { code: 'INVALID_OPTION' })
})

test('what onAccepted throws is thrown outside of the batch, which goes on', async t => {
  const memory = await freshMemory(t)
  const map = memory.map<number>('m')
  const nextTick = t.mock.method(process, 'nextTick', () => {})
  const onAccepted = () => {
    throw new Error('of the caller')
  }
  const batch = memory.batch(each => each.set(map, 'a', 1), { onAccepted })
  const [thrown] = nextTick.mock.calls.map(({ arguments: [task] }) => task as () => void)
  nextTick.mock.restore()
  await batch
  assert.equal(await map.get('a'), 1)
  assert.throws(thrown!, { message: 'of the caller' })
})
