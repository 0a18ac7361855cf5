// The command on damaged memories: what verify finds, what repair saves and what it says is lost.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeKey } from '../../src/core/key.js'
import { AgentMemory, AgentMemoryError } from '../../src/index.js'
import { openLevelStore } from '../../src/stores/level/level.js'
import {
  command,
  contentOf,
  damage,
  flip,
  frameOfLsn,
  framesOf,
  hashesOf,
  jsonOf,
  makeMemory,
  newPath,
  SMALL_SEGMENTS,
  segmentsOf,
} from './helpers.js'
import { keyOf, writtenAt } from './owner.js'

function expected(last: number, pad = 0): Map<unknown, unknown> {
  return new Map(Array.from({ length: last }, (_, at) => [keyOf(at + 1), writtenAt(at + 1, pad)]))
}

function code(name: string): (error: unknown) => boolean {
  return error => error instanceof AgentMemoryError && error.code === name
}

test('a flipped byte in the middle: verify names the place, repair saves everything before it', async t => {
  const folder = newPath(t)
  const copy = newPath(t, 'copy')
  await makeMemory(folder, { first: 1, last: 30, ending: 'hold', checkpointAt: 10 })
  const frame = frameOfLsn(folder, 20)
  damage(frame)
  await assert.rejects(AgentMemory.open(folder), code('LOG_CORRUPT'))
  const before = hashesOf(folder)

  const verify = await jsonOf('verify', folder)
  const dry = await command('repair', folder, '--to', copy)
  const report = await jsonOf('repair', folder)
  const done = await command('repair', folder, '--to', copy, '--yes')

  assert.equal(verify.code, 1)
  assert.equal(verify.json.ok, false)
  assert.equal(verify.json.problems.length, 1)
  const [problem] = verify.json.problems
  assert.equal(problem?.code, 'LOG_CORRUPT')
  assert.equal(problem?.segment, frame.segment)
  assert.equal(problem?.offset, frame.offset)
  assert.deepEqual(problem?.lsns, { from: 20, to: 20 })
  assert.equal(dry.code, 1)
  assert.match(dry.stdout, /Lost:\n {2}Writes of LSN 20: .*\n {2}10 records in 10 readable frames behind the gap/)
  assert.deepEqual(report.json.behind.lsns, { from: 21, to: 30 })
  assert.equal(done.code, 0, done.stderr)
  assert.deepEqual(hashesOf(folder), before)
  assert.deepEqual(await contentOf(copy), expected(19))
  assert.equal((await command('verify', copy)).code, 0)
})

test('each damaged place is told, in every segment', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 60, pad: 3000, ending: 'hold', options: SMALL_SEGMENTS })
  const places = [5, 25, 59].map(lsn => frameOfLsn(folder, lsn))
  assert.equal(new Set(places.map(place => place.segment)).size, 3)
  for (const place of places) damage(place)

  const { json } = await jsonOf('verify', folder)

  const found = json.problems.map(({ segment, offset, lsns }) => ({ segment, offset, lsns }))
  const wanted = places.map(({ segment, offset, header }) => {
    return { segment, offset, lsns: { from: header.firstLsn, to: header.lastLsn } }
  })
  assert.deepEqual(found, wanted)
})

test('damage that the store does not need costs nothing', async t => {
  const folder = newPath(t)
  const copy = newPath(t, 'copy')
  await makeMemory(folder, { first: 1, last: 30, ending: 'hold', checkpointAt: 10 })
  damage(frameOfLsn(folder, 5))

  const verify = await jsonOf('verify', folder)
  const repair = await jsonOf('repair', folder, '--to', copy, '--yes')

  assert.equal(verify.code, 1)
  assert.equal(repair.code, 0)
  assert.deepEqual(repair.json.losses, [])
  assert.deepEqual(await contentOf(copy), expected(30))
})

test('a damaged frame without writes does not stop a repair', async t => {
  const folder = newPath(t)
  const copy = newPath(t, 'copy')
  await makeMemory(folder, { first: 1, last: 10, ending: 'close' })
  await makeMemory(folder, { first: 11, last: 20, ending: 'hold' })
  const close = framesOf(folder).find(({ header }) => header.records === 0)!
  // Its only copy that counts is the one in the newest segment.
  const counts = framesOf(folder)
    .filter(({ header }) => header.position === close.header.position)
    .at(-1)!
  flip(counts.path, counts.offset + 30)

  const verify = await jsonOf('verify', folder)
  const repair = await jsonOf('repair', folder, '--to', copy, '--yes')

  assert.equal(verify.json.problems.length, 1)
  assert.equal(verify.json.problems[0]?.lsns, undefined)
  assert.deepEqual(repair.json.losses, [])
  assert.deepEqual(await contentOf(copy), expected(20))
})

test('a damaged last frame is told with its LSN', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 9, ending: 'hold' })
  damage(frameOfLsn(folder, 9))

  const { code: exit, json } = await jsonOf('repair', folder)

  assert.equal(exit, 1)
  assert.deepEqual(json.problems[0]?.lsns, { from: 9, to: 9 })
  assert.equal(json.losses.length, 1)
})

