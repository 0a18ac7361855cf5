// A blob is there whole or not at all, and no chunk is left behind, whatever happens in the middle of a put.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { turns } from '../../prove/lab-clock.js'
import { AgentMemory, UnsettledWriteError } from '../../src/index.js'
import { crashStates } from '../../src/testing/crash-states.js'
import { seededRandom } from '../../src/testing/random.js'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { freshFolder } from '../api/temporary-folder.js'
import { journalStore, openOn, simulated } from '../engine/simulated.js'
import {
  bytesOf,
  CHUNK,
  leftBehind,
  nothingLeftBehind,
  pieces,
  read,
  SMALL_CHUNKS,
  told,
} from '../shapes/blob-helpers.js'
import { checkLife, type LifeReport } from './blob-life.js'
import { failureOf, Laboratory, LOG, noUnhandledRejection, outcome, SPARE } from './laboratory.js'

afterEach(noUnhandledRejection)

const SEED = 11
const LIVES = 8
const OLD = bytesOf(3 * CHUNK + 5, 1)
const NEW = bytesOf(4 * CHUNK, 2)
const SMALL = bytesOf(1000, 3)

test('the power may go at any call while a blob is put, replaced and deleted: it is whole, and nothing is left over', async t => {
  const { disk, memory } = await simulated(SMALL_CHUNKS)
  const blobs = memory.blobs('files')
  // What may be there at each moment: what was told last, or what is being done since.
  const moments: { disk: SimulatedDisk; may: string[] }[] = []
  let may = ['absent']
  disk.onCall = () => void moments.push({ disk: disk.clone(), may })
  const step = async (bytes: Uint8Array | undefined) => {
    may = [may.at(-1)!, told(bytes)]
    if (bytes === undefined) await blobs.delete('k')
    else await blobs.put('k', pieces(bytes))
    may = [told(bytes)]
  }
  await step(OLD)
  await step(NEW)
  await memory.checkpoint()
  await step(SMALL)
  await step(OLD)
  await step(undefined)
  await nothingLeftBehind(memory)
  await memory.close()
  disk.onCall = undefined

  let states = 0
  for (const [index, moment] of moments.entries()) {
    for (const state of crashStates(moment.disk, { random: seededRandom(index), count: 5 })) {
      const where = `call ${index}, ${JSON.stringify(state.choice)}`
      const reopened = await openOn(state.disk, SMALL_CHUNKS)
      const found = told(await read(reopened.blobs('files'), 'k'))
      assert.ok(moment.may.includes(found), `${where}: ${found}, not ${moment.may}`)
      await nothingLeftBehind(reopened).catch((error: unknown) => assert.fail(`${where}: ${String(error)}`))
      assert.equal(told(await read(reopened.blobs('files'), 'k')), found, where)
      states += 1
    }
  }
  t.diagnostic(`${moments.length} calls, ${states} states`)
})

test('processes that are killed while they put blobs leave none in part, and no chunk', async t => {
  const folder = await freshFolder()
  const random = seededRandom(SEED)
  const known = new Map<string, string[]>()
  let killedPutting = 0
  for (let life = 0; life < LIVES; life++) {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('./blob-life.js', import.meta.url)), folder, `${SEED * 1000 + life}`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    t.after(() => child.kill('SIGKILL'))
    const ended = once(child, 'exit')
    let timer: NodeJS.Timeout | undefined
    for await (const line of createInterface({ input: child.stdout! })) {
      const report = JSON.parse(line) as LifeReport
      timer ??= setTimeout(() => child.kill('SIGKILL'), 50 + random() * 400)
      if ('putting' in report) known.set(report.putting, [known.get(report.putting)?.at(-1) ?? 'absent', report.told])
      else known.set(report.done, [report.told])
    }
    const [code, signal] = await ended
    clearTimeout(timer)
    assert.deepEqual([code, signal], [null, 'SIGKILL'], `seed ${SEED}, life ${life}`)
    killedPutting += [...known.values()].filter(may => may.length > 1).length
    const memory = await AgentMemory.open(folder)
    try {
      await checkLife(memory, known)
      await memory.checkpoint()
      await nothingLeftBehind(memory)
    } finally {
      await memory.close()
    }
  }
  assert.ok(killedPutting > 0)
})

test('a full disk refuses a put, keeps what was there, and its chunks are removed once there is room', async () => {
  const lab = new Laboratory()
  const memory = await lab.open()
  const blobs = memory.blobs('files')
  await blobs.put('k', OLD)
  await turns(5)
  lab.disk.faults.add({ at: { kind: 'open', path: SPARE }, error: 'ENOSPC', sticky: true })

  const large = bytesOf(20 * CHUNK, 4)
  assert.equal(await outcome(lab.until(blobs.put('k', large))), 'DISK_FULL')
  assert.equal(told(await read(blobs, 'k')), told(OLD))
  assert.notDeepEqual(await leftBehind(memory), [])

  lab.disk.faults.clear()
  await lab.until(new Promise<void>(resolve => memory.on('diskFree', () => resolve())))
  await nothingLeftBehind(memory)
  await lab.until(blobs.put('k', large))
  assert.equal(
    told(
      await read(
        await lab
          .powerCut()
          .open()
          .then(after => after.blobs('files')),
        'k',
      ),
    ),
    told(large),
  )
})

