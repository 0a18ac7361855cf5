// Runs the tests of the SQLite store with better-sqlite3 too, which compiles for a minute where it finds no binary.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installOnce } from './install-once.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// 12 is built for one Node each; 13 for 22 and newer.
const folder = `test/drivers/better-sqlite3-${process.versions.node.startsWith('20.') ? 12 : 13}`
installOnce(folder, 'better-sqlite3', { runsScripts: true })

const result = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), 'sqlite/', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, NODE_PATH: join(root, folder, 'node_modules') },
})
process.exit(result.status ?? 1)
