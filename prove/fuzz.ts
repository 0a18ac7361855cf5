/** `prove fuzz`: the log's readers and the codec are given what no writer of ours has written. */
import type { Command } from 'commander'
import { numberOption } from './options.js'
import { type PartResult, tellPart } from './part.js'

export interface FuzzOptions {
  /** Inputs of each kind: damaged logs, forged frames, values, bytes, damaged values, stored values. */
  runs: number
  seed: number
}

/** However wild a length is that the bytes claim, so much more memory is enough. */
const MEMORY_MIB_MAX = 512

export async function proveFuzz({ runs, seed }: FuzzOptions): Promise<PartResult> {
  const started = performance.now()
  // Making its values takes fast-check more than a second: parts that need none of them do not wait for that.
  const [{ fuzzCodec }, { fuzzLogs }] = await Promise.all([import('./fuzz-codec.js'), import('./fuzz-log.js')])
  const before = memoryMib()
  const failures: PartResult['failures'] = []
  const replay = `npm run prove -- fuzz --seed ${seed} --runs ${runs}`
  const attempt = async <T extends object>(fuzz: () => Promise<T>): Promise<Partial<T>> => {
    try {
      return await fuzz()
    } catch (error) {
      failures.push({ what: whatIsWrong(error), replay })
      return {}
    }
  }
  const log = await attempt(() => fuzzLogs(runs, seed))
  // What is broken once is told at once.
  const codec = failures.length > 0 ? {} : await attempt(() => fuzzCodec(runs, seed))
  const grown = memoryMib() - before
  if (grown > MEMORY_MIB_MAX) failures.push({ what: `memory has grown by ${grown} MiB`, replay })
  const counts = {
    'damaged logs': log.damaged ?? 0,
    'forged frames': log.forged ?? 0,
    'refused logs': log.refused ?? 0,
    'logs that end early, as if cut short': log.cutShort ?? 0,
    'values there and back': codec.roundTrips ?? 0,
    'hostile bytes of values': codec.bytes ?? 0,
    'stored values': codec.stored ?? 0,
    'refused bytes': codec.refused ?? 0,
    'MiB more at most': grown,
  }
  return { name: 'fuzz', seed, counts, failures, ms: performance.now() - started }
}

export function registerFuzz(program: Command): void {
  program
    .command('fuzz')
    .description("give the log's readers and the codec random, damaged and forged bytes")
    .option('--runs <count>', 'inputs of each kind', numberOption, 10_000)
    .option('--seed <number>', 'of the inputs', numberOption, 1)
    .option('--json', 'print the result as JSON')
    .action(async ({ runs, seed, json }: { runs: number; seed: number; json?: boolean }) => {
      tellPart(await proveFuzz({ runs, seed }), json)
    })
}

function memoryMib(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024)
}

/** fast-check says in its message what the smallest input is, and in the cause what is wrong with it. */
function whatIsWrong(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const example = /^Counterexample: .*$/m.exec(error.message)?.[0] ?? error.message
  return error.cause instanceof Error ? `${error.cause.message}\n  ${example.slice(0, 1000)}` : error.message
}