test('a missing middle segment: what is before it is saved, what is behind it is counted', async t => {
  const folder = newPath(t)
  const copy = newPath(t, 'copy')
  await makeMemory(folder, { first: 1, last: 60, pad: 3000, ending: 'hold', options: SMALL_SEGMENTS })
  const segments = segmentsOf(folder)
  assert.ok(segments.length >= 4)
  const missing = framesOf(folder).filter(({ segment }) => segment === segments[1])
  rmSync(join(folder, 'log', segments[1]!))
  await assert.rejects(AgentMemory.open(folder, SMALL_SEGMENTS), code('LOG_CORRUPT'))

  const verify = await jsonOf('verify', folder)
  const repair = await jsonOf('repair', folder, '--to', copy, '--yes')

  const [from, to] = [missing[0]!.header.firstLsn, missing.at(-1)!.header.lastLsn]
  assert.equal(verify.code, 1)
  assert.deepEqual(
    verify.json.problems.map(({ segment, lsns }) => ({ segment, lsns })),
    [{ segment: segments[2], lsns: { from, to } }],
  )
  assert.deepEqual(repair.json.behind.lsns, { from: to + 1, to: 60 })
  assert.deepEqual(await contentOf(copy), expected(from - 1, 3000))
})

test('a segment whose header is lost is still read behind the damage', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 60, pad: 3000, ending: 'hold', options: SMALL_SEGMENTS })
  const [, second] = segmentsOf(folder)
  const path = join(folder, 'log', second!)
  flip(path, 20)
  const half = await jsonOf('verify', folder)
  flip(path, 2048 + 20)
  const whole = await jsonOf('verify', folder)

  assert.match(half.json.problems[0]?.message ?? '', /the copy at byte 0 is damaged; the other one is whole/)
  assert.equal(half.json.log.frames, 60)
  assert.match(whole.json.problems[0]?.message ?? '', /Both copies of the header/)
  assert.equal(whole.json.problems.length, 1)
  assert.equal(whole.json.log.frames, 60)
})

test('a missing log: the store is saved, and the rest is said to be lost', async t => {
  const folder = newPath(t)
  const copy = newPath(t, 'copy')
  await makeMemory(folder, { first: 1, last: 20, ending: 'hold', checkpointAt: 12 })
  rmSync(join(folder, 'log'), { recursive: true })

  const verify = await jsonOf('verify', folder)
  const dry = await jsonOf('repair', folder)
  const repair = await jsonOf('repair', folder, '--to', copy, '--yes')

  assert.equal(verify.code, 1)
  assert.equal(verify.json.problems[0]?.code, 'LOG_LOST')
  assert.equal(dry.code, 1)
  assert.match(repair.json.losses[0] ?? '', /only the log had/)
  assert.deepEqual(await contentOf(copy), expected(12))
})

test('a missing store whose log begins at the first write costs nothing', async t => {
  const folder = newPath(t)
  const copy = newPath(t, 'copy')
  await makeMemory(folder, { first: 1, last: 20, ending: 'hold', checkpointAt: 12 })
  rmSync(join(folder, 'store'), { recursive: true })

  const verify = await jsonOf('verify', folder)
  const repair = await jsonOf('repair', folder, '--to', copy, '--yes')

  assert.equal(verify.json.problems[0]?.code, 'STORE_LOST')
  assert.deepEqual(repair.json.losses, [])
  assert.deepEqual(await contentOf(copy), expected(20))
})

test('a store that LevelDB cannot open: the log alone is saved, which is said', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 60, pad: 3000, ending: 'close', options: SMALL_SEGMENTS })
  await makeMemory(folder, { first: 61, last: 70, pad: 3000, ending: 'hold', options: SMALL_SEGMENTS })
  writeFileSync(join(folder, 'store', 'CURRENT'), 'MANIFEST-999999\n')
  const copy = newPath(t, 'copy')

  const verify = await jsonOf('verify', folder)
  const repair = await jsonOf('repair', folder, '--to', copy, '--yes')

  assert.equal(verify.code, 1)
  assert.match(verify.json.problems[0]?.code ?? '', /^STORE_/)
  assert.ok(verify.json.problems[0]?.message.includes(join(folder, 'store')))
  assert.match(repair.json.losses[0] ?? '', /Everything that only the store had, which is up to LSN/)
  const saved = await contentOf(copy)
  for (let at = 61; at <= 70; at++) assert.deepEqual(saved.get(keyOf(at)), writtenAt(at, 3000))
})

test('a damaged stored value comes back from the log if it is there, and is lost if it is not', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 20, ending: 'close' })
  await storeGarbage(folder, 7)

  const verify = await jsonOf('verify', folder)
  const copy = newPath(t, 'copy')
  const repair = await jsonOf('repair', folder, '--to', copy, '--yes')

  assert.equal(verify.code, 1)
  assert.deepEqual(verify.json.problems[0]?.key, ['map', keyOf(7)])
  assert.equal(verify.json.problems[0]?.code, 'STORE_CORRUPT')
  assert.equal(repair.json.rescued, 1)
  assert.deepEqual(repair.json.losses, [])
  assert.deepEqual(await contentOf(copy), expected(20))
})

