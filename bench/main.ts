/** `npm run bench`: measures Holdfast against others, side by side on this machine. bench/README.md says how. */
import { InputError } from '../demo/input.js'
import { killChildren } from './child.js'
import { conversations } from './conversations.js'
import { removeFolders } from './folders.js'
import { growth } from './growth.js'
import { latency } from './latency.js'
import { isMeasured, type Line } from './line.js'
import { watchMemory } from './memory.js'
import { type BenchOptions, type CaseName, HELP, parseOptions } from './options.js'
import { postgres } from './postgres.js'
import { profile } from './profile.js'
import { progressEnd } from './progress.js'
import { reads } from './reads.js'
import { recovery } from './recovery.js'
import { table } from './report.js'
import { killServers } from './server.js'
import { size } from './size.js'
import { sustained } from './sustained.js'
import { throughput } from './throughput.js'
import { valuesOf } from './workload.js'
import { writeBack } from './write-back.js'
import { writeDocs } from './write-docs.js'

const RUNS: Record<CaseName, (options: BenchOptions) => AsyncIterable<Line>> = {
  P1: throughput,
  P2: latency,
  P3: writeBack,
  P4: reads,
  P5: sustained,
  P6: recovery,
  P8: postgres,
  P9: growth,
  conversations,
  memory: watchMemory,
  size,
  profile,
}

let options: BenchOptions
try {
  options = parseOptions(process.argv.slice(2))
} catch (error) {
  console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`)
  process.exit(2)
}
if (options.help) {
  console.log(HELP)
  process.exit(0)
}

if (options.input !== undefined) {
  try {
    valuesOf(1, options.input)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    console.error(error.message)
    process.exit(2)
  }
}

process.on('exit', () => {
  killChildren()
  killServers()
  removeFolders()
})
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

const all: Line[] = []
for (const name of options.cases) all.push(...(await run(name)))
if (options.write) console.error(`${await writeDocs(all, options)} is made`)
// A budget is a promise; the other goals are ratios, which a busy machine may miss.
if (all.some(line => line.case === 'memory' && isMeasured(line) && line.isMet === false)) process.exitCode = 1

/** A case that breaks is told as one that was not run; the others go on, and the command fails at its end. */
async function run(name: CaseName): Promise<Line[]> {
  const lines: Line[] = []
  const take = (line: Line) => {
    lines.push(line)
    progressEnd()
    if (options.json) console.log(JSON.stringify(line))
  }
  try {
    for await (const line of RUNS[name](options)) take(line)
  } catch (error) {
    process.exitCode = 1
    console.error(error)
    take({ case: name, peer: 'all that was left', notRun: `it has failed: ${messageOf(error)}` })
  }
  progressEnd()
  if (!options.json) console.log(table(lines))
  return lines
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0]! : String(error)
}
