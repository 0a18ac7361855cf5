/** The command line of the benchmarks. */
import { parseArgs } from 'node:util'

export const CASES = ['P1', 'P2', 'memory'] as const
export type CaseName = (typeof CASES)[number]

export interface BenchOptions {
  cases: readonly CaseName[]
  json: boolean
  quick: boolean
  pairs: number
  help: boolean
}

export const HELP = `npm run bench -- [options]

  --case NAME   ${CASES.join(', ')}; may be given more than once (default: all)
  --pairs N     pairs of runs per comparison (default: 5)
  --quick       shorter runs: to see that everything works, not to quote
  --json        one JSON object a line instead of tables
`

/** Throws a `TypeError` that says what is wrong. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      case: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      pairs: { type: 'string', default: '5' },
      help: { type: 'boolean', default: false },
    },
  })
  const pairs = Number(values.pairs)
  if (!Number.isSafeInteger(pairs) || pairs < 1) throw new TypeError(`--pairs is "${values.pairs}": give 1 or more`)
  const cases = values.case?.map(parseCase) ?? CASES
  return { cases, json: values.json, quick: values.quick, pairs, help: values.help }
}

function parseCase(name: string): CaseName {
  const found = CASES.find(each => each.toLowerCase() === name.toLowerCase())
  if (found === undefined) throw new TypeError(`There is no case "${name}": the cases are ${CASES.join(', ')}`)
  return found
}