test('a damaged stored value that the log has let go of is lost, and only that one', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 60, pad: 3000, ending: 'close', options: SMALL_SEGMENTS })
  // Another life, so that the segments with the first writes are released.
  await makeMemory(folder, { first: 61, last: 90, pad: 3000, ending: 'close', options: SMALL_SEGMENTS })
  assert.ok(framesOf(folder)[0]!.header.firstLsn > 7)
  await storeGarbage(folder, 7)
  const before = hashesOf(folder)

  const copy = newPath(t, 'copy')
  const dry = await jsonOf('repair', folder)
  const repair = await command('repair', folder, '--to', copy, '--yes')

  assert.equal(dry.code, 1)
  assert.equal(dry.json.losses.length, 1)
  assert.match(repair.stdout, /The value of \["map","key-0007"\], which is damaged in the store/)
  assert.deepEqual(hashesOf(folder), before)
  const wanted = expected(90, 3000)
  wanted.delete(keyOf(7))
  assert.deepEqual(await contentOf(copy), wanted)
})

test('damage in the log of LevelDB, which LevelDB passes over, is found', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 60, pad: 3000, ending: 'hold', options: { durability: 'write-through' } })
  assert.equal((await command('verify', folder)).code, 0)
  const log = readdirSync(join(folder, 'store')).find(name => /^\d+\.log$/.test(name))!
  const path = join(folder, 'store', log)
  flip(path, Math.floor(statSync(path).size / 2))

  const verify = await jsonOf('verify', folder)
  const repair = await jsonOf('repair', folder)

  assert.equal(verify.code, 1)
  assert.match(verify.json.problems[0]?.message ?? '', new RegExp(`store/${log} is damaged at byte \\d+`))
  assert.ok(verify.json.store.entries < 60)
  assert.equal(repair.code, 1)
  assert.match(repair.json.losses[0] ?? '', /^Entries of the store: LevelDB's log/)
})

test('a store of another memory is refused', async t => {
  const [folder, other] = [newPath(t), newPath(t, 'other')]
  await makeMemory(folder, { first: 1, last: 5, ending: 'close' })
  await makeMemory(other, { first: 1, last: 5, ending: 'close' })
  rmSync(join(folder, 'store'), { recursive: true })
  renameSync(join(other, 'store'), join(folder, 'store'))

  assert.equal((await jsonOf('verify', folder)).json.problems[0]?.code, 'WRONG_STORE')
  const repair = await jsonOf('repair', folder)
  assert.equal(repair.code, 3)
  assert.equal(repair.json.error?.code, 'WRONG_STORE')
})

test('a memory whose store is in memory is saved from its log', async t => {
  const folder = newPath(t)
  const copy = newPath(t, 'copy')
  await makeMemory(folder, { first: 1, last: 20, ending: 'hold', options: { store: 'in-memory' } })
  damage(frameOfLsn(folder, 15))

  assert.equal((await command('verify', folder)).code, 1)
  assert.equal((await command('repair', folder, '--to', copy, '--yes')).code, 0)
  assert.deepEqual(await contentOf(copy, { store: 'in-memory' }), expected(14))
})

test('in a copy every entry keeps its version, and new ones are above all that were given out', async t => {
  const folder = newPath(t)
  const copy = newPath(t, 'copy')
  await makeMemory(folder, { first: 1, last: 20, ending: 'hold', checkpointAt: 10 })
  assert.equal((await command('repair', folder, '--to', copy, '--yes')).code, 0)

  const memory = await AgentMemory.open(copy)
  const map = memory.map('map')
  const versions = [await map.getEntry(keyOf(3)), await map.getEntry(keyOf(17))].map(entry => entry?.version)
  const { lsn } = await map.set('new', 1)
  await memory.close()

  assert.deepEqual(versions, [3, 17])
  assert.ok(lsn > 20 + 2 ** 24)
})

test('a copy does not go where something is, and an empty folder is fine', async t => {
  const folder = newPath(t)
  const [full, empty] = [newPath(t, 'full'), newPath(t, 'empty')]
  await makeMemory(folder, { first: 1, last: 5, ending: 'close' })
  for (const each of [full, empty]) mkdirSync(each)
  writeFileSync(join(full, 'file'), 'mine')

  assert.equal((await command('repair', folder, '--to', full, '--yes')).code, 2)
  assert.equal(readFileSync(join(full, 'file'), 'utf8'), 'mine')
  assert.equal((await command('repair', folder, '--to', empty, '--yes')).code, 0)
  assert.deepEqual(await contentOf(empty), expected(5))
})

async function storeGarbage(folder: string, index: number): Promise<void> {
  const store = await openLevelStore(join(folder, 'store'))
  const key = encodeKey(['map', keyOf(index)])
  const bytes = (await store.get(key))!
  bytes[bytes.length - 1]! ^= 0x01
  await store.apply([{ key, value: bytes }], await store.mark())
  await store.close()
}
