/** `npm run prove -- power | kill`: looks for a crash after which a promise is not kept. Exit code 1 if there is one. */
import { SingleBar } from 'cli-progress'
import { Command, InvalidArgumentError, Option } from 'commander'
import { proveKill } from './kill.js'
import { MUTANTS } from './mutants.js'
import { provePower } from './power.js'

interface Flags {
  states: number
  lives: number
  seed: number
  mutant?: string
  json?: boolean
}

const SHOWN_FAILURES = 5
/** More than one workload has. */
const REPLAY_STATES = 1000

process.on('unhandledRejection', error => {
  console.error('A promise was rejected and nobody was told:', error)
  process.exit(1)
})

const program = new Command('prove')
program.description('Crashes a memory in many ways and checks that every promise it made is kept.')

program
  .command('power')
  .description('cut the power of a simulated disk at every kind of moment, and open the real engine on what is left')
  .option('--states <count>', 'different disks to open', count, 10_000)
  .option('--seed <number>', 'first workload', count, 1)
  .addOption(new Option('--mutant <name>', 'put a mistake in, which must be found').choices(Object.keys(MUTANTS)))
  .option('--json', 'print the figures as JSON')
  .action(async ({ states, seed, mutant, json }: Flags) => {
    if (mutant !== undefined && !json) console.log(`Mutant ${mutant}: ${MUTANTS[mutant]!.what}.`)
    const bar = barOf(states)
    const result = await provePower({ states, seed, mutant, onProgress: done => bar?.update(Math.min(done, states)) })
    bar?.stop()
    const { failures, ms, ...counts } = result
    const shown = failures.slice(0, SHOWN_FAILURES).map(failure => {
      const replay = `npm run prove -- power --seed ${failure.seed} --states ${REPLAY_STATES}${mutant ? ` --mutant ${mutant}` : ''}`
      return { ...failure, replay }
    })
    if (json) console.log(JSON.stringify({ ...counts, ms: Math.round(ms), failures: shown }, undefined, 2))
    else {
      for (const { seed: found, before, crash, broken, replay } of shown) {
        console.log(
          `\nBROKEN (seed ${found}): ${broken}\n  power cut before ${before}; left: ${crash}\n  again: ${replay}`,
        )
      }
      const rate = Math.round((counts.states / ms) * 1000)
      console.log(
        `\n${counts.states} different disks (${counts.compound} after crashes of a recovery or after it), ${counts.checks} judgements, ` +
          `${counts.moments} moments of ${counts.workloads} workloads with ${counts.writes} accepted calls, ` +
          `${(ms / 1000).toFixed(1)} s (${rate}/s): ${verdict(failures.length)}`,
      )
    }
    process.exitCode = failures.length > 0 ? 1 : 0
  })

program
  .command('kill')
  .description('kill real processes while they write to a real folder, and check what the next one finds')
  .option('--lives <count>', 'processes to kill', count, 200)
  .option('--seed <number>', 'of the workload and of the moments', count, 1)
  .option('--json', 'print the figures as JSON')
  .action(async ({ lives, seed, json }: Flags) => {
    const bar = barOf(lives)
    const result = await proveKill({ lives, seed, onProgress: done => bar?.update(done) })
    bar?.stop()
    const { failures, ms, ...counts } = result
    const replay = `npm run prove -- kill --seed ${seed} --lives ${lives}`
    if (json) console.log(JSON.stringify({ ...counts, ms: Math.round(ms), failures, replay }, undefined, 2))
    else {
      for (const { life, broken } of failures) console.log(`\nBROKEN (life ${life}): ${broken}\n  again: ${replay}`)
      console.log(
        `\n${counts.lives} lives, ${counts.killedWriting} killed with writes in flight, ${counts.killedOpening} while opening; ` +
          `${counts.accepted} accepted calls, ${counts.acknowledged} acknowledged, ${counts.unanswered} unanswered of which ` +
          `${counts.unansweredKept} were kept, ${counts.lostWriteBack} of write-back lost within the bound, ` +
          `${(ms / 1000).toFixed(1)} s: ${verdict(failures.length)}`,
      )
    }
    process.exitCode = failures.length > 0 ? 1 : 0
  })

await program.parseAsync()

function verdict(failures: number): string {
  return failures === 0 ? 'every promise was kept.' : `${failures} BROKEN PROMISES.`
}

function barOf(total: number): SingleBar | undefined {
  if (!process.stderr.isTTY) return undefined
  const bar = new SingleBar({ format: '{bar} {value}/{total} {eta_formatted}', stream: process.stderr })
  bar.start(total, 0)
  return bar
}

function count(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('Give a whole number.')
}
