/** The command of `prove stores`, and its table. */
import Table from 'cli-table3'
import { type Command, Option } from 'commander'
import type { Durability } from '../src/index.js'
import { type Field, type MatrixResult, proveStores } from './matrix.js'
import { numberOption } from './options.js'
import { tellPart } from './part.js'
import { DURABILITIES } from './shape.js'
import { STORES, type StoreName } from './stores.js'

interface Flags {
  seed: number
  store?: StoreName
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
    .addOption(new Option('--durability <name>', 'only memories of this durability').choices(DURABILITIES))
    .option('--case <text>', 'only cases whose name has this in it')
    .option('--no-suite', 'without the store suite')
    .option('--json', 'print the result as JSON')
    .action(async ({ seed, store, durability, case: only, suite, json }: Flags) => {
      const result = await proveStores({
        seed,
        stores: store && [store],
        durabilities: durability && [durability],
        only,
        withoutSuite: !suite,
        onField: field => {
          if (!json) process.stderr.write(`${field.store}, ${field.of}: ${textOf(field)}\n`)
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
      return field === undefined ? '–' : textOf(field)
    })
    table.push([...row.split(' '), ...cells])
  }
  return [table.toString(), ...notesOf(fields)].join('\n')
}

function textOf({ passed, broken, leftOut, notRun }: Field): string {
  if (notRun !== undefined) return 'NOT RUN'
  const total = passed + broken
  const left = leftOut.length === 0 ? '' : `, ${leftOut.length} left out`
  return broken === 0 ? `${passed} of ${total}${left}` : `${passed} of ${total}: ${broken} BROKEN${left}`
}

function notesOf(fields: readonly Field[]): string[] {
  const reasons = fields.map(({ store, notRun }) => notRun && `NOT RUN: ${store}: ${notRun}`)
  const left = fields.flatMap(({ leftOut }) => leftOut.map(each => `left out: ${each}`))
  return [...new Set([...reasons, ...left].filter(note => note !== undefined && note !== ''))] as string[]
}
