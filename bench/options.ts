/** The command line of the benchmarks. */
import { parseArgs } from 'node:util'

export const CASES = [
  'P1',
  'P2',
  'P3',
  'P4',
  'P5',
  'P6',
  'P8',
  'P9',
  'conversations',
  'memory',
  'size',
  'profile',
] as const
export type CaseName = (typeof CASES)[number]

export interface BenchOptions {
  cases: readonly CaseName[]
  json: boolean
  quick: boolean
  pairs: number
  /** Keys of P5, of the store that P6 opens, of the largest memory of P9; messages of the longest conversation. */
  keys: number
  /** A file of recorded runs or messages, which become the values. */
  input: string | undefined
  /** docs/benchmarks.md and its plots are made from this run. */
  write: boolean
  help: boolean
}

const PAIRS = { quick: 2, usual: 5 }
const KEYS = { quick: 100_000, usual: 1_000_000, full: 10_000_000 }

export const HELP = `npm run bench -- [options]

  --case NAME   ${CASES.join(', ')}; may be given more than once (default: all)
  --pairs N     pairs of runs per comparison (default: ${PAIRS.usual})
  --keys N      keys of P5, P6 and P9 (default: 1,000,000)
  --full        as many keys as the goals speak of: 10,000,000
  --quick       shorter runs: to see that everything works, not to quote
  --input FILE  values are the messages of recorded runs, JSON or JSONL (default: random strings of 300 bytes)
  --json        one JSON object a line instead of tables
  --write       makes docs/benchmarks.md and its plots from this run
`

/** Throws a `TypeError` that says what is wrong. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      case: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      pairs: { type: 'string' },
      keys: { type: 'string' },
      input: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const { json, quick, full, write, input, help } = values
  if (quick && full) throw new TypeError('--quick and --full exclude each other')
  if (write && values.case !== undefined) throw new TypeError('--write needs all cases: leave --case out')
  return {
    cases: [...new Set(values.case?.map(parseCase) ?? CASES)],
    json,
    quick,
    pairs: parseCount('pairs', values.pairs, quick ? PAIRS.quick : PAIRS.usual, 1),
    keys: parseCount('keys', values.keys, KEYS[quick ? 'quick' : full ? 'full' : 'usual'], 10_000),
    input,
    write,
    help,
  }
}

function parseCount(name: string, text: string | undefined, byDefault: number, least: number): number {
  if (text === undefined) return byDefault
  const count = Number(text)
  if (Number.isSafeInteger(count) && count >= least && count <= KEYS.full) return count
  throw new TypeError(`--${name} is "${text}": give a whole number from ${least} to ${KEYS.full}`)
}

function parseCase(name: string): CaseName {
  const found = CASES.find(each => each.toLowerCase() === name.toLowerCase())
  if (found === undefined) throw new TypeError(`There is no case "${name}": the cases are ${CASES.join(', ')}`)
  return found
}
