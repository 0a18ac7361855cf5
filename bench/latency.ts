/**
 * P2: how long one writer waits for one durable write, against the least that the disk and Node can do: a write of one
 * block into a file of zeros and its sync, by the same process.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, removeFolder } from './folders.js'
import type { BenchOptions } from './options.js'
import { type Line, progress } from './report.js'
import { openSide, PEERS, type SideName } from './sides.js'
import { compare, median, rounded } from './statistics.js'
import { KEYS, keyOf, makeValues, randomSource } from './workload.js'

const BLOCK_BYTES = 4096
const SLICE = 50
const GOAL = 1.3

type Contender = 'raw' | SideName
type Medians = Map<Contender, number>

/** Does one write of its own and returns how long it took, in µs. */
type Probe = () => Promise<number>

interface Opened {
  probe: Probe
  syncs(): number | undefined
  close(): Promise<void>
}

export async function* latency(options: BenchOptions): AsyncGenerator<Line> {
  const slices = options.quick ? 4 : 20
  const rounds: Medians[] = []
  let syncsPerWrite = 0
  for (let pair = 1; pair <= options.pairs; pair++) {
    progress(`P2 ${pair}/${options.pairs}`)
    const round = await measure(slices, pair)
    rounds.push(round.medians)
    syncsPerWrite = round.syncsPerWrite
  }
  for (const peer of ['raw', ...PEERS] as const) {
    const result = compare(rounds.map(round => ({ ours: round.get('ours')!, theirs: round.get(peer)! })))
    const isFloor = peer === 'raw'
    yield {
      case: 'P2',
      peer: isFloor ? 'raw write + fdatasync' : peer,
      ours: rounded(result.ours),
      theirs: rounded(result.theirs),
      ratio: rounded(result.ratio),
      unit: 'µs',
      better: 'lower',
      pairs: result.pairs,
      min: rounded(result.min),
      max: rounded(result.max),
      goal: isFloor ? GOAL : null,
      isMet: isFloor ? result.ratio <= GOAL : null,
      syncsPerWrite: {
        ours: rounded(syncsPerWrite),
        theirs: isFloor ? 1 : null,
        how: isFloor ? 'ours by status()' : 'ours by status(); theirs: see P1',
      },
    }
  }
}

/** The sides take turns in slices so short that what the disk does meanwhile meets all of them. */
async function measure(slices: number, seed: number): Promise<{ medians: Medians; syncsPerWrite: number }> {
  const folder = makeFolder()
  const random = randomSource(seed)
  const values = makeValues(seed)
  const opened = new Map<Contender, Opened>()
  try {
    opened.set('raw', openRaw(join(folder, 'raw'), (slices + 1) * SLICE))
    for (const name of ['ours', ...PEERS] as const) opened.set(name, await openProbe(name))
    // The first slice lets code be compiled and files be made; it does not count.
    for (const { probe } of opened.values()) await sample(probe)
    const samples = new Map<Contender, number[]>([...opened.keys()].map(name => [name, []]))
    const syncsBefore = opened.get('ours')!.syncs()!
    for (let slice = 0; slice < slices; slice++) {
      for (const [name, { probe }] of opened) samples.get(name)!.push(...(await sample(probe)))
    }
    const syncsPerWrite = (opened.get('ours')!.syncs()! - syncsBefore) / (slices * SLICE)
    const medians = new Map([...samples].map(([name, each]) => [name, median(each)]))
    return { medians, syncsPerWrite }
  } finally {
    for (const { close } of opened.values()) await close()
    removeFolder(folder)
  }

  async function openProbe(name: SideName): Promise<Opened> {
    const side = await openSide(name, folder)
    return {
      syncs: () => side.syncs(),
      close: () => side.close(),
      async probe() {
        const key = keyOf(random(KEYS))
        const value = values[random(values.length)]!
        const started = performance.now()
        // What has done its work by returning is not made to wait for a promise.
        const done = side.put(key, value)
        if (done !== undefined) await done
        return (performance.now() - started) * 1000
      },
    }
  }
}

async function sample(probe: Probe): Promise<number[]> {
  const taken: number[] = []
  for (let count = 0; count < SLICE; count++) taken.push(await probe())
  return taken
}

function openRaw(path: string, blocks: number): Opened {
  const fd = openSync(path, 'w+')
  writeSync(fd, Buffer.alloc(blocks * BLOCK_BYTES), 0, blocks * BLOCK_BYTES, 0)
  fsyncSync(fd)
  const block = Buffer.alloc(BLOCK_BYTES, 'raw block ')
  let position = 0
  return {
    async probe() {
      const started = performance.now()
      writeSync(fd, block, 0, BLOCK_BYTES, position)
      fdatasyncSync(fd)
      const took = (performance.now() - started) * 1000
      position += BLOCK_BYTES
      return took
    },
    syncs: () => undefined,
    async close() {
      closeSync(fd)
    },
  }
}
