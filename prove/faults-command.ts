/** The command of `prove faults`. */
import { SingleBar } from 'cli-progress'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { proveFaults } from './faults.js'
import { FAULTS, type FaultKind, type FaultMode, LIVES, type LifeName, MODES } from './faults-cases.js'
import { FAULT_MUTANTS, type FaultMutant } from './faults-run.js'
import { numberOption } from './options.js'
import { tellPart } from './part.js'
import { STORES_IN_FOLDERS, type StoreName, storeOption } from './stores.js'

interface Flags {
  seed: number
  calls?: { from: number; to: number }
  every: number
  life?: LifeName
  fault?: FaultKind
  mode?: FaultMode
  call?: number
  mutant?: FaultMutant
  first?: boolean
  store: StoreName
  json?: boolean
}

export function registerFaults(program: Command): void {
  program
    .command('faults')
    .description('make every file call of a real process fail, in every way, and check what the next process finds')
    .option('--seed <number>', 'of the program', numberOption, 1)
    .option('--calls <from..to>', 'only these calls', rangeOption)
    .option('--every <count>', 'only every so manieth case', numberOption, 1)
    .addOption(
      new Option('--life <name>', 'only of this life: of a new memory, or of one that is there').choices(LIVES),
    )
    .addOption(new Option('--fault <kind>', 'only this fault').choices(FAULTS))
    .addOption(new Option('--mode <mode>', 'only this mode').choices(MODES))
    .option('--call <number>', 'only at this call', numberOption)
    .addOption(new Option('--mutant <name>', 'put a mistake in, which must be found').choices(FAULT_MUTANTS))
    .option('--first', 'stop at the first failure')
    .addOption(storeOption(STORES_IN_FOLDERS))
    .option('--json', 'print the result as JSON')
    .action(async ({ json, life, fault, mode, call, ...flags }: Flags) => {
      const bar = json || !process.stderr.isTTY ? undefined : new SingleBar({})
      const only = { life, fault, mode, call }
      let hasStarted = false
      const onProgress = (done: number, total: number) => {
        if (!hasStarted) bar?.start(total, 0)
        hasStarted = true
        bar?.update(done)
      }
      const result = await proveFaults({ ...flags, only, onProgress })
      bar?.stop()
      tellPart(result, json)
    })
}

function rangeOption(text: string): { from: number; to: number } {
  const [from, to, ...more] = text.split('..').map(numberOption)
  if (from === undefined || to === undefined || more.length > 0) {
    throw new InvalidArgumentError('Give two numbers, for example 40..60.')
  }
  return { from, to }
}
