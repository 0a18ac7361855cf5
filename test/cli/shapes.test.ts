// The command on memories with sequences, conversations and preferences.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeSegments } from '../../src/core/key.js'
import { AgentMemory } from '../../src/index.js'
import { openLevelStore } from '../../src/stores/level/level.js'
import { command, jsonOf, newPath } from './helpers.js'

async function makeMemory(folder: string): Promise<void> {
  const memory = await AgentMemory.open(folder)
  await memory.sequence<number>('events').append(1, 2, 3)
  await memory.scope('acme').conversations<object>().append('chat-1', { id: 'm1', content: 'Hello' })
  await memory.preferences<string>().set('u1', 'language', 'zh-CN')
  await memory.close()
}

test('a damaged entry of a conversation is told by what leads its key, and its message comes back from the log', async t => {
  const folder = newPath(t)
  await makeMemory(folder)
  const segments = ['', 'conversations', 'names', '1', 'acme', 'chat-1', 'm1']
  const store = await openLevelStore(join(folder, 'store'))
  const key = encodeSegments(segments)
  const bytes = (await store.get(key))!
  bytes[bytes.length - 1]! ^= 0x01
  await store.apply([{ key, value: bytes }], await store.mark())
  await store.close()

  const { code, json } = await jsonOf('verify', folder)

  assert.equal(code, 1)
  assert.deepEqual(json.problems[0]?.key, segments)
  const { stdout } = await command('verify', folder)
  assert.ok(stdout.includes('["","conversations","names","1","acme","chat-1","m1"]'), stdout)
})

test('a repaired copy has all shapes as they were, and they go on there', async t => {
  const folder = newPath(t)
  const copy = newPath(t, 'copy')
  await makeMemory(folder)
  const { code, stderr } = await command('repair', folder, '--to', copy, '--yes')
  assert.equal(code, 0, stderr)

  const memory = await AgentMemory.open(copy)
  const conversations = memory.scope('acme').conversations<object>()
  assert.deepEqual((await memory.sequence<number>('events').append(4)).positions, [3])
  assert.deepEqual(
    (await memory.sequence('events').tail()).map(({ value }) => value),
    [1, 2, 3, 4],
  )
  const before = (await conversations.history('chat-1'))[0]!.position
  assert.equal((await conversations.append('chat-1', { id: 'm1' })).messages[0]!.isNew, false)
  await conversations.delete('chat-1')
  assert.ok((await conversations.append('chat-1', { id: 'm1' })).messages[0]!.position > before)
  assert.deepEqual(await memory.preferences().all('u1'), { language: 'zh-CN' })
  await memory.close()
})
