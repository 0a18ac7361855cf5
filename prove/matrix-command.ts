/** The command of `prove stores`, and its table. */
import Table from 'cli-table3'
import { type Command, Option } from 'commander'
import type { Durability } from '../src/index.js'
import { type Field, type MatrixResult, proveStores } from './matrix.js'
import { MODES, type ModeName } from './modes.js'
import { numberOption } from './options.js'
import { tellPart } from './part.js'
import { DURABILITIES } from './shape.js'
import { STORES, type StoreName } from './stores.js'

/** There is no such thing. */
const NONE = '–'

interface Flags {
  seed: number
  store?: StoreName
  mode?: ModeName
  durability?: Durability
  case?: string
  suite: boolean
  json?: boolean
}

export function registerStores(program: Command): void {
  program
    .command('stores')
    .description('run the store suite on every store, and what a memory promises over each, of each durability')
    .option('--seed <number>', 'of the random case of the store suite', numberOption, 1)
    .addOption(new Option('--store <name>', 'only this store').choices(STORES))
    .addOption(new Option('--mode <name>', 'only memories that use it so').choices(Object.keys(MODES)))
    .addOption(new Option('--durability <name>', 'only memories of this durability').choices(DURABILITIES))
    .option('--case <text>', 'only cases whose name has this in it')
    .option('--no-suite', 'without the suites of bare stores')
    .option('--json', 'print the result as JSON')
    .action(async ({ seed, store, mode, durability, case: only, suite, json }: Flags) => {
      const result = await proveStores({
        seed,
        stores: store && [store],
        modes: mode && [mode],
        durabilities: durability && [durability],
        only,
        withoutSuite: !suite,
        onField: field => {
          if (!json) process.stderr.write(`${field.store}, ${field.mode}, ${field.of}: ${textOf(field)}\n`)
        },
      })
      if (!json) console.log(`\n${tableOf(result)}`)
      tellPart(result, json)
    })
}

function tableOf({ fields }: MatrixResult): string {
  const table = new Table({ head: ['store', 'mode', 'store suite', ...DURABILITIES], style: { head: [], border: [] } })
  const rows = new Set(fields.map(({ store, mode }) => `${store} ${mode}`))
  for (const row of rows) {
    const inRow = fields.filter(({ store, mode }) => `${store} ${mode}` === row)
    const cells = (['suite', ...DURABILITIES] as const).map(of => {
      const field = inRow.find(each => each.of === of)
      return field === undefined ? NONE : textOf(field)
    })
    table.push([...row.split(' '), ...cells])
  }
  return [table.toString(), ...notesOf(fields)].join('\n')
}

function textOf({ passed, broken, leftOut, refused, notRun }: Field): string {
  if (notRun !== undefined) return 'NOT RUN'
  if (refused !== undefined) return NONE
  const total = passed + broken
  const left = leftOut.length === 0 ? '' : `, ${leftOut.length} left out`
  return broken === 0 ? `${passed} of ${total}${left}` : `${passed} of ${total}: ${broken} BROKEN${left}`
}

function notesOf(fields: readonly Field[]): string[] {
  const notRun = fields.map(({ store, notRun }) => notRun && `NOT RUN: ${store}: ${notRun}`)
  const left = fields.flatMap(({ leftOut }) => leftOut.map(each => `left out: ${each}`))
  return [...new Set([...notRun, ...refusalsOf(fields), ...left].filter(note => note !== undefined))]
}

/** What is refused, each refusal once, with the fields that it is of. */
function refusalsOf(fields: readonly Field[]): string[] {
  const fieldsOf = new Map<string, string[]>()
  for (const { store, mode, of, refused } of fields) {
    if (refused === undefined) continue
    const told = fieldsOf.get(refused) ?? []
    fieldsOf.set(refused, [...told, `${store} ${mode} ${of}`])
  }
  return [...fieldsOf].map(([refused, of]) => `${NONE} ${of.join(', ')}: refused (INVALID_OPTION): ${refused}`)
}
