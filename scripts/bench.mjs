// Measures: installs what Holdfast is compared with on first use (its own lock file, bench/), then runs dist/bench.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bench = join(root, 'bench')

const changedAt = path => (existsSync(path) ? statSync(path).mtimeMs : 0)
const installed = join(bench, 'node_modules', '.package-lock.json')
const wantsPeers = !process.argv.includes('--help')
if (wantsPeers && changedAt(installed) < changedAt(join(bench, 'package-lock.json'))) {
  console.error('Installing what Holdfast is compared with (npm ci in bench/) …')
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: bench,
    stdio: ['ignore', 'inherit', 'inherit'],
    // npm is a script on Windows, so it is started through a shell there.
    shell: process.platform === 'win32',
  })
  if (result.status !== 0) process.exit(result.status ?? 1)
}

const main = join(root, 'dist/bench/main.js')
const result = spawnSync(process.execPath, [main, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
process.exit(result.status ?? 1)
