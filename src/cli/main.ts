#!/usr/bin/env node
/** The command `holdfast`: looks at a memory from the outside, or at the disk it lives on. The engine is loaded by the command that needs it. */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { WrongCallError } from '../core/errors.js'
import { DEFAULT_FOLDER } from './disk/place.js'
import {
  type DeadLettersOptions,
  type DoctorOptions,
  ExitCode,
  type LocatedOptions,
  type OutputOptions,
  printError,
  type RepairOptions,
} from './output.js'

const EXIT_CODES = `
Exit codes:
  0  fine
  1  verify, doctor: problems were found; repair without --yes: something would be lost; dead-letters: there are some
  2  wrong usage
  3  not a memory, or it cannot be opened: the error's code says why
  4  another process has the memory open
  5  doctor: no problems, but warnings

docs/cli.md of the package says more.`

const LIVES = 200
const LIVES_MAX = 100_000

const FOLDER_OPTION = ['--folder <folder>', "the memory's folder, if AgentMemory.open was given one"] as const
const JSON_OPTION = ['--json', 'print one JSON object instead of text'] as const

function program(done: (code: ExitCode) => void): Command {
  const holdfast = new Command('holdfast')
    .description(
      'Looks at the memory of an agent from the outside, checks it, and saves what is intact of a damaged one; tries ' +
        'out whether a disk keeps what a memory promises, and how fast it is.',
    )
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    // Errors are printed by us, in one form for all of them.
    .configureOutput({ outputError: () => {} })
    .helpCommand(false)
  holdfast
    .command('status')
    .description(
      'say whose it is, whether it is open, and how far log and store are; changes nothing, waits for nobody',
    )
    .argument('<location>', 'what AgentMemory.open was given: a folder, sqlite:./memory.db or files:./folder')
    .option(...FOLDER_OPTION)
    .option(...JSON_OPTION)
    .action(async (location: string, options: LocatedOptions) => {
      done(await (await import('./commands/status.js')).status(location, options))
    })
  holdfast
    .command('verify')
    .description('check every frame, every stored value, and that they belong together; changes nothing')
    .argument('<location>', 'that of a memory that no process has open')
    .option(...FOLDER_OPTION)
    .option(...JSON_OPTION)
    .action(async (location: string, options: LocatedOptions) => {
      done(await (await import('./commands/verify.js')).verify(location, options))
    })
  holdfast
    .command('repair')
    .description('say what would be lost; with --to and --yes, save what is intact into a new memory')
    .argument('<location>', 'that of a memory that no process has open; it is not changed')
    .option(...FOLDER_OPTION)
    .option('--to <location>', 'where the copy goes: a folder that is empty or new, sqlite:./new.db or files:./new')
    .option('--yes', 'make the copy')
    .option(...JSON_OPTION)
    .action(async (location: string, options: RepairOptions) => {
      done(await (await import('./commands/repair.js')).repair(location, options))
    })
  holdfast
    .command('sql')
    .description('print what makes the tables of a store in Postgres, for those who make them by hand; changes nothing')
    .option('--schema <schema>', 'the schema that they are in', 'holdfast')
    .action(async ({ schema }: { schema: string }) => {
      process.stdout.write((await import('../stores/postgres/schema.js')).schemaSql(schema))
      done(ExitCode.fine)
    })
  holdfast
    .command('dead-letters')
    .description('list what the data store has refused, give it to the store again, or give it up; opens the memory')
    .argument('<location>', 'that of a memory that no process has open')
    .option('--replay [id]', 'give one dead letter to the store again, or all', parseId)
    .option('--discard <id>', 'give a dead letter up: its writes are gone', parseId)
    .option(...FOLDER_OPTION)
    .option(...JSON_OPTION)
    .action(async (location: string, options: DeadLettersOptions) => {
      done(await (await import('./commands/dead-letters.js')).deadLetters(location, options))
    })
  holdfast
    .command('doctor')
    .description('try out whether a memory here keeps its promises, by killing processes too; leaves no trace')
    .argument('[folder]', 'where a memory lives or would live', DEFAULT_FOLDER)
    .option('--lives <count>', 'how many processes to kill', parseLives, LIVES)
    .option(...JSON_OPTION)
    .action(async (folder: string, options: DoctorOptions) => {
      done(await (await import('./commands/doctor.js')).doctor(folder, options))
    })
  holdfast
    .command('bench')
    .description('measure what reads and writes of each durability cost here, in about 15 s; leaves no trace')
    .argument('[folder]', 'where a memory lives or would live', DEFAULT_FOLDER)
    .option(...JSON_OPTION)
    .action(async (folder: string, options: OutputOptions) => {
      done(await (await import('./commands/bench.js')).bench(folder, options))
    })
  for (const command of holdfast.commands) command.addHelpText('after', EXIT_CODES)
  return holdfast
}

function parseLives(text: string): number {
  const lives = Number(text)
  if (/^\d+$/.test(text) && lives >= 1 && lives <= LIVES_MAX) return lives
  throw new InvalidArgumentError(`Give a whole number from 1 to ${LIVES_MAX.toLocaleString('en-US')}`)
}

function parseId(text: string): number {
  const id = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(id)) return id
  throw new InvalidArgumentError('Give the id of a dead letter, as the list shows it')
}

function wrongUsage(error: CommanderError): WrongCallError {
  const isOption = error.code === 'commander.unknownOption'
  return new WrongCallError(isOption ? 'UNKNOWN_OPTION' : 'INVALID_ARGUMENT', {
    message: error.message
      .replace(/^error: /, '')
      .replace(/\.$/, '')
      .replaceAll('\n', ' '),
    next: 'See "npx holdfast --help"',
  })
}

async function main(argv: readonly string[]): Promise<number> {
  const isJson = argv.includes('--json')
  let code = 0
  try {
    if (argv.length === 0) {
      const error = { code: 'commander.missingArgument', message: 'no command was given' }
      throw new CommanderError(2, error.code, error.message)
    }
    await program(exitCode => {
      code = exitCode
    }).parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    // Help that was asked for ends by way of an error too.
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    return printError(isJson, error instanceof CommanderError ? wrongUsage(error) : error)
  }
}

process.exitCode = await main(process.argv.slice(2))
