/**
 * size: what compression saves on disk and what it costs, for recorded runs of an agent: each message a value, and each
 * run a value. `theirs` is the same without compression.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readRuns } from '../demo/input.js'
import { makeRuns } from '../demo/make-runs.js'
import { levelsOf } from '../src/codec/compression.js'
import { AgentMemory, type CompressionName, type MapOptions } from '../src/index.js'
import { parseValueOptions } from '../src/value-options.js'
import { Values } from '../src/values.js'
import { inFolder } from './folders.js'
import { type Line, lineOf } from './line.js'
import type { BenchOptions } from './options.js'
import { progress } from './progress.js'
import { compare, type Pair } from './statistics.js'

type Entries = [key: string[], value: unknown][]

interface Cost {
  logBytes: number
  storeBytes: number
  encodeUs: number
  decodeUs: number
}

const VALUE_BYTES_MAX = 16 << 20
const KIB = 1024
const COSTS = [
  ['log', 'KiB', ({ logBytes }: Cost) => logBytes / KIB],
  ['store', 'KiB', ({ storeBytes }: Cost) => storeBytes / KIB],
  ['encoding of a value', 'µs', ({ encodeUs }: Cost) => encodeUs],
  ['decoding of a value', 'µs', ({ decodeUs }: Cost) => decodeUs],
] as const

export async function* size(options: BenchOptions): AsyncGenerator<Line> {
  const runs = options.input === undefined ? makeRuns(1) : readRuns(options.input)
  const messages: Entries = runs.flatMap(({ id, messages }) =>
    messages.map((message, at): Entries[number] => [[id, String(at).padStart(4, '0')], message]),
  )
  const whole: Entries = runs.map(run => [[run.id], run])
  for (const [what, entries] of [
    [`${messages.length.toLocaleString('en-US')} messages`, messages],
    [`${runs.length.toLocaleString('en-US')} runs`, whole],
  ] as const) {
    for (const algorithm of ['gzip', 'brotli', 'zstd'] as const) yield* linesOf(what, entries, algorithm, options)
  }
}

async function* linesOf(
  what: string,
  entries: Entries,
  algorithm: CompressionName,
  { pairs }: BenchOptions,
): AsyncGenerator<Line> {
  if (levelsOf(algorithm) === undefined) {
    yield { case: 'size', peer: `${algorithm}, ${what}`, notRun: `Node.js ${process.version} does not have it` }
    return
  }
  const rounds: { ours: Cost; theirs: Cost }[] = []
  for (let pair = 1; pair <= pairs; pair++) {
    progress(`size ${what}, ${algorithm} ${pair}/${pairs}`)
    const theirs = await costOf(entries, {})
    rounds.push({ theirs, ours: await costOf(entries, { compression: algorithm }) })
  }
  for (const [part, unit, read] of COSTS) {
    const head = { case: 'size', what: `${what}: ${part}, ${algorithm}`, peer: 'plain', unit, better: 'lower' } as const
    const pairsOf: Pair[] = rounds.map(({ ours, theirs }) => ({ ours: read(ours), theirs: read(theirs) }))
    yield lineOf({ ...head, goal: null }, compare(pairsOf))
  }
}

async function costOf(entries: Entries, options: MapOptions): Promise<Cost> {
  return { ...(await bytesOnDisk(entries, options)), ...timesOf(entries, options) }
}

async function bytesOnDisk(entries: Entries, options: MapOptions): Promise<{ logBytes: number; storeBytes: number }> {
  return inFolder(async folder => {
    const location = join(folder, 'memory')
    const memory = await AgentMemory.open(location)
    const map = memory.map('values', options)
    let logBytes = 0
    memory.on('flush', ({ bytes }) => {
      logBytes += bytes
    })
    await Promise.all(entries.map(([key, value]) => map.set(key, value)))
    await memory.checkpoint()
    await memory.close()
    // LevelDB moves what it has in its own log to tables when it is opened again, and compresses those by itself.
    await (await AgentMemory.open(location)).close()
    return { logBytes, storeBytes: bytesOfFolder(join(location, 'store')) }
  })
}

function timesOf(entries: Entries, options: MapOptions): { encodeUs: number; decodeUs: number } {
  const values = new Values('values', parseValueOptions(options), { bytesBefore: 0, bytesAfter: 0 })
  const encode = () => entries.map(([, value]) => values.encode(value, VALUE_BYTES_MAX))
  const encoded = encode().map(({ form, value }) => ({ form, value: value! }))
  const decode = () => encoded.map(each => values.decode(each))
  // Once before it counts, so that neither side is the one that warms the code up.
  decode()
  return { encodeUs: timed(encode) / entries.length, decodeUs: timed(decode) / entries.length }
}

function timed(work: () => void): number {
  const started = performance.now()
  work()
  return (performance.now() - started) * 1000
}

function bytesOfFolder(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}