for (const nth of [2, 4]) {
  test(`when the log fails at frame ${nth} of a put, it is refused or in doubt, and reopen settles it`, async () => {
    const lab = new Laboratory()
    const memory = await lab.open()
    const blobs = memory.blobs('files')
    await blobs.put('k', OLD)
    await turns(5)
    lab.disk.faults.add({ at: { kind: 'dataSync', path: LOG, nth }, error: 'EIO' })

    // Two chunks behind an orphan, and the commit: four frames, since two chunks never fit one.
    const error = await failureOf(blobs.put('k', bytesOf(3 * CHUNK, 5)))

    const isInDoubt = error instanceof UnsettledWriteError
    assert.equal((error as { code?: string }).code, nth === 4 ? 'IN_DOUBT' : 'FAILED')
    assert.equal(told(await read(blobs, 'k')), told(isInDoubt ? bytesOf(3 * CHUNK, 5) : OLD))
    await lab.until(memory.reopen())
    if (isInDoubt) assert.equal(await error.settled(), 'kept')
    assert.equal(told(await read(blobs, 'k')), told(isInDoubt ? bytesOf(3 * CHUNK, 5) : OLD))

    const after = await lab.powerCut().open()
    assert.equal(told(await read(after.blobs('files'), 'k')), told(isInDoubt ? bytesOf(3 * CHUNK, 5) : OLD))
    await nothingLeftBehind(after)
  })
}

test('while the store is down a put says so, and what was left behind is found once it is up', async () => {
  const first = new Laboratory()
  const memory = await first.open()
  const source = (async function* () {
    yield* pieces(OLD)
    await new Promise(() => {})
  })()
  void memory
    .blobs('files')
    .put('k', source)
    .catch(() => {})
  await turns(20)
  await first.until(memory.checkpoint())
  assert.notDeepEqual(await leftBehind(memory), [])

  const lab = first.powerCut()
  const opening = lab.open()
  const after = await opening
  lab.storeFault = new Error('the store is down')
  assert.equal(
    await outcome(lab.until(after.blobs('files').put('k', SMALL, { durability: 'write-through' }))),
    'STORE_DOWN',
  )
  lab.storeFault = undefined
  await after.map('runs').set('a', 1, { durability: 'write-back' })
  await lab.until(after.blobs('files').put('k', SMALL))
  await nothingLeftBehind(after)
  assert.equal(told(await read(after.blobs('files'), 'k')), told(SMALL))
})

test('what is found at the open is not taken for left behind if it is just being put', async () => {
  const { disk, memory: first } = await simulated(SMALL_CHUNKS)
  await first.close()
  const { open } = journalStore(disk)
  let release = () => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  const memory = await openOn(disk, {
    ...SMALL_CHUNKS,
    store: {
      kind: 'journal',
      open: async create => {
        const store = await open(create)
        const page = store.page.bind(store)
        // An open reads what the store has refused before; what is held up is the search for what was left behind.
        store.page = range => {
          return range.from.startsWith('\0dead-letters\0') ? page(range) : released.then(() => page(range))
        }
        return store
      },
    },
  })
  await memory.blobs('files').put(
    'k',
    (async function* () {
      yield NEW.subarray(0, 3 * CHUNK + 1)
      await turns(20)
      await memory.checkpoint()
      release()
      await turns(50)
      yield NEW.subarray(3 * CHUNK + 1)
    })(),
  )
  assert.equal(told(await read(memory.blobs('files'), 'k')), told(NEW))
  await nothingLeftBehind(memory)
})

test('uploads that go on in one handle are not hurt by another that opens, closes and opens', async () => {
  const folder = await freshFolder()
  const memory = await AgentMemory.open(folder)
  const large = bytesOf(3 << 20, 6)
  let opened = 0
  await memory.blobs('files').put(
    'k',
    (async function* () {
      for (const piece of pieces(large, 300_000)) {
        const other = await AgentMemory.open(folder)
        await other.blobs('files').put('other', SMALL)
        await other.checkpoint()
        await other.close()
        opened += 1
        yield piece
      }
    })(),
  )
  assert.ok(opened > 10)
  assert.equal(told(await read(memory.blobs('files'), 'k')), told(large))
  await nothingLeftBehind(memory)
  await memory.close()
})
