// Makes a checkout ready to run: the exact dependencies of the lock file, then the compiled code in dist/.
// Every npm script starts with it, so that each of them works as the first command on a machine with only Node and npm.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Holdfast needs Node 20.19 or newer; this is ${process.version}. Install a newer Node and run the command again.`,
  )
  process.exit(1)
}

const run = (command, args) => {
  // npm is a script on Windows, so it is started through a shell there.
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (result.status !== 0) process.exit(result.status ?? 1)
}

const changedAt = path => (existsSync(path) ? statSync(path).mtimeMs : 0)
const installed = join(root, 'node_modules', '.package-lock.json')
if (changedAt(installed) < changedAt(join(root, 'package-lock.json'))) {
  console.error('Installing dependencies (npm ci) …')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', root])
