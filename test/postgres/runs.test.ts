import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeSegments } from '../../src/core/key.js'
import type { Change } from '../../src/stores/data-store.js'
import { oneServer, openerOf, skip } from './helpers.js'

const server = await oneServer()

test('a run of many values, large ones and deletes among them, arrives whole in its parts', { skip }, async () => {
  const url = await server.newDatabase()
  // A busy machine may take its time.
  const store = await openerOf(url).open(true, { deadlineMs: 60_000, lockFile: '' })
  const expected = new Map<string, Buffer>()
  let lsn = 0
  const apply = async (changes: Change[]) => {
    lsn += changes.length
    changes.sort((a, b) => (a.key < b.key ? -1 : 1))
    await store.apply(changes, { appliedLsn: lsn, appliedPosition: lsn * 100 })
    for (const { key, value } of changes) value === undefined ? expected.delete(key) : expected.set(key, value)
  }
  const names = Array.from({ length: 2600 }, (_, n) => ['m', `user-${n % 40}`, `${n} é ☃ \0 "\\`])
  const bytesOf = (n: number, round: number) => Buffer.alloc(n % 900 === 0 ? 700_000 : 40 + n, `${round}·${n} `)

  await apply(names.map((name, n) => ({ key: encodeSegments(name), value: bytesOf(n, 1) })))
  await apply(
    names.flatMap((name, n) =>
      n % 3 === 0 ? [] : [{ key: encodeSegments(name), value: n % 3 === 1 ? bytesOf(n, 2) : undefined }],
    ),
  )

  const keys = names.map(name => encodeSegments(name))
  assert.deepEqual(
    await store.getMany(keys),
    keys.map(key => expected.get(key)),
  )
  const [row] = await server.query(
    `SELECT count(*)::int AS count, count(DISTINCT bucket)::int AS buckets, max(segments ->> 2) AS name,
       bool_and(map = 'm') AS mapped FROM holdfast.entries`,
    url,
  )
  assert.deepEqual(row, { count: expected.size, buckets: 40, name: row!.name, mapped: true })
  assert.match(String(row!.name), / é ☃ ␀ "\\$/)
  await store.close()
})
