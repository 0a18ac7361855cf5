/**
 * P2: how long one writer waits for one durable write, against the least that the disk and Node can do: a write of one
 * block into a file of zeros and its sync, by the same process.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { inFolder } from './folders.js'
import { type Line, lineOf, type Quantiles } from './line.js'
import type { BenchOptions } from './options.js'
import { Servers, troubles } from './place.js'
import { progress } from './progress.js'
import { openSide, PEERS, type SideName } from './sides.js'
import { compare, median, percentile, rounded } from './statistics.js'
import { countSyncs } from './syncs.js'
import { KEYS, keyOf, randomSource, valuesOf } from './workload.js'

const BLOCK_BYTES = 4096
const SLICE = 50
const GOAL = 1.3
const PERCENTS = [1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9]

type Contender = 'raw' | SideName
type Samples = Map<Contender, number[]>

/** Does one write of its own and returns how long it took, in µs. */
type Probe = () => Promise<number>

interface Opened {
  probe: Probe
  close(): Promise<void>
}

export async function* latency(options: BenchOptions): AsyncGenerator<Line> {
  const slices = options.quick ? 4 : 20
  const absent = await troubles()
  const present = PEERS.filter(peer => !absent.has(peer))
  const task = { seconds: 0.5, warmSeconds: 0.1, writers: 1, seed: 1, input: options.input }
  const syncsOf = await countSyncs(['ours', ...present], 'throughput-child', task)
  const rounds: Samples[] = []
  for (let pair = 1; pair <= options.pairs; pair++) {
    progress(`P2 ${pair}/${options.pairs}`)
    rounds.push(await measure(['ours', ...present], slices, pair, options.input))
  }
  const quantiles = (name: Contender) => quantilesOf(rounds.flatMap(round => round.get(name)!))
  for (const peer of ['raw', ...PEERS] as const) {
    const trouble = peer === 'raw' ? undefined : absent.get(peer)
    if (trouble !== undefined) {
      yield { case: 'P2', peer, notRun: trouble }
      continue
    }
    const medians = rounds.map(round => ({ ours: median(round.get('ours')!), theirs: median(round.get(peer)!) }))
    const isFloor = peer === 'raw'
    yield lineOf(
      {
        case: 'P2',
        what: 'median of one durable write, 1 writer',
        peer: isFloor ? 'raw write + fdatasync' : peer,
        unit: 'µs',
        better: 'lower',
        goal: isFloor ? GOAL : null,
      },
      compare(medians),
      {
        syncsPerWrite: isFloor ? { ...syncsOf('ours'), theirs: 1 } : syncsOf(peer),
        quantiles: { ours: quantiles('ours'), theirs: quantiles(peer) },
      },
    )
  }
}

/** The sides take turns in slices so short that what the disk does meanwhile meets all of them. */
function measure(
  sides: readonly SideName[],
  slices: number,
  seed: number,
  input: string | undefined,
): Promise<Samples> {
  return inFolder(async folder => {
    const random = randomSource(seed)
    const values = valuesOf(seed, input)
    const servers = new Servers()
    const opened = new Map<Contender, Opened>()
    try {
      opened.set('raw', openRaw(join(folder, 'raw'), (slices + 1) * SLICE))
      for (const name of sides) opened.set(name, await openProbe(name, servers, random, values))
      // The first slice lets code be compiled and files be made; it does not count.
      for (const { probe } of opened.values()) await sample(probe)
      const samples: Samples = new Map([...opened.keys()].map(name => [name, []]))
      for (let slice = 0; slice < slices; slice++) {
        for (const [name, { probe }] of opened) samples.get(name)!.push(...(await sample(probe)))
      }
      return samples
    } finally {
      for (const { close } of opened.values()) await close()
      await servers.stop()
    }
  })
}

async function openProbe(
  name: SideName,
  servers: Servers,
  random: (limit: number) => number,
  values: readonly string[],
): Promise<Opened> {
  const place = await servers.placeFor(name)
  const side = await openSide(name, place.address)
  return {
    async close() {
      await side.close()
      await place.leave()
    },
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
    async close() {
      closeSync(fd)
    },
  }
}

function quantilesOf(samples: readonly number[]): Quantiles {
  const sorted = Float64Array.from(samples).sort()
  return PERCENTS.map(percent => [percent, rounded(percentile(sorted, percent))])
}
