// Runs the suite under every Node that is supported, one after another, and prints a line for each. The Nodes come from
// npm (tools/node-matrix). `--only 22` runs one of them; words choose test files, as they do for `npm test`.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { installOnce } from './install-once.mjs'

const MATRIX = 'tools/node-matrix'
const root = dirname(dirname(fileURLToPath(import.meta.url)))

const { values, positionals } = parseArgs({ options: { only: { type: 'string' } }, allowPositionals: true })
const { dependencies } = JSON.parse(readFileSync(join(root, MATRIX, 'package.json'), 'utf8'))
const majors = Object.keys(dependencies).map(name => name.replace('node', ''))
if (values.only !== undefined && !majors.includes(values.only)) {
  console.error(`--only ${values.only} is none of ${majors.join(', ')}.`)
  process.exit(1)
}
if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(
    `The Nodes of ${MATRIX} are for linux-x64; this is ${process.platform}-${process.arch}. ` +
      `Run "npm test" with each Node that you have: ${majors.join(', ')}.`,
  )
  process.exit(1)
}
installOnce(MATRIX, 'the Nodes')

const runs = majors.filter(major => values.only === undefined || values.only === major).map(runUnder)
const isAllGreen = runs.every(run => run.isGreen)
if (!isAllGreen) for (const { line } of runs) console.log(line)
const totals = Object.keys(runs[0].counts).map(
  name => `${runs.reduce((sum, run) => sum + run.counts[name], 0)} ${name}`,
)
console.log(`${runs.length} Nodes, ${runs.filter(run => run.isGreen).length} green: ${totals.join(', ')}`)
process.exit(isAllGreen ? 0 : 1)

/** Runs the suite under one Node, prints its line and, if it is red, what has failed. */
function runUnder(major) {
  const bin = join(root, MATRIX, 'node_modules', `node${major}`, 'bin')
  const node = join(bin, 'node')
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim().replace('v', 'Node ')
  const startedMs = Date.now()
  const { status, stdout, stderr } = spawnSync(node, [join(root, 'scripts/test.mjs'), ...positionals], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    // What the suite starts by name is of this Node as well.
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
  })
  const count = name => Number(stdout.match(new RegExp(`^ℹ ${name} (\\d+)$`, 'm'))?.[1] ?? 0)
  const counts = {
    tests: count('tests'),
    passed: count('pass'),
    failed: count('fail') + count('cancelled'),
    skipped: count('skipped') + count('todo'),
  }
  const isGreen = status === 0 && counts.tests > 0 && counts.passed + counts.skipped === counts.tests
  const told = Object.entries(counts).map(([name, number]) => `${number} ${name}`)
  const seconds = Math.round((Date.now() - startedMs) / 1000)
  const line = `${version.padEnd(13)} ${isGreen ? 'green' : 'RED  '} ${told.join(', ')}, ${seconds} s`
  console.log(line)
  if (!isGreen) console.log((stdout + stderr).slice(Math.max(0, stdout.indexOf('✖ failing tests:'))))
  return { isGreen, counts, line }
}
