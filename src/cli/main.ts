#!/usr/bin/env node
/** The command `holdfast`: looks at a memory from the outside. The engine is loaded by the command that needs it. */
import { Command, CommanderError } from 'commander'
import { WrongCallError } from '../core/errors.js'
import { type ExitCode, type OutputOptions, printError, type RepairOptions } from './output.js'

const EXIT_CODES = `
Exit codes:
  0  fine
  1  verify: problems were found; repair without --yes: something would be lost
  2  wrong usage
  3  not a memory, or it cannot be opened: the error's code says why
  4  another process has the memory open

docs/cli.md of the package says more.`

const JSON_OPTION = ['--json', 'print one JSON object instead of text'] as const

function program(done: (code: ExitCode) => void): Command {
  const holdfast = new Command('holdfast')
    .description(
      'Looks at the memory of an agent from the outside, checks it, and saves what is intact of a damaged one.',
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
    .argument('<folder>', 'the folder that AgentMemory.open was given')
    .option(...JSON_OPTION)
    .action(async (folder: string, options: OutputOptions) => {
      done(await (await import('./commands/status.js')).status(folder, options))
    })
  holdfast
    .command('verify')
    .description('check every frame, every stored value, and that they belong together; changes nothing')
    .argument('<folder>', 'the folder of a memory that no process has open')
    .option(...JSON_OPTION)
    .action(async (folder: string, options: OutputOptions) => {
      done(await (await import('./commands/verify.js')).verify(folder, options))
    })
  holdfast
    .command('repair')
    .description('say what would be lost; with --to and --yes, save what is intact into a new memory')
    .argument('<folder>', 'the folder of a memory that no process has open; it is not changed')
    .option('--to <newfolder>', 'where the copy goes: a folder that is empty, or does not exist')
    .option('--yes', 'make the copy')
    .option(...JSON_OPTION)
    .action(async (folder: string, options: RepairOptions) => {
      done(await (await import('./commands/repair.js')).repair(folder, options))
    })
  for (const command of holdfast.commands) command.addHelpText('after', EXIT_CODES)
  return holdfast
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
