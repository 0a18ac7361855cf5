// Installs a folder that has a lock file of its own: on first use, and again once its lock file is newer.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const changedAt = path => (existsSync(path) ? statSync(path).mtimeMs : 0)

/** What Holdfast is compared with: bench/ and some parts of prove/ need it. */
export function installPeers() {
  installOnce('bench', 'what Holdfast is compared with', { runsScripts: true })
}

/** Ends the process if it fails. Packages run no scripts of their own, unless `runsScripts` says so. */
export function installOnce(folder, what, { runsScripts = false } = {}) {
  const cwd = join(root, folder)
  if (changedAt(join(cwd, 'node_modules/.package-lock.json')) >= changedAt(join(cwd, 'package-lock.json'))) return
  console.error(`Installing ${what} (npm ci in ${folder}/) …`)
  const flags = ['--no-audit', '--no-fund', '--loglevel=error', ...(runsScripts ? [] : ['--ignore-scripts'])]
  const result = spawnSync('npm', ['ci', ...flags], {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit'],
    // npm is a script on Windows, so it is started through a shell there.
    shell: process.platform === 'win32',
  })
  if (result.status !== 0) process.exit(result.status ?? 1)
}
