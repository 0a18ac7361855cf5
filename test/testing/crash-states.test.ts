import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readText, writeFully } from '../../src/io/file-system.js'
import { crashStates } from '../../src/testing/crash-states.js'
import { seededRandom } from '../../src/testing/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

test('the states of a small workload are exactly those that a power cut may leave', async () => {
  const disk = new SimulatedDisk()
  const file = await disk.open('/a', 'create')
  await writeFully(file, Buffer.from('1'), 0)
  await file.sync()
  await disk.syncFolder('/')
  await writeFully(file, Buffer.from('2'), 0)
  await writeFully(file, Buffer.from('3'), 1)
  await disk.rename('/a', '/b')

  const found = new Set<string>()
  for (const state of crashStates(disk, { random: seededRandom(3), count: 1000 })) found.add(await describe(state.disk))

  const contents = ['1', '2', '1\0', '2\0', '13', '23']
  assert.deepEqual([...found].sort(), contents.flatMap(text => [`a=${text}`, `b=${text}`]).sort())
})

test('no state comes twice, the plain ones come first, and a disk at rest has one', async () => {
  const disk = await diskWithWrites(20)
  const states = [...crashStates(disk, { random: seededRandom(3), count: 300 })]

  assert.equal(new Set(states.map(state => state.fingerprint)).size, 300)
  assert.deepEqual(
    states.slice(0, 2).map(state => state.choice.kind),
    ['nothing', 'everything'],
  )
  const rested = disk.crash(seededRandom(3))
  assert.equal([...crashStates(rested, { random: seededRandom(3), count: 300 })].length, 1)
})

test('a small count still samples every kind of systematic choice', async () => {
  const disk = await diskWithWrites(50)
  const states = [...crashStates(disk, { random: seededRandom(3), count: 60 })]

  const kinds = new Set(states.map(state => state.choice.kind))
  for (const kind of ['nothing', 'everything', 'prefix', 'drop one', 'keep one', 'torn'] as const)
    assert.ok(kinds.has(kind), kind)
  assert.equal(states.length, 60)
})

test('the same seed gives the same states', async () => {
  const disk = await diskWithWrites(10)
  const run = () => [...crashStates(disk, { random: seededRandom(5), count: 200 })].map(state => state.fingerprint)

  assert.deepEqual(run(), run())
})

test('ten thousand states of a busy disk take seconds of a core at most', async () => {
  const disk = await diskWithWrites(40, 3 * 4096)
  // Of this process alone: a machine that is busy with other things must not fail it.
  const start = process.cpuUsage()
  let count = 0
  for (const _ of crashStates(disk, { random: seededRandom(3), count: 10_000 })) count += 1

  assert.equal(count, 10_000)
  assert.ok(process.cpuUsage(start).user < 20_000_000)
})

interface Writer {
  syncsFile: boolean
  syncsFolder: boolean
  acknowledges: 'before the sync' | 'after the sync'
}

const RIGHT: Writer = { syncsFile: true, syncsFolder: true, acknowledges: 'after the sync' }

test('the right writer keeps what it acknowledged, in every state at every call', async () => {
  assert.equal(await firstLoss(RIGHT), undefined)
})

test('a writer that acknowledges before its sync is found out', async () => {
  assert.match((await firstLoss({ ...RIGHT, acknowledges: 'before the sync' })) ?? '', /record/)
})

test('a writer that does not sync its folder is found out', async () => {
  assert.match((await firstLoss({ ...RIGHT, syncsFolder: false })) ?? '', /no file/)
})

test('a writer that renames a file before it has synced its header is found out', async () => {
  assert.match((await firstLoss({ ...RIGHT, syncsFile: false })) ?? '', /header/)
})

/** Runs a toy writer, cuts the power at every call, and says what is missing first of what was acknowledged. */
async function firstLoss(writer: Writer): Promise<string | undefined> {
  const disk = new SimulatedDisk()
  const acknowledged = { file: false, records: 0 }
  const moments: { disk: SimulatedDisk; file: boolean; records: number }[] = []
  disk.onCall = () => void moments.push({ disk: disk.clone(), ...acknowledged })
  await runWriter(disk, writer, acknowledged)

  for (const moment of moments) {
    for (const state of crashStates(moment.disk, { random: seededRandom(9), count: 200 })) {
      const text = await readText(state.disk, '/a')
      const how = JSON.stringify(state.choice)
      if (moment.file && text === undefined) return `no file: ${how}`
      if (text !== undefined && !text.startsWith('header')) return `no header: ${how}`
      if (moment.records > 0 && !text?.startsWith('header1234567'.slice(0, 6 + moment.records)))
        return `no record: ${how}`
    }
  }
  return undefined
}

async function runWriter(disk: SimulatedDisk, writer: Writer, acknowledged: { file: boolean; records: number }) {
  const file = await disk.open('/tmp', 'create')
  await writeFully(file, Buffer.from('header'), 0)
  if (writer.syncsFile) await file.sync()
  await disk.rename('/tmp', '/a')
  if (writer.syncsFolder) await disk.syncFolder('/')
  acknowledged.file = true
  for (let n = 1; n <= 3; n += 1) {
    await writeFully(file, Buffer.from(`${n}`), 5 + n)
    if (writer.acknowledges === 'before the sync') acknowledged.records = n
    await file.dataSync()
    acknowledged.records = n
  }
  await file.close()
}

async function describe(disk: SimulatedDisk): Promise<string> {
  const parts: string[] = []
  for (const name of await disk.list('/')) parts.push(`${name}=${await readText(disk, `/${name}`)}`)
  return parts.join(' ')
}

async function diskWithWrites(count: number, bytes = 2000): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  for (const path of ['/a', '/b']) {
    const file = await disk.open(path, 'create')
    await writeFully(file, Buffer.alloc(1024 * 1024), 0)
    await file.sync()
    await disk.syncFolder('/')
    for (let n = 0; n < count / 2; n += 1) await writeFully(file, Buffer.alloc(bytes, n + 1), n * bytes)
  }
  return disk
}
