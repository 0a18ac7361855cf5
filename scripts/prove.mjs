// Runs the laboratory. The parts that look at other stores as well need them installed (bench/), which is done on first use.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPeers } from './install-once.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

if (['peers', 'ci'].includes(process.argv[2]) && !process.argv.includes('--help')) installPeers()

const main = join(root, 'dist/prove/main.js')
const result = spawnSync(process.execPath, [main, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
process.exit(result.status ?? 1)
