/**
 * Memories on simulated disks, small enough that every bit of their logs can be flipped: how each came to its end, what
 * it must hold, and its log's files as bytes.
 */
import { encodeKey } from '../src/core/key.js'
import { Engine } from '../src/engine/engine.js'
import { DELETED } from '../src/engine/flush.js'
import { parseMemoryOptions } from '../src/options.js'
import { openJournalStore } from '../src/testing/journal-store.js'
import { ManualClock } from '../src/testing/manual-clock.js'
import { seededRandom } from '../src/testing/random.js'
import { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { decode, encode } from '../src/values.js'

export const FOLDER = '/memory'
const VALUE_BYTES_MAX = 64 * 1024
/** A header page and two blocks of frames. */
const SEGMENT_BYTES = 3 * 4096

/** Value and LSN of each key. */
export type Entries = Map<string, { value: unknown; lsn: number }>

export interface Reference {
  name: string
  disk: SimulatedDisk
  /** Everything that was acknowledged. */
  entries: Entries
  /** Nothing but its last segment differs from that of another one. */
  isLastOnly?: boolean
}

export function openEngine(disk: SimulatedDisk): Promise<Engine> {
  const { engine } = parseMemoryOptions(FOLDER, {
    fileSystem: disk,
    clock: new ManualClock(),
    store: { kind: 'journal', open: () => openJournalStore(disk, `${FOLDER}/store`) },
    // Nothing is held, so that every read is of the log or of the store.
    tierBytesMax: 0,
  })
  return Engine.open({ ...engine, segmentBytesMin: SEGMENT_BYTES, segmentBytesMax: SEGMENT_BYTES })
}

export async function entriesOf(engine: Engine): Promise<Entries> {
  const entries: Entries = new Map()
  for await (const page of engine.scanner.pages({ from: '', to: '\xff', reverse: false }, 100)) {
    for (const found of page) entries.set(found.key, { value: decode(found), lsn: found.lsn })
  }
  return entries
}

export async function makeReferences(): Promise<Reference[]> {
  return [
    await killed('killed', 'the last words'),
    // Its frame is masked, since most of its sectors would be zeros.
    { ...(await killed('killed behind zeros', '\0'.repeat(1500))), isLastOnly: true },
    // No sector of it is all zeros, and each has one bit only that says so.
    { ...(await killed('killed behind single bits', bitsApart(3800))), isLastOnly: true },
    await torn(),
    await closed(),
    await killedTwice(),
  ]
}

/** Zeros but for one bit in 512 bytes. */
function bitsApart(bytes: number): Buffer {
  return Buffer.alloc(bytes, Buffer.from([1, ...Buffer.alloc(511)]))
}

/** The store has the first half, the log the rest, over several segments; the last write is `last`. */
async function killed(name: string, last: unknown): Promise<Reference> {
  const disk = new SimulatedDisk()
  const engine = await openEngine(disk)
  await writeSome(engine, last)
  return finish(name, disk, engine, disk.clone())
}

async function killedTwice(): Promise<Reference> {
  const first = await killed('killed', 'in its first life')
  const engine = await openEngine(first.disk)
  await set(engine, 'b', 'in its second life')
  return finish('killed, recovered and killed', first.disk, engine, first.disk.clone())
}

/** The power is cut while a frame is written: a part of it stands there, and nobody was told of it. */
async function torn(): Promise<Reference> {
  const disk = new SimulatedDisk()
  const engine = await openEngine(disk)
  await writeSome(engine, 'the last that was acknowledged')
  const entries = await entriesOf(engine)
  let crashed: SimulatedDisk | undefined
  disk.onCall = ({ kind, path }) => {
    if (kind !== 'dataSync' || !path.includes('/log/') || crashed !== undefined) return
    const kept = [{ from: 0, to: 3 }]
    crashed = disk.crash(seededRandom(1), { kind: 'torn', index: disk.unsynced().length - 1, kept, others: 'all' })
  }
  void set(engine, 'torn', 'x'.repeat(3000)).catch(() => {})
  while (crashed === undefined) await new Promise(resolve => setImmediate(resolve))
  disk.powerOff()
  return { name: 'cut off in a frame', disk: crashed, entries }
}

async function closed(): Promise<Reference> {
  const disk = new SimulatedDisk()
  const engine = await openEngine(disk)
  await writeSome(engine, 'before the close')
  const entries = await entriesOf(engine)
  await engine.close(1000)
  return { name: 'closed', disk: disk.clone(), entries }
}

async function writeSome(engine: Engine, last: unknown): Promise<void> {
  await set(engine, 'a', 'first')
  await set(engine, 'b', { step: 1, text: 'moved to the store' })
  await engine.checkpoint()
  await Promise.all([set(engine, 'b', 'only in the log'), set(engine, 'c', 3), remove(engine, 'a')])
  await set(engine, 'd', 'y'.repeat(700))
  await set(engine, 'c', 4)
  await set(engine, 'last', last)
}

async function finish(name: string, disk: SimulatedDisk, engine: Engine, left: SimulatedDisk): Promise<Reference> {
  const entries = await entriesOf(engine)
  disk.powerOff()
  return { name, disk: left, entries }
}

async function set(engine: Engine, key: string, value: unknown): Promise<void> {
  const budget = engine.addBudget({ ms: 0, writes: 0, bytes: 0 })
  await engine.writer.writeOne(encodeKey([key]), encode(value, VALUE_BYTES_MAX), 'write-ahead', budget)
}

async function remove(engine: Engine, key: string): Promise<void> {
  const budget = engine.addBudget({ ms: 0, writes: 0, bytes: 0 })
  await engine.writer.writeOne(encodeKey([key]), DELETED, 'write-ahead', budget)
}
