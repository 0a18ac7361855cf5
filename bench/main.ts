/** `npm run bench`: measures Holdfast against others, side by side on this machine. bench/README.md says how. */
import { removeFolders } from './folders.js'
import { latency } from './latency.js'
import { watchMemory } from './memory.js'
import { type BenchOptions, HELP, parseOptions } from './options.js'
import { comparisonTable, type Line, type MemoryLine, memoryTable, progressEnd } from './report.js'
import { throughput } from './throughput.js'

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

process.on('exit', removeFolders)
process.on('SIGINT', () => process.exit(130))
for (const name of new Set(options.cases)) {
  if (name === 'memory') await runMemory()
  else await runComparison(name === 'P1' ? throughput(options) : latency(options))
}

async function runComparison(results: AsyncIterable<Line>): Promise<void> {
  const lines: Line[] = []
  for await (const line of results) {
    lines.push(line)
    if (options.json) print(line)
  }
  progressEnd()
  if (!options.json) console.log(comparisonTable(lines))
}

async function runMemory(): Promise<void> {
  const line = await watchMemory(options)
  progressEnd()
  if (options.json) print(line)
  else console.log(memoryTable(line))
  // A budget is a promise; the other goals are ratios, which a busy machine may miss.
  if (line.isMet === false) process.exitCode = 1
}

function print(line: Line | MemoryLine): void {
  progressEnd()
  console.log(JSON.stringify(line))
}
