// Runs the test files of dist/test with Node's own runner: all of them, or those whose path holds one of the words given.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installOnce } from './install-once.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const words = process.argv.slice(2).filter(word => !word.startsWith('-'))
const flags = process.argv.slice(2).filter(word => word.startsWith('-'))

const files = readdirSync(join(root, 'dist/test'), { recursive: true })
  .map(String)
  .filter(file => file.endsWith('.test.js'))
  .filter(file => words.length === 0 || words.some(word => file.includes(word)))
  .sort()
  .map(file => join(root, 'dist/test', file))

if (files.length === 0) {
  console.error(`No test file matches ${words.join(', ')}.`)
  process.exit(1)
}

if (files.some(file => file.includes('adapters'))) installOnce('test/outside', 'suites that others have published')

// One more than there are cores, since many files wait for processes and for the disk; Node would leave a core idle.
const atATime = availableParallelism() + 1

const result = spawnSync(
  process.execPath,
  ['--enable-source-maps', '--test', `--test-concurrency=${atATime}`, '--test-reporter=spec', ...flags, ...files],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
process.exit(result.status ?? 1)
