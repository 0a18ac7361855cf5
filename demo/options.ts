/** The command line of the demo. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { InputError } from './input.js'
import type { Sabotage } from './memory.js'

export interface DemoOptions {
  input: string | undefined
  kills: number
  cuts: number
  seed: number
  runs: number | undefined
  sabotage: Sabotage
  keep: boolean
}

/** `undefined` if help was asked for, and given. Throws InputError for what it does not understand. */
export function parseOptions(args: readonly string[]): DemoOptions | undefined {
  const command = new Command('npm run demo --')
    .description(
      'Replays recorded agent runs, kills the process and cuts the power meanwhile, and compares every value.',
    )
    .option('--input <file>', 'recorded runs or chat messages, JSON or JSONL (without it the demo makes runs itself)')
    .option('--kills <n>', 'how often the process is killed', whole(0, 1000), 5)
    .option('--cuts <n>', 'how many power cuts are compared', whole(1, 100_000), 300)
    .option('--seed <n>', 'repeats a run: the same input, kills and power cuts', whole(0, 2 ** 31), 1)
    .option('--keep', 'keep the temporary folder, and print its path', false)
    .addOption(new Option('--sabotage <how>', 'break a promise on purpose; the demo must notice').choices(['no-sync']))
    .addOption(new Option('--runs <n>', 'replay the first n runs only').argParser(whole(1, 100_000)).hideHelp())
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return undefined
    const what = error.message.replace(/^error: /, '').replaceAll(/\s+/g, ' ')
    throw new InputError(`${what}: see npm run demo -- --help`)
  }
  return command.opts<DemoOptions>()
}

function whole(min: number, max: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}`)
  }
}
