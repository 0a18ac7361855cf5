/** `npm run demo`: real input, real kills, simulated power cuts; every value is compared with what was promised. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InputError, readRuns } from './input.js'
import { runWithKills } from './kill-run.js'
import { makeRuns } from './make-runs.js'
import { type DemoOptions, parseOptions } from './options.js'
import { bytesOf, makePlan } from './plan.js'
import { runWithPowerCuts } from './power-run.js'
import { startProgress } from './progress.js'
import { countMessages, type Run } from './run.js'
import { details, table, verdict } from './summary.js'

// Less than this is over before a process can be killed in the middle of it.
const WRITES_MIN = 3000

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) return 0
  const given = readInput(options)
  const runs = enlarge(given)
  const plan = makePlan(runs)
  // Whatever cannot be kept is found before anything starts.
  for (const op of plan.ops) bytesOf(op)
  introduce(options, given, runs)
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-demo-'))
  // Also when the demo is interrupted.
  process.once('exit', () => {
    if (!options.keep) rmSync(folder, { recursive: true, force: true })
  })
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => process.exit(code))

  const { kills, cuts, seed, sabotage } = options
  const killing = startProgress('1. replay and kills', plan.ops.length)
  const killed = await runWithKills(runs, plan, { folder, kills, seed, sabotage, onProgress: killing.update })
  killing.stop()
  const cutting = startProgress('2. power cuts', cuts)
  const cut = await runWithPowerCuts(runs, { cuts, seed, sabotage, onProgress: cutting.update })
  cutting.stop()

  const { text, code } = verdict(killed, cut, options, sabotage)
  console.log(`\n${table(killed, cut)}\n${details(killed, cut)}`)
  if (options.keep) console.log(`The memory is kept in ${folder}`)
  console.log(`${(performance.now() / 1000).toFixed(0)} s in all; --seed ${seed} repeats it.\n\n${text}`)
  return code
}

function readInput({ input, seed, runs }: DemoOptions): Run[] {
  const all = input === undefined ? makeRuns(seed) : readRuns(input)
  return all.slice(0, runs)
}

/** A small input is replayed several times over, as runs of their own. */
function enlarge(runs: readonly Run[]): Run[] {
  const times = Math.ceil(WRITES_MIN / makePlan(runs).ops.length)
  return Array.from({ length: times }, (_, time) =>
    runs.map(run => (time === 0 ? run : { ...run, id: `${run.id}-again-${time}` })),
  ).flat()
}

function introduce({ input, kills, cuts, sabotage }: DemoOptions, given: readonly Run[], runs: readonly Run[]): void {
  const source = input === undefined ? 'made for this demo' : `from ${input}`
  const times = runs.length / given.length
  const lines = [
    `Replaying ${given.length} agent runs with ${countMessages(given).toLocaleString('en-US')} messages, ${source}${times > 1 ? `, ${times} times over` : ''}.`,
    '  Customer profiles are written through, the state of each turn is written ahead, messages and counters are',
    '  written back.',
    `  1. A child process replays them and is killed (SIGKILL) ${kills} times while it writes. After each kill the memory`,
    '     is opened again, and every value is compared with what had been acknowledged.',
    `  2. The same on a simulated disk: ${cuts} power cuts drop, tear and reorder what was never synced.`,
  ]
  if (sabotage === 'no-sync') {
    lines.push('  SABOTAGE no-sync: writes are acknowledged before they are synced. The demo must notice.')
  }
  console.log(`${lines.join('\n')}\n`)
}

main().then(
  code => {
    process.exitCode = code
  },
  (error: unknown) => {
    const isWrongInput = error instanceof InputError
    console.error(isWrongInput ? `demo: ${error.message}` : error)
    process.exitCode = isWrongInput ? 2 : 1
  },
)
