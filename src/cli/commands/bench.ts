/** `holdfast bench [FOLDER]`: what a memory's calls cost on this disk. Leaves no trace. */
import { join } from 'node:path'
import { AgentMemoryError } from '../../core/errors.js'
import { type FileSystemFacts, fileSystemFacts } from '../disk/file-system-kind.js'
import { findPlace, type Place } from '../disk/place.js'
import { Scratch } from '../disk/scratch.js'
import { SyncedBlocks } from '../disk/synced-blocks.js'
import { rawSide, StoredMemory, WrittenMemory } from '../measure/sides.js'
import { type Measured, measure, type Pace } from '../measure/slices.js'
import { bytesText, durationText, ExitCode, type OutputOptions, Progress, printResult, table } from '../output.js'

const PACE: Pace = { rounds: 8, sliceMs: 80, callsMin: 1 }
const WRITERS = [1, 64, 256]
const BYTES_FREE_MIN = 512 << 20

export async function bench(path: string, options: OutputOptions): Promise<ExitCode> {
  const place = await findPlace(path)
  const fileSystem = await fileSystemFacts(place.nearest)
  checkRoom(place, fileSystem)
  const progress = new Progress()
  let measured: Measured[]
  try {
    measured = await Scratch.within(place.nearest, scratch => measureAll(scratch.path, progress.say))
  } finally {
    progress.clear()
  }
  const { folder, nearest } = place
  printResult(options, { ok: true, folder, nearest, fileSystem, pace: PACE, measured }, () => {
    const { kind, source, mountPoint } = fileSystem
    const where = mountPoint === undefined ? kind : `${kind} of ${source}, mounted at ${mountPoint}`
    return `${nearest}, on ${where}\n\n${tableOf(measured)}\n\n${NOTE}`
  })
  return ExitCode.fine
}

async function measureAll(folder: string, say: (text: string) => void): Promise<Measured[]> {
  say('filling two memories')
  const blocks = new SyncedBlocks(join(folder, 'blocks'))
  const written = await WrittenMemory.open(folder)
  const stored = await StoredMemory.open(folder)
  const sides = [
    rawSide(blocks),
    ...(['write-back', 'write-ahead', 'write-through'] as const).flatMap(durability =>
      WRITERS.map(writers => written.set(durability, writers)),
    ),
    await written.getHeld(),
    stored.get(),
    stored.scan(),
  ]
  try {
    return await measure(sides, PACE, round => say(`round ${round} of ${PACE.rounds}`))
  } finally {
    blocks.close()
    await written.close()
    await stored.close()
  }
}

function checkRoom({ nearest }: Place, { bytesFree }: FileSystemFacts): void {
  if (bytesFree >= BYTES_FREE_MIN) return
  throw new AgentMemoryError('DISK_FULL', {
    message: `There are ${bytesText(bytesFree)} free on the disk of ${nearest}, and the measurement needs up to ${bytesText(BYTES_FREE_MIN)}`,
    next: 'Free some space, or give a folder on another disk',
  })
}

const NOTE = `Each line took turns with the others in slices of ${PACE.sliceMs} ms. Latencies are of single calls, rates of
slices: median, and from the slowest to the fastest. Values are of about 300 bytes; reads from the store find
its files in the system's cache.`

function tableOf(measured: readonly Measured[]): string {
  return table(
    ['', 'writers', 'latency: median', 'p99', 'min', 'max', 'per second: median', 'min', 'max'],
    measured.map(({ name, writers, latencyUs: us, perSecond }) => [
      name,
      String(writers),
      ...[us.median, us.p99, us.min, us.max].map(durationText),
      ...[perSecond.median, perSecond.min, perSecond.max].map(rate => Math.round(rate).toLocaleString('en-US')),
    ]),
    [1, 2, 3, 4, 5, 6, 7, 8],
  )
}
