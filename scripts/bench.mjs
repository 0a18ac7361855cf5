// Measures: installs what Holdfast is compared with on first use (its own lock file, bench/), then runs dist/bench.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPeers } from './install-once.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

if (!process.argv.includes('--help')) installPeers()

const main = join(root, 'dist/bench/main.js')
const result = spawnSync(process.execPath, [main, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
process.exit(result.status ?? 1)
