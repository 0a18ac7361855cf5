/**
 * `prove mutants`: bugs that a durable store can have are planted, each in a copy of the compiled code, and the part that
 * is meant to find it is let loose on the copy. One that it does not find would say that it looks at the wrong things.
 */
import Table from 'cli-table3'
import { type Command, Option } from 'commander'
import { MUTANTS } from './mutants/all.js'
import { withMutant } from './mutants/copy.js'
import { argumentsOf, type Hunt, hunt, isPart } from './mutants/hunt.js'
import type { Hunter } from './mutants/mutant.js'
import { numberOption } from './options.js'
import { type PartResult, tellPart } from './part.js'

export interface MutantRow {
  name: string
  what: string
  breaks: string
  hunts: Hunt[]
}

export interface MutantsResult extends PartResult {
  rows: MutantRow[]
}

export interface MutantsOptions {
  names?: readonly string[]
  /** Who hunts, instead of who is meant to; with which arguments, instead of its own. */
  hunter?: Hunter | undefined
  args?: string[] | undefined
  /** Copies that are hunted in at a time. */
  jobs?: number
  onRow?(row: MutantRow): void
}

export async function proveMutants(options: MutantsOptions = {}): Promise<MutantsResult> {
  const started = performance.now()
  const names = [...(options.names ?? Object.keys(MUTANTS))]
  const waiting = [...names]
  const rows = new Map<string, MutantRow>()
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const row = await rowOf(name, options)
      rows.set(name, row)
      options.onRow?.(row)
    }
  }
  await Promise.all(Array.from({ length: options.jobs ?? 2 }, work))
  const ordered = names.map(name => rows.get(name)!)
  const failures = ordered.filter(({ hunts }) => !hunts.some(({ isCaught }) => isCaught)).map(failureOf)
  const counts = { mutants: names.length, caught: names.length - failures.length }
  return { name: 'mutants', seed: 0, counts, failures, ms: performance.now() - started, rows: ordered }
}

export function registerMutants(program: Command): void {
  program
    .command('mutants')
    .description('plant bugs in copies of the code, and check that the parts meant to find them do')
    .argument('[name]', `one of them: ${Object.keys(MUTANTS).join(', ')}`)
    .option('--part <part>', 'who looks for it: a part, or a file of the suite as test:crash/faults')
    .option('--with <arguments>', 'of that part, instead of its own, such as "--seed 7 --steps 3,4"')
    .addOption(new Option('--jobs <count>', 'at a time').argParser(numberOption).default(2))
    .option('--json', 'print the result as JSON')
    .action(async (name: string | undefined, flags: Flags) => {
      if (name !== undefined && !(name in MUTANTS)) throw new Error(`There is no mutant ${name}`)
      const onRow = flags.json
        ? undefined
        : ({ name: done, hunts }: MutantRow) => process.stderr.write(`${done} ${hunts.at(-1)!.isCaught ? '✓' : '✗'}\n`)
      const result = await proveMutants({
        ...(name !== undefined && { names: [name] }),
        hunter: flags.part as Hunter | undefined,
        args: flags.with?.split(' '),
        jobs: flags.jobs,
        ...(onRow && { onRow }),
      })
      if (!flags.json) console.log(tableOf(result.rows))
      tellPart(result, flags.json)
    })
}

interface Flags {
  part?: string
  with?: string
  jobs: number
  json?: boolean
}

async function rowOf(name: string, { hunter, args }: MutantsOptions): Promise<MutantRow> {
  const mutant = MUTANTS[name]!
  const who = hunter ?? mutant.caughtBy
  const found = await withMutant(name, mutant, folder => hunt(folder, who, args ?? argumentsOf(who, mutant)))
  return { name, what: mutant.what, breaks: mutant.breaks, hunts: [found] }
}

function failureOf({ name, what, hunts }: MutantRow): PartResult['failures'][number] {
  const { hunter, after } = hunts.at(-1)!
  return { what: `${name} (${what}) is not found by ${hunter} in ${after}`, replay: replayOf(name, hunter) }
}

/** The command that shows how a part finds a mutant. */
export function replayOf(name: string, hunter: Hunter): string {
  const args = isPart(hunter) ? ` --with "${argumentsOf(hunter, MUTANTS[name]!).join(' ')}"` : ''
  return `npm run prove -- mutants ${name} --part ${hunter}${args}`
}

function tableOf(rows: readonly MutantRow[]): string {
  const table = new Table({
    head: ['bug', 'breaks', 'found by', 'after', 's', 'what it found'],
    style: { head: [] },
    wordWrap: true,
    colWidths: [26, 8, 16, 34, 6, 60],
  })
  for (const { name, breaks, hunts } of rows) {
    const { hunter, isCaught, after, ms, found } = hunts.at(-1)!
    table.push([name, breaks, isCaught ? hunter : 'NOBODY', after, (ms / 1000).toFixed(1), found.slice(0, 150)])
  }
  return table.toString()
}
